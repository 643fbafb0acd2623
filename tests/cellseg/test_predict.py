"""Windows and stitching against the whole, and bundles that do not fit."""

import tracemalloc
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cellseg.predict import MARGIN, Segmenter, load_segmenter
from cellseg.training.learn import first_network
from cellseg.training.normalise import Normalisation
from cellseg.training.settings import SegmenterTraining
from segcore.errors import BundleError, ConfigError, InputError, ShapeError
from segcore.files import read_json, sha256, write_json
from segcore.io.memory import MemoryImage
from segcore.nets.build import build_net
from segcore.nets.msd import MSDConfig, MSDNet
from segcore.nets.segnet import SegNetConfig
from segcore.nets.unet import UNetConfig
from segcore.train.bundle import Bundle, save_bundle


class Near(nn.Module):
    """Logits from 7 x 7 pixels, mirrored at the edge of what it is given: a small receptive field."""

    def __init__(self, channels=1):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(
                nn.Conv2d(channels, 4, 3, padding=1, padding_mode="replicate"),
                nn.ReLU(),
                nn.Conv2d(4, 2, 5, padding=2, padding_mode="replicate"),
            )
        self.shapes = []

    def forward(self, images):
        self.shapes.append(tuple(images.shape))
        return self.layers(images)


class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(0.3))

    def forward(self, images):
        here = images[:, 0] * 0
        return torch.stack([here, here + self.logit], dim=1)


def segmenter(network, window=48, channels=1, name="m"):
    facts = {"target": "cell", "pixel_size_um": [0.5, 0.5]}
    own = Normalisation(mean=(100.0,) * channels, spread=(50.0,) * channels)
    return Segmenter(path=Path(name), digest="0", facts=facts, network=network.eval(), normalise=own, window=window)


def image(height, width, channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (channels, height, width), dtype=np.uint8)


@pytest.mark.parametrize("size", [(48, 48), (200, 130), (47, 333), (1, 90), (5, 3)])
def test_windows_give_what_the_whole_gives_where_the_network_looks_no_further_than_the_margin(size):
    pixels, network = image(*size), Near()
    own = segmenter(network)
    with torch.no_grad():
        whole = network(torch.from_numpy(own.normalise.apply(pixels))[None]).softmax(dim=1)[0, 1].numpy()
    network.shapes.clear()
    found = own.predict(pixels)
    assert (found.dtype, found.shape) == (np.float32, size)
    np.testing.assert_allclose(found, whole, atol=1e-6)
    assert max(max(shape[2:]) for shape in network.shapes) <= 48 + 2 * MARGIN
    assert len(network.shapes) == 1 or size not in [(48, 48), (5, 3)]


