"""Classical methods: what they learn from images, against brute force and by hand."""

from dataclasses import replace

import numpy as np
import pytest

from cellseg import baselines as module
from cellseg.baselines import BASELINES, CLUSTERS, Grey, GridThreshold, nearest
from cellseg.image import IGNORE, CellImage
from cellseg.simulate import count_greys
from cellseg.study.names import BASELINE_NAMES
from segcore.errors import ConfigError, ShapeError
from segcore.metrics.pixels import count, dice

RNG = np.random.default_rng


def disk(*, channels=1, channel=0, dark=False, name="disk", seed=0):
    """40 x 50 px, one cell of 12 px radius that differs in one channel; noise in all."""
    rows, cols = np.ogrid[:40, :50]
    instances = ((rows - 20) ** 2 + (cols - 22) ** 2 <= 144).astype(np.int32)
    pixels = RNG(seed).integers(90, 111, (channels, 40, 50))
    pixels[channel] += np.where(instances > 0, -70 if dark else 100, 0)
    return CellImage(name=name, pixels=pixels.astype(np.uint8), instances=instances)


def test_the_names_are_those_of_the_registry():
    assert tuple(BASELINES) == BASELINE_NAMES


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize(("channels", "channel", "dark"), [(1, 0, False), (3, 1, True)])
def test_an_easy_cell_is_found_in_an_image_not_seen(name, channels, channel, dark):
    images = [disk(channels=channels, channel=channel, dark=dark, seed=seed) for seed in (0, 1)]
    method = BASELINES[name](images, None, RNG(0))
    assert (method.grey.channel, method.grey.dark) == (channel, dark)
    unseen = disk(channels=channels, channel=channel, dark=dark, seed=9)
    assert dice(count(method.predict(unseen.pixels), unseen.mask())) > 0.95


def test_the_threshold_is_the_best_in_steps_of_a_percent(image):
    found = BASELINES["threshold"]([image], "epithelial", RNG(0))
    shares = image.pixels[0] / image.pixels.max()
    tried = [dice(count(shares >= k / 100, image.mask("epithelial"))) for k in range(101)]
    assert found.dice == pytest.approx(max(tried))
    assert found.level == tried.index(max(tried)) / 100
    assert dice(count(found.predict(image.pixels), image.mask("epithelial"))) == pytest.approx(found.dice)


def test_a_percent_step_is_almost_the_best_of_all_greys(image):
    assert BASELINES["threshold"]([image], None, RNG(0)).dice == pytest.approx(count_greys(image).best().dice, abs=0.01)


def test_the_level_itself_belongs_to_the_cells():
    method = GridThreshold(grey=Grey(channel=0, dark=False, top=100.0), level=0.29, dice=1.0)
    assert method.predict(np.array([[[28, 29, 30, 200]]])).tolist() == [[False, True, True, True]]
    assert Grey(channel=0, dark=True, top=100.0).of(np.array([[[0, 25, 100]]])).tolist() == [[1.0, 0.75, 0.0]]


def test_unknown_pixels_teach_nothing():
    known = disk()
    instances = known.instances.copy()
    instances[:, 40:] = IGNORE
    pixels = known.pixels.copy()
    pixels[:, :, 40:] = 190
    half_known = replace(known, pixels=pixels, instances=instances)
    assert BASELINES["threshold"]([half_known], None, RNG(0)).dice == 1


@pytest.mark.parametrize("name", BASELINES)
def test_one_state_of_chance_gives_one_method(name, two_classes):
    images, again = (
        [own.predict(two_classes["d"].pixels) for own in [BASELINES[name](two_classes[:2], "lymphocyte", RNG(3))]] for _ in "ab"
    )
    np.testing.assert_array_equal(images, again)


def test_texture_parts_what_grey_cannot():
    rows, cols = np.ogrid[:60, :60]
    instances = ((rows - 30) ** 2 + (cols - 30) ** 2 <= 225).astype(np.int32)
    noise = np.where(instances > 0, 60, 4) * RNG(0).choice([-1, 1], (60, 60))
    image = CellImage(pixels=(100 + noise).astype(np.uint8)[None], instances=instances)
    grey, texture = (
        dice(count(BASELINES[name]([image], None, RNG(0)).predict(image.pixels), image.mask())) for name in ("threshold", "k-means")
    )
    assert texture > 0.9 > grey


