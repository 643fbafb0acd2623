"""Score-CAM against a loop over channels that does one thing at a time."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional

from segcore.cam.score_cam import score_cam
from segcore.cam.scores import class_probability, class_score
from segcore.errors import ConfigError, ShapeError

SITE = class_probability(1)
ARCHS = {"vgg16": "features.22", "resnet34": "layer3", "densenet121": "features.denseblock3", "efficientnet_b0": "blocks.4"}


def slowly(model, images, layer, score, channels=None):
    """Wang et al. 2020 as their code has it: one image, one channel and one forward call at a time."""
    kept = []
    hook = model.get_submodule(layer).register_forward_hook(lambda _module, _inputs, answer: kept.append(answer.clone()))
    maps = []
    with torch.no_grad():
        for image in images:
            kept.clear()
            model(image[None])
            act, total = kept[0][0], torch.zeros(image.shape[1:])
            for channel in range(len(act)) if channels is None else channels:
                mask = functional.interpolate(act[channel][None, None], image.shape[1:], mode="bilinear", align_corners=False)[0, 0]
                if act[channel].min() == act[channel].max() or mask.min() == mask.max():
                    continue
                shown = image * (mask - mask.min()) / (mask.max() - mask.min())
                total += score(model(shown[None]))[0] * mask
            maps.append(total.relu())
    hook.remove()
    return torch.stack(maps)


@pytest.mark.parametrize("layer", ["conv1", "norm1", "conv2", "norm2"])
@pytest.mark.parametrize("score", [SITE, class_probability(0), class_score(1)])
def test_score_cam_equals_the_loop(layer, score, small, scenes, close):
    close(score_cam(small, scenes, layer, score), slowly(small, scenes, layer, score))


@pytest.mark.parametrize("arch", ARCHS)
def test_score_cam_of_the_usual_networks_equals_the_loop(arch, lively, images, close):
    model, channels = deepcopy(lively(arch)).double(), [3, 0, 17, 30]
    images = images[:2, :, :, :48].double()  # rounding of float32 differs by processor
    oracle = slowly(model, images, ARCHS[arch], SITE, channels)
    close(score_cam(model, images, ARCHS[arch], SITE, channels=channels), oracle)


@pytest.mark.parametrize("batch", [1, 3, 16, 64])
def test_batches_of_any_size_give_one_map(batch, small, scenes, close):
    close(score_cam(small, scenes, "norm1", SITE, batch=batch), slowly(small, scenes, "norm1", SITE))


@pytest.mark.parametrize("channels", [[5], [0, 7], [6, 2, 1], (3, 4)])
def test_a_choice_of_channels(channels, small, scenes, close):
    close(score_cam(small, scenes, "norm1", SITE, channels=channels), slowly(small, scenes, "norm1", SITE, channels))


def test_all_channels_are_the_default(small, scenes):
    assert torch.equal(score_cam(small, scenes, "norm1", SITE), score_cam(small, scenes, "norm1", SITE, channels=range(8)))


def test_constant_channels_weigh_nothing(small, scenes, close):
    """Channels of 0.3: brought from 10 x 14 to 21 x 29 px they differ by rounding, and stretched to 0..1 that would be a picture."""
    images = functional.interpolate(scenes, (21, 29))
    with torch.no_grad():
        small.norm2.weight[2:] = 0
        small.norm2.bias[2:] = 0.3
    rounded = functional.interpolate(torch.full((1, 1, 10, 14), 0.3), (21, 29), mode="bilinear")
    assert rounded.min() < rounded.max()
    maps = score_cam(small, images, "norm2", SITE)
    assert maps.isfinite().all()
    close(maps, slowly(small, images, "norm2", SITE, [0, 1]))
    assert torch.equal(score_cam(small, images, "norm2", SITE, channels=[2, 3]), torch.zeros(3, 21, 29))


class Enlarged(nn.Module):
    """Its layer is four times as large as the image, and its second channel is lit in a pixel that the image's size never reads."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, images):
        plain = functional.interpolate(images[:, :1], scale_factor=4, mode="nearest")
        spot = torch.zeros_like(plain)
        spot[:, :, 0, 0] = 1
        return self.layer(torch.cat([plain, spot], dim=1)).mean(dim=(2, 3))


def test_channels_that_are_constant_at_the_images_size_weigh_nothing(scenes, close):
    maps = score_cam(Enlarged(), scenes, "layer", class_score(0))
    assert maps.isfinite().all()
    close(maps, score_cam(Enlarged(), scenes, "layer", class_score(0), channels=[0]))


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_constant_image_gives_numbers(value, small):
    for layer in ("conv1", "norm2"):
        assert score_cam(small, torch.full((2, 2, 20, 28), value), layer, SITE).isfinite().all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"channels": []}, r"numbers from 0 to 7, at least one; got \[\]"),
        ({"channels": [8]}, r"numbers from 0 to 7, at least one; got \[8\]"),
        ({"channels": [0, -1]}, r"got \[0, -1\]"),
        ({"batch": 0}, "at least one image, got 0"),
    ],
)
def test_channels_and_batches_out_of_range(options, text, small, scenes):
    with pytest.raises(ConfigError, match=text) as caught:
        score_cam(small, scenes, "norm1", SITE, **options)
    assert "\n" not in str(caught.value)


def test_layers_and_scores_that_cannot_be_used(small, scenes):
    with pytest.raises(ConfigError, match=r"no layer 'norm3'\. It has norm2, norm1"):
        score_cam(small, scenes, "norm3", SITE)
    with pytest.raises(ShapeError, match=r"'head' answers shape"):
        score_cam(small, scenes, "head", SITE)
    with pytest.raises(ShapeError, match="one number per image"):
        score_cam(small, scenes, "norm1", lambda output: output)