@pytest.mark.parametrize("config", [UNetConfig(width=4, depth=3), SegNetConfig(width=4, depth=3), MSDConfig(depth=12)])
def test_windows_pool_the_same_pixels_as_the_whole(config):
    """Off the grid of the poolings answers differ by most of their spread; what is left on it is the margin."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_net(config, channels=1, classes=2)
        with torch.no_grad():
            for _ in range(3):
                network(torch.randn(4, 1, 64, 64))
            if isinstance(network, MSDNet):
                network.last.weight.normal_()
    pixels = image(333, 290)
    own = replace(segmenter(network, window=96), grid=network.grid)
    with torch.no_grad():
        whole = network(torch.from_numpy(own.normalise.apply(pixels))[None]).softmax(dim=1)[0, 1].numpy()
    assert np.abs(own.predict(pixels) - whole).mean() < 0.02 * whole.std()


def test_a_constant_comes_back_as_it_is():
    found = segmenter(Constant()).predict(image(300, 211))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-0.3)), atol=1e-6)


def test_strips_cover_the_image_from_above_and_each_window_is_computed_once():
    network = Near()
    own = segmenter(network)
    parts = list(own.strips(MemoryImage(image(200, 130))))
    assert [window.row for window, _ in parts] == [0, 42, 84, 126, 152]
    assert all(window.width == 130 and part.shape == (window.height, 130) for window, part in parts)
    assert sum(window.height for window, _ in parts) == 200
    assert len(network.shapes) == 5 * 3


def test_memory_is_that_of_a_row_of_windows():
    class Endless:
        name, shape, dtype = "endless", (1, 6000, 64), np.dtype(np.uint8)

        def read(self, window):
            return np.zeros((1, window.height, window.width), np.uint8)

        def mask(self, window):
            return np.ones((window.height, window.width), bool)

    own = segmenter(Constant(), window=64)
    next(own.strips(Endless()))
    tracemalloc.start()
    for _ in own.strips(Endless()):
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 6000 * 64 * 4


def test_volumes_are_predicted_plane_by_plane():
    own = segmenter(Near())
    volume = np.stack([image(60, 50, seed=z) for z in range(3)], axis=1)
    found = own.predict(volume)
    assert found.shape == (3, 60, 50)
    np.testing.assert_array_equal(found[1], own.predict(volume[:, 1]))


class Bright(nn.Module):
    """The first channel itself is the logit."""

    def __init__(self):
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return torch.stack([self.zero * 0 - images[:, 0], images[:, 0]], dim=1)


def test_objects_are_connected_pixels_and_clumps_can_be_cut():
    grid = np.indices((60, 90))
    disks = [np.hypot(grid[0] - row, grid[1] - col) <= 11 for row, col in ((15, 15), (40, 40), (40, 59))]
    pixels = np.where(np.any(disks, axis=0), 220, 20).astype(np.uint8)[None]
    own = segmenter(Bright())
    plain, cut = own.segment(pixels), own.segment(pixels, split=True)
    assert (plain.dtype, plain.max(), cut.max()) == (np.int32, 2, 3)
    np.testing.assert_array_equal(plain > 0, pixels[0] > 100)
    np.testing.assert_array_equal(cut > 0, plain > 0)


def test_cells_of_a_volume_connect_through_planes():
    volume = np.full((1, 4, 30, 30), 20, np.uint8)
    volume[0, :2, 5:12, 5:12] = volume[0, 3, 20:25, 20:25] = 220
    found = segmenter(Bright()).segment(volume)
    assert [sorted(set(plane.ravel())) for plane in found] == [[0, 1], [0, 1], [0], [0, 2]]


def test_the_threshold_is_the_least_probability():
    own, pixels = segmenter(Constant()), image(20, 20)
    level = float(own.predict(pixels).min())
    assert own.segment(pixels, threshold=level).max() == 1
    assert own.segment(pixels, threshold=level + 1e-3).max() == 0
    with pytest.raises(ConfigError, match="a threshold is a probability, 0 to 1, got 50"):
        own.segment(pixels, threshold=50)


def test_images_that_do_not_fit_are_refused():
    own = segmenter(Near(3), channels=3, name="tissue")
    with pytest.raises(InputError, match=r"tissue reads 3 channel\(s\); array has 1. Choose another model"):
        own.predict(image(20, 20))
    with pytest.raises(ShapeError, match=r"an image is \(C, H, W\).*got \(20, 20\)"):
        own.predict(image(20, 20)[0])
    broken = np.zeros((3, 20, 20), np.float32)
    broken[1, 4, 4] = np.nan
    with pytest.raises(InputError, match="finite numbers; array has NaN"):
        own.predict(broken)


@pytest.fixture(params=[UNetConfig(width=4, depth=1), MSDConfig(depth=4)], ids=["unet", "msd"])
def model(tmp_path, request):
    """A bundle as train_segmenter writes it, with first weights."""
    training = SegmenterTraining(target="cell", net=request.param)
    facts = {"net": training.name, "options": asdict(training.net), "channels": 1, "classes": ["background", "cell"], "target": "cell"}
    facts |= {"pixel_size_um": [0.5, 0.5], "normalise": {"mean": [70.0], "spread": [40.0]}, "patch": 32, "metrics": {}}
    bundle = Bundle(kind="segmenter", facts=facts, members=[first_network(training, 1, 0).state_dict()])
    save_bundle(bundle, tmp_path / "m")
    return tmp_path / "m"


def test_a_bundle_is_loaded_as_it_was_saved(model):
    state = torch.get_rng_state()
    own, again = load_segmenter(model, device="cpu"), load_segmenter(str(model), device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    assert (own.target, own.channels, own.pixel_size_um, own.digest) == ("cell", 1, (0.5, 0.5), again.digest)
    assert not own.network.training
    pixels = image(40, 50)
    np.testing.assert_array_equal(own.predict(pixels), again.predict(pixels))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"net": "vgg"}, "a segmentation network is one of unet, segnet, msd, got 'vgg'"),
        ({"options": {"depth": 3}}, "its weights are those of another network"),
        ({"options": {"depth": 10**9}}, "its weights are those of another network"),
        ({"options": {"width": 10**9}}, "is no segmenter that can be built"),
        ({"options": {"colour": 1}}, "colour"),
        ({"options": 7}, "is no segmenter that can be built"),
        ({"channels": 2}, "its weights are those of another network"),
        ({"channels": "three"}, "is no segmenter that can be built"),
        ({"classes": ["a", "b", "c"]}, "its weights are those of another network"),
        ({"classes": None}, "is no segmenter that can be built"),
        ({"target": None}, "its weights are those of another network"),
        ({"normalise": {"mean": [0, 0], "spread": [1, 1]}}, "the mean and spread of 1 channels"),
        ({"pixel_size_um": "half"}, "the two edges of a pixel, or none; .* has 'half'"),
    ],
)
def test_a_bundle_that_does_not_fit_together_is_refused(model, change, text):
    content = read_json(model / "bundle.json")
    content["facts"] |= change
    write_json(model / "bundle.json", content)
    with pytest.raises(BundleError, match=text):
        load_segmenter(model, device="cpu")


def test_other_bundles_and_other_weights_are_refused(model):
    with pytest.raises(BundleError, match=r"a model is a folder with bundle.json"):
        load_segmenter(model.parent)
    content = read_json(model / "bundle.json")
    save_file({"foreign": torch.zeros(2)}, model / "member-0.safetensors")
    content["files"]["member-0.safetensors"] = sha256(model / "member-0.safetensors")
    write_json(model / "bundle.json", content)
    with pytest.raises(BundleError, match="another network"):
        load_segmenter(model, device="cpu")
    write_json(model / "bundle.json", content | {"kind": "site-classifier"})
    with pytest.raises(BundleError, match="a segmenter is needed here"):
        load_segmenter(model, device="cpu")


def test_an_unknown_device_is_refused(model):
    with pytest.raises(ConfigError, match="auto, cpu or cuda"):
        load_segmenter(model, device="tpu")