def test_a_rare_target_is_among_the_pixels_that_clusters_are_learnt_from(monkeypatch):
    """One pixel of 30,000, of which a few are drawn: the cluster around it is taken, and nothing else."""
    monkeypatch.setattr(module, "SAMPLE", 50)
    pixels = RNG(0).integers(0, 40, (1, 150, 200)).astype(np.uint8)
    pixels[0, 100:104, 50:54] = 250
    instances = np.zeros((150, 200), np.int32)
    instances[101:103, 51:53] = 1
    for seed in range(3):
        method = BASELINES["k-means"]([CellImage(pixels=pixels, instances=instances)], None, RNG(seed))
        found = method.predict(pixels)
        assert found[101:103, 51:53].all()
        assert found.mean() < 0.5


def test_clusters_are_found_a_part_of_the_pixels_at_a_time(image, monkeypatch):
    method = BASELINES["k-means"]([image], None, RNG(0))
    whole = method.predict(image.pixels)
    monkeypatch.setattr(module, "AT_ONCE", 700)
    np.testing.assert_array_equal(method.predict(image.pixels), whole)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("dark", [False, True])
def test_pixels_may_be_negative(name, dark):
    """As in images that were standardised before."""
    images = [replace(own, pixels=(own.pixels - 120.0) / 30) for own in (disk(dark=dark, seed=seed) for seed in (0, 1, 9))]
    method = BASELINES[name](images[:2], None, RNG(0))
    assert method.grey.bottom == min(float(own.pixels.min()) for own in images[:2]) < 0
    assert dice(count(method.predict(images[2].pixels), images[2].mask())) > 0.9


@pytest.mark.parametrize("dark", [False, True])
def test_otsu_finds_nothing_where_all_is_one_colour(dark):
    method = BASELINES["otsu"]([disk(dark=dark)], None, RNG(0))
    assert method.grey.dark == dark
    assert not method.predict(np.full((1, 5, 6), 90, np.uint8)).any()


def test_otsu_needs_no_bin_for_each_of_four_billion_values():
    wide = np.full((1, 40, 50), 5, np.uint32)
    wide[0, 10:20, 10:25] = 3_200_000_000
    bright = BASELINES["otsu"]([disk()], None, RNG(0)).predict(wide)
    assert (bright == (wide[0] > 5)).all()


def test_the_nearest_centre_by_hand():
    features = np.array([[[0.0, 0.0], [3.0, 1.0]], [[1.0, 0.0], [9.0, 9.0]]])
    assert nearest(features, np.array([[2.0, 0.0], [0.0, 0.0], [9.0, 8.0]])).tolist() == [[1, 0], [0, 2]]


def test_few_pixels_give_few_clusters():
    image = CellImage(pixels=np.array([[[1, 9, 2]]], dtype=np.uint8), instances=np.array([[0, 1, 0]], dtype=np.int32))
    method = BASELINES["k-means"]([image], None, RNG(0))
    assert len(method.centres) == 3 < CLUSTERS
    assert method.predict(image.pixels).tolist() == [[False, True, False]]


@pytest.mark.parametrize("name", BASELINES)
def test_what_cannot_be_learnt_from_is_refused(name, image, volume):
    with pytest.raises(ConfigError, match="training images have no cell of class 'spindle'"):
        BASELINES[name]([image], "spindle", RNG(0))
    with pytest.raises(ConfigError, match="at least one image, got none"):
        BASELINES[name]([], None, RNG(0))
    with pytest.raises(ShapeError, match="of one number of channels; volume has"):
        BASELINES[name]([volume], None, RNG(0))
    with pytest.raises(ShapeError, match="two has"):
        BASELINES[name]([image, disk(channels=2, name="two")], None, RNG(0))
