"""One contrast per scene."""

import numpy as np
import pytest

from segcore.data.stretch import GREY, Stretch, StretchedImage, fit_stretch
from segcore.errors import ConfigError, InputError, ShapeError
from segcore.io.memory import MemoryImage
from segcore.windows import Window


class Counting(MemoryImage):
    """Counts the pixels that were read."""

    seen = 0

    def read(self, window):
        self.seen += window.height * window.width
        return super().read(window)


def test_percentiles_by_hand():
    image = MemoryImage(np.arange(101, dtype=np.uint16).reshape(1, 1, 101) * 10)
    assert fit_stretch(image) == Stretch((20.0,), (980.0,))


def test_each_band_and_only_valid_pixels_count():
    rng = np.random.default_rng(0)
    array = np.stack([rng.normal(100, 20, (700, 600)), rng.normal(-5, 2, (700, 600))]).astype(np.float32)
    valid = rng.random((700, 600)) < 0.5
    array[:, ~valid] = np.float32(-3.4e38)
    stretch = fit_stretch(MemoryImage(array, valid))
    expected = np.percentile(array[:, valid].astype(np.float64), (2, 98), axis=1)
    np.testing.assert_allclose([stretch.low, stretch.high], expected)


def test_apply_by_hand():
    stretch = Stretch((10.0, 0.0), (20.0, 1.0))
    pixels = np.array([[[0, 10, 11, 20, 99, 10]], [[0, 1, 0.5, 2, -1, 0]]], dtype=np.float64)
    valid = np.array([[True, True, True, True, True, False]])
    assert stretch.apply(pixels, valid).tolist() == [[[0, 0, 26, 255, 255, GREY]], [[0, 255, 128, 255, 0, GREY]]]


@pytest.mark.parametrize("nodata", [np.nan, -np.inf, -3.4e38, 3.4028235e38])
def test_nodata_of_any_value_becomes_grey(nodata):
    pixels = np.array([[[nodata, 5.0]]], dtype=np.float32)
    assert Stretch((0.0,), (1e-3,)).apply(pixels, np.array([[False, True]])).tolist() == [[[GREY, 255]]]


def test_a_stretched_image_reads_grey_beyond_its_edge():
    image = StretchedImage(MemoryImage(np.array([[0, 100]], dtype=np.uint16), name="n"), Stretch((0.0,), (100.0,)))
    assert (image.name, image.shape, image.dtype) == ("n", (1, 1, 2), np.uint8)
    assert image.read(Window(0, -1, 1, 4)).tolist() == [[[GREY, 0, 255, GREY]]]
    assert image.mask(Window(0, -1, 1, 4)).tolist() == [[False, True, True, False]]


def test_windows_of_a_scene_agree_where_they_overlap():
    scene = MemoryImage(np.random.default_rng(1).integers(0, 4000, (1, 64, 64)).astype(np.uint16))
    image = StretchedImage(scene, fit_stretch(scene))
    assert np.array_equal(image.read(Window(0, 0, 40, 40))[:, 20:, 20:], image.read(Window(20, 20, 20, 20)))


def test_a_large_scene_is_sampled_evenly_and_always_alike():
    ramp = np.broadcast_to(np.arange(6000, dtype=np.uint16)[:, None], (6000, 4000))
    image = Counting(ramp, np.broadcast_to(np.True_, ramp.shape))
    stretch = fit_stretch(image)
    assert 8_000_000 <= image.seen < 9_000_000
    assert stretch == fit_stretch(image)
    assert stretch.low[0] == pytest.approx(0.02 * 6000, abs=60)
    assert stretch.high[0] == pytest.approx(0.98 * 6000, abs=60)


def test_blocks_without_data_are_not_read():
    valid = np.zeros((1100, 1100), dtype=bool)
    valid[600, 600] = True
    image = Counting(np.full((1100, 1100), 7, dtype=np.uint8), valid)
    assert fit_stretch(image).low == (7.0,)
    assert image.seen == 512 * 512


@pytest.mark.parametrize("value", [0.0, 1e-3, 255.0, -1e6, 1e9])
def test_a_scene_of_one_value_is_black_without_a_warning(value):
    image = MemoryImage(np.full((4, 4), value, dtype=np.float64))
    stretch = fit_stretch(image)
    assert stretch.low[0] < stretch.high[0]
    assert (StretchedImage(image, stretch).read(Window(0, 0, 4, 4)) == 0).all()


def test_a_scene_without_data_is_refused():
    with pytest.raises(InputError, match="every pixel of empty is nodata"):
        fit_stretch(MemoryImage(np.ones((4, 4)), np.zeros((4, 4), dtype=bool), name="empty"))


@pytest.mark.parametrize(
    ("low", "high"), [((1.0,), (1.0,)), ((2.0,), (1.0,)), ((0.0, 0.0), (1.0,)), ((np.nan,), (1.0,)), ((0.0,), (np.inf,))]
)
def test_a_stretch_that_is_none_is_refused(low, high):
    with pytest.raises(ConfigError, match="low < high for each band"):
        Stretch(low, high)


def test_bands_must_fit():
    with pytest.raises(ShapeError, match=r"for 1 band\(s\), got 2"):
        Stretch((0.0,), (1.0,)).apply(np.zeros((2, 3, 3)), np.ones((3, 3), dtype=bool))
    with pytest.raises(ShapeError, match=r"for 1 band\(s\), array has 2"):
        StretchedImage(MemoryImage(np.zeros((2, 3, 3))), Stretch((0.0,), (1.0,)))
