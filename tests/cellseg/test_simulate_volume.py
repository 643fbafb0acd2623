"""Whole volumes: seeded, labelled, neither solved by a threshold nor noise."""

import numpy as np
import pytest
from scipy import ndimage

from cellseg.simulate.census import census
from cellseg.simulate.optics import Optics
from cellseg.simulate.threshold import count_greys
from cellseg.simulate.volume import Specimen, simulate, simulate_slices
from segcore.errors import ConfigError

COARSE = Optics(pixel_um=(0.4, 0.25, 0.25))
SHAPE = 40, 180, 200
"""16 x 45 x 50 um in coarse voxels."""
DICE = {("hl60", "hl60"): (0.70, 0.95), ("granulocyte", "granulocyte"): (0.45, 0.82), ("combined", "granulocyte"): (0.06, 0.34)}
"""Of the best threshold, with room for the small volume."""
TARGETS = "hl60", "granulocyte"
SHARE = {"hl60": (0.03, 0.12), "granulocyte": (0.008, 0.03), "combined": (0.02, 0.09)}
"""Of voxels in nuclei."""


@pytest.fixture(scope="module", params=["hl60", "granulocyte", "combined"])
def volume(request):
    return simulate(request.param, shape=SHAPE, optics=COARSE, seed=11)


@pytest.fixture(scope="module")
def combined():
    return simulate("combined", shape=SHAPE, optics=COARSE, seed=4, volume=2)


def test_types_names_and_classes(volume):
    kind = volume.name.removesuffix("_000")
    assert (volume.pixels.shape, volume.pixels.dtype, volume.pixel_size_um) == ((1, *SHAPE), np.uint16, COARSE.pixel_um)
    assert sorted(volume.classes) == volume.ids.tolist() == list(range(1, len(volume.ids) + 1))
    assert set(volume.classes.values()) == ({"hl60", "granulocyte"} if kind == "combined" else {kind})


def test_each_nucleus_is_one_component(volume):
    for own, box in enumerate(ndimage.find_objects(volume.instances), 1):
        assert ndimage.label(volume.instances[box] == own)[1] == 1


def test_classes_are_those_of_the_shapes():
    """Nuclei of hl60 are larger than those of granulocytes, where no face cuts them."""
    counts = [census(simulate("combined", shape=(48, 200, 220), optics=COARSE, seed=seed), target) for seed in (1, 2) for target in TARGETS]
    large, small = (np.concatenate([count.volume_um3 for count in counts[first::2]]) for first in (0, 1))
    assert min(len(large), len(small)) >= 2
    assert large.min() > 200 > 150 > small.max()


def test_foreground_share(volume):
    low, high = SHARE[volume.name.removesuffix("_000")]
    assert low < volume.mask().mean() < high


def test_grey_values(volume):
    inside, outside = volume.pixels[0][volume.mask()].astype(float), volume.pixels[0][~volume.mask()].astype(float)
    assert 1600 < inside.mean() < 4000
    assert 700 < outside.mean() < 1400
    assert 200 < outside.std() < 900
    assert volume.pixels.max() < 40000
    assert (volume.pixels == 0).mean() < 1e-3


def test_the_ground_is_uneven(volume):
    ground = np.where(volume.mask(), np.nan, volume.pixels[0].astype(float))
    blocks = np.nanmean(ground.reshape(4, 10, 4, 45, 4, 50), axis=(1, 3, 5))
    assert blocks.max() / blocks.min() > 1.25


@pytest.mark.parametrize(("kind", "target"), list(DICE))
def test_a_threshold_does_not_solve_it(kind, target):
    counts = [count_greys(simulate(kind, shape=SHAPE, optics=COARSE, seed=seed), target) for seed in (11, 12)]
    low, high = DICE[kind, target]
    assert low < (counts[0] + counts[1]).best().dice < high


def test_smoothing_finds_what_one_voxel_hides(volume):
    """Noise is not all there is: means over neighbours separate nuclei from ground far better than voxels do."""
    grey = volume.pixels[0].astype(np.float32)
    ground = ndimage.gaussian_filter(grey, (2, 12, 12))
    seen = ndimage.gaussian_filter(grey, (0.7, 1, 1)) - 0.7 * ground
    mask = volume.mask()
    sharper = [(values[mask].mean() - values[~mask].mean()) / values[~mask].std() for values in (grey, seen)]
    assert sharper[1] > 1.3 * sharper[0]


def test_the_same_seed_makes_the_same_volume():
    one, again = (simulate("granulocyte", shape=SHAPE, optics=COARSE, seed=5) for _ in range(2))
    assert (one.pixels == again.pixels).all()
    assert (one.instances == again.instances).all()
    assert one.classes == again.classes


@pytest.mark.parametrize("other", [{"seed": 6}, {"volume": 1}])
def test_another_seed_or_number_makes_another_volume(other):
    one = simulate("hl60", shape=SHAPE, optics=COARSE, seed=5)
    two = simulate("hl60", shape=SHAPE, optics=COARSE, **({"seed": 5} | other))
    assert (one.instances != two.instances).any()
    assert (one.pixels != two.pixels).mean() > 0.98


def test_kinds_share_no_nuclei_and_no_noise():
    """What a network has seen of one kind is new in another."""
    one, two = (simulate(kind, shape=SHAPE, optics=COARSE, seed=5) for kind in ("hl60", "combined"))
    assert not (one.mask() & two.mask("hl60")).sum() > 0.5 * one.mask().sum()
    assert (one.pixels != two.pixels).mean() > 0.98


def test_slices_are_those_of_the_volume(combined):
    specimen = Specimen(kind="combined", shape=SHAPE, optics=COARSE, seed=4, volume=2)
    whole = list(combined.slices())
    for plane, image in zip((3, 17, 39), simulate_slices(specimen, (3, 17, 39)), strict=True):
        assert image.name == whole[plane].name == f"combined_002_{plane:03d}"
        assert (image.pixels == whole[plane].pixels).all()
        assert (image.instances == whole[plane].instances).all()
        assert image.pixel_size_um == whole[plane].pixel_size_um == (0.25, 0.25)
        assert image.classes == {own: combined.classes[own] for own in image.ids}


def test_progress_hears_of_each_plane():
    class Heard:
        def __init__(self):
            self.steps = []

        def say(self, line):
            raise AssertionError(line)

        def step(self, task, done, total):
            self.steps.append((task, done, total))

    heard = Heard()
    simulate("granulocyte", shape=(16, 40, 40), optics=COARSE, progress=heard)
    assert heard.steps == [("volume 0", done, 16) for done in range(1, 17)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kind": "yeast"}, "one of hl60, granulocyte, combined, got 'yeast'"),
        ({"kind": "hl60", "seed": -1}, "seed is a whole number >= 0, got -1"),
        ({"kind": "hl60", "volume": -2}, "volume is a whole number >= 0, got -2"),
        ({"kind": "hl60", "shape": (44, 400, 400)}, "room for one cell, 45 x 88 x 88 voxels or more; got 44 x 400 x 400"),
        ({"kind": "granulocyte", "shape": (44, 63, 400)}, "25 x 64 x 64 voxels or more"),
        ({"kind": "combined", "shape": (44, 400)}, "three numbers"),
        ({"kind": "hl60", "shape": (-129, 400, 400)}, "room for one cell"),
    ],
)
def test_what_is_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        simulate(**given)


def test_planes_outside():
    with pytest.raises(ConfigError, match="numbered 0 to 39, got 3, 40"):
        next(simulate_slices(Specimen(kind="hl60", shape=SHAPE, optics=COARSE), (3, 40)))
