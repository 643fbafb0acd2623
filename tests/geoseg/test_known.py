from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from geoseg.known import OutlineSettings, cut_at_point, look, outline, weigh
from segcore.cam.choice import MapChoice
from segcore.errors import ConfigError
from segcore.io.memory import MemoryImage
from segcore.pipeline.refine import Refining

SETTINGS = OutlineSettings(choice=MapChoice("layer-cam", "x"), shift=6, prior=12.0, refining=Refining(smooth=1.0, threshold=0.3))


def disc(place, radius, size=(160, 160)):
    rows, cols = np.ogrid[: size[0], : size[1]]
    return (rows - place[0]) ** 2 + (cols - place[1]) ** 2 <= radius**2


def image(*masks):
    return MemoryImage(np.where(np.any(masks, axis=0), 200, 50).astype(np.uint8))


def drawn(reader, place, others, bright, settings=SETTINGS):
    """The outline as a mask of the whole image, or None."""
    sight = look(reader, place, others, bright, window=32, shift=settings.shift)
    mask = outline(sight, settings)
    if mask is None:
        return None
    whole = np.zeros(reader.shape[1:], dtype=bool)
    whole[sight.region.slices] = mask
    return whole


def test_the_outline_of_a_disc_is_the_disc(bright):
    own = disc((80, 70), 8)
    mask = drawn(image(own), (80, 70), [], bright)
    assert mask.any()
    assert not (mask & ~ndimage.binary_dilation(own, iterations=2)).any()
    assert not (ndimage.binary_erosion(own, iterations=2) & ~mask).any()


def test_a_point_beside_the_middle_finds_the_same_disc(bright):
    own = disc((80, 70), 8)
    mask = drawn(image(own), (84, 73), [], bright)
    assert 2 * (mask & own).sum() / (mask.sum() + own.sum()) > 0.8


def test_windows_cover_three_by_three_shifts(bright):
    sight = look(image(disc((80, 70), 8)), (80, 70), [], bright, window=32, shift=6)
    assert (sight.region.row, sight.region.col, sight.region.height, sight.region.width) == (80 - 22, 70 - 22, 44, 44)
    assert sight.values.shape == sight.own.shape == sight.image.shape[1:] == (44, 44)
    assert sight.scores.shape == (2,)
    assert (sight.values[disc((22, 22), 8, (44, 44))] == 1).all()
    one = look(image(disc((80, 70), 8)), (80, 70), [], bright, window=32, shift=0)
    assert one.values.shape == (32, 32)


def test_near_points_share_ground_without_overlap(bright):
    places = [(80, 70), (80, 84), (92, 77)]
    reader = image(*(disc(place, 9) for place in places))
    masks = [drawn(reader, place, [other for other in places if other != place], bright) for place in places]
    assert all(mask.sum() > 80 for mask in masks)
    assert np.sum(masks, axis=0).max() == 1


def test_a_tie_goes_to_the_smaller_place(bright):
    reader = image(np.ones((160, 160), dtype=bool))
    low, high = ((80, 70), (80, 76))
    first = look(reader, low, [high], bright, window=32, shift=0)
    second = look(reader, high, [low], bright, window=32, shift=0)
    middle = 73
    assert first.own[:, middle - first.region.col].all()
    assert not second.own[:, middle - second.region.col].any()


def test_another_point_on_the_same_pixel_takes_no_ground(bright):
    sight = look(image(disc((80, 70), 8)), (80, 70), [(80, 70)], bright, window=32, shift=0)
    assert sight.own.all()


def test_nothing_to_see_is_no_outline(bright):
    assert drawn(image(np.zeros((160, 160), dtype=bool)), (80, 70), [], bright) is None
    empty = look(image(np.zeros((160, 160), dtype=bool)), (80, 70), [], bright, window=32, shift=0)
    assert (weigh(empty, empty.values, 5.0) == 0).all()


def test_a_region_far_from_the_point_is_none_of_it(bright):
    reader = image(disc((80, 88), 5))
    assert drawn(reader, (80, 70), [], bright, replace(SETTINGS, prior=30.0)) is not None
    assert drawn(reader, (80, 70), [], bright, replace(SETTINGS, prior=10.0)) is None


def test_only_the_region_at_the_point_is_kept_and_its_holes_are_filled(bright):
    sight = look(image(np.ones((160, 160), dtype=bool)), (80, 70), [], bright, window=32, shift=0)
    ring = disc((16, 16), 8, (32, 32)) & ~disc((16, 16), 4, (32, 32))
    mask = ring.copy()
    mask[0:3, 0:3] = True
    assert (cut_at_point(sight, mask, 6.0) == disc((16, 16), 8, (32, 32))).all()
    assert cut_at_point(sight, mask, 4.0) is None


def test_weights_fall_with_distance_and_the_peak_is_one(bright):
    sight = look(image(np.ones((160, 160), dtype=bool)), (80, 70), [], bright, window=32, shift=0)
    values = weigh(sight, sight.values * 0.3, 5.0)
    assert values.max() == values[16, 16] == 1
    assert values[16, 21] == pytest.approx(np.exp(-0.5), rel=1e-6)


@pytest.mark.parametrize("wrong", [{"shift": -1}, {"prior": 0.0}, {"prior": float("nan")}])
def test_settings_are_checked(wrong):
    with pytest.raises(ConfigError, match="shift is 0 px or more"):
        replace(SETTINGS, **wrong)


def test_settings_scale_every_length():
    twice = SETTINGS.scaled(2)
    assert (twice.shift, twice.prior, twice.refining.smooth, twice.refining.threshold) == (12, 24.0, 2.0, 0.3)
