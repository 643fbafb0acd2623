"""Occlusion against captum, and by hand."""

import math
from copy import deepcopy

import pytest
import torch
from torch import nn

from segcore.cam.methods import CAMS, site_score
from segcore.cam.occlusion import occlusion
from segcore.cam.scores import class_probability, class_score
from segcore.errors import ConfigError, ShapeError

SITE = class_probability(1)
ARCHS = ["vgg16", "resnet34", "densenet121", "efficientnet_b0"]


def captum_occlusion(model, images, score, window, stride, fill=0.0):
    """captum subtracts each hidden score from the whole one, band by band alike; one band of its answer."""
    attr = pytest.importorskip("captum.attr")
    bands = images.shape[1]
    with torch.no_grad():
        found = attr.Occlusion(lambda batch: score(model(batch))).attribute(
            images, sliding_window_shapes=(bands, window, window), strides=(bands, stride, stride), baselines=fill
        )
    assert all(torch.equal(found[:, 0], found[:, band]) for band in range(bands))
    return found[:, 0].float()


@pytest.mark.parametrize(("window", "stride"), [(4, 4), (4, 2), (8, 4), (5, 3), (7, 7), (6, 5), (3, 1), (2, 1), (20, 20), (20, 9)])
def test_occlusion_equals_captum(window, stride, small, scenes, close):
    """20 x 28 px: some windows and strides divide both edges, some one, some neither."""
    close(occlusion(small, scenes, SITE, window=window, stride=stride), captum_occlusion(small, scenes, SITE, window, stride))


def test_single_pixels_equal_captum(small, scenes, close):
    """They move the score so little that float32 shows it to 1e-5 only just; hence float64."""
    oracle = captum_occlusion(small.double(), scenes.double(), SITE, 1, 1)
    assert oracle.min() < 0 < oracle.max()
    close(occlusion(small, scenes.double(), SITE, window=1, stride=1), oracle)


@pytest.mark.parametrize("fill", [-2.0, 1.5])
@pytest.mark.parametrize("score", [class_probability(0), class_score(1)])
def test_other_fills_and_scores_equal_captum(fill, score, small, scenes, close):
    oracle = captum_occlusion(small, scenes, score, 6, 4, fill)
    close(occlusion(small, scenes, score, window=6, stride=4, fill=fill), oracle)


@pytest.mark.parametrize("arch", ARCHS)
def test_occlusion_of_the_usual_networks_equals_captum(arch, lively, images, close):
    model, images = deepcopy(lively(arch)).double(), images[:2, :, :, :52].double()  # rounding of float32 differs by processor
    oracle = captum_occlusion(model, images, class_score(1), 24, 20)
    close(occlusion(model, images, class_score(1), window=24, stride=20), oracle)


def test_by_hand(close):
    """The score is the mean, windows of 2 px lie 1 px apart: each hides its sum / 6, a pixel gets the mean over its windows."""
    image = torch.tensor([[[[1.0, 2.0, 4.0], [0.0, 0.0, 6.0]]]])
    drops = torch.tensor([3.0, 12.0]) / 6
    column = torch.stack([drops[0], drops.mean(), drops[1]])
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    close(occlusion(model, image, class_score(0), window=2, stride=1), column.expand(1, 2, 3))


def test_the_default_is_an_eighth_of_the_shorter_edge_and_half_of_it(small, scenes, close):
    tall = scenes[:, :, :16].mT  # 28 x 16
    close(occlusion(small, tall, SITE), occlusion(small, tall, SITE, window=2, stride=1))
    large = nn.functional.interpolate(scenes, (32, 40))
    close(occlusion(small, large, SITE), occlusion(small, large, SITE, window=4, stride=2))


def test_the_registry_keeps_what_supports_the_class(small, scenes, close):
    assert torch.equal(CAMS["occlusion"](small, scenes, "no layer", SITE), occlusion(small, scenes, SITE).relu())


@pytest.mark.parametrize("batch", [1, 3, 16, 64])
def test_batches_of_any_size_give_one_map(batch, small, scenes, close):
    close(occlusion(small, scenes, SITE, window=6, stride=3, batch=batch), occlusion(small, scenes, SITE, window=6, stride=3, batch=1000))


class Counter(nn.Module):
    """The mean, and the sizes of the batches that were asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def forward(self, images):
        self.asked.append(len(images))
        return images.mean(dim=(2, 3))


def test_no_batch_is_larger_than_asked_for(scenes):
    model = Counter()
    occlusion(model, scenes, class_score(0), window=7, stride=7, batch=5)
    windows = math.ceil(20 / 7) * math.ceil(28 / 7)
    assert max(model.asked) == 5
    assert sum(model.asked) == 1 + 3 + 3 * windows  # a look at the norms, the whole images, the hidden ones


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_constant_image_gives_numbers(value, small):
    assert occlusion(small, torch.full((2, 2, 20, 28), value), SITE).isfinite().all()


def test_hiding_with_what_is_there_changes_nothing(small):
    maps = occlusion(small, torch.full((1, 2, 20, 28), 1.5), SITE, fill=1.5)
    assert maps.abs().max() < 1e-6


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"window": 0}, "hides 1 to 20 px and the stride is 1 to the window; got window 0"),
        ({"window": -3}, "got window -3"),
        ({"window": 21}, "hides 1 to 20 px .* got window 21"),
        ({"stride": 0}, "and stride 0"),
        ({"window": 4, "stride": 5}, "got window 4 and stride 5"),
        ({"batch": 0}, "at least one image, got 0"),
        ({"batch": -1}, "at least one image, got -1"),
    ],
)
def test_windows_strides_and_batches_out_of_range(options, text, small, scenes):
    with pytest.raises(ConfigError, match=text) as caught:
        occlusion(small, scenes, SITE, **options)
    assert "\n" not in str(caught.value)


def test_scores_of_the_wrong_shape(small, scenes):
    with pytest.raises(ShapeError, match="one number per image"):
        occlusion(small, scenes, lambda output: output)


def test_a_network_without_convolutions_can_be_occluded(scenes, close):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        model = nn.Sequential(nn.Flatten(), nn.Linear(2 * 20 * 28, 2))
    close(occlusion(model, scenes, SITE, window=5, stride=4), captum_occlusion(model, scenes, SITE, 5, 4))
    assert CAMS["occlusion"](model, scenes, "", site_score("occlusion")).max() > 0
