"""The forty variants of a chip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from segcore.data.variants import CORNERS, Variant, corner_shift, cut_variant, draw_variant

WINDOW, SIZE = 32, 80


@pytest.fixture(scope="module")
def chip():
    noise = np.random.default_rng(0).normal(size=(2, SIZE, SIZE))
    smooth = gaussian_filter(noise, (0, 2, 2))
    return np.rint(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


def middle(array, shift=(0, 0)):
    top, left = ((SIZE - WINDOW) // 2 + own for own in shift)
    return array[:, top : top + WINDOW, left : left + WINDOW]


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("flipped", [False, True])
def test_turns_and_mirrors_equal_numpy(chip, turns, flipped):
    expected = np.rot90(chip[:, ::-1] if flipped else chip, turns, axes=(1, 2))
    found = cut_variant(chip, Variant(turns=turns, flipped=flipped, shift=(3, -5)), WINDOW)
    assert np.array_equal(found, middle(expected, (3, -5)))
    assert found.flags.c_contiguous


def test_the_five_crops_by_hand(chip):
    shifts = [corner_shift(corner, WINDOW) for corner in CORNERS]
    assert shifts == [(0, 0), (-8, -8), (-8, 8), (8, -8), (8, 8)]
    starts = [(24, 24), (16, 16), (16, 32), (32, 16), (32, 32)]
    for shift, (row, col) in zip(shifts, starts, strict=True):
        assert np.array_equal(cut_variant(chip, Variant(shift=shift), WINDOW), chip[:, row : row + 32, col : col + 32])


@pytest.mark.parametrize("strength", [-2.0, -0.7, 0.4, 2.0])
@pytest.mark.parametrize("corner", CORNERS)
def test_a_swirl_equals_scikit_image(chip, strength, corner):
    transform = pytest.importorskip("skimage.transform")
    shift = corner_shift(corner, WINDOW)
    found = cut_variant(chip, Variant(swirl=strength, shift=shift), WINDOW)
    options = {"center": ((SIZE - 1) / 2,) * 2, "radius": WINDOW, "order": 1, "mode": "edge", "preserve_range": True}
    for band, own in zip(chip, found, strict=True):
        oracle = transform.swirl(band, strength=strength, **options)
        assert np.abs(own - middle(oracle[None], shift)[0]).max() <= 1
        assert np.abs(middle(band[None], shift)[0].astype(float) - own).max() > 10  # it does swirl


def test_a_swirl_of_flags_takes_whole_pixels(chip):
    flags = (chip[:1] > 128).astype(np.uint8) * 5
    found = cut_variant(flags, Variant(swirl=1.5, turns=1), WINDOW, order=0)
    assert set(np.unique(found)) == {0, 5}
    linear = cut_variant(flags * 51, Variant(swirl=1.5, turns=1), WINDOW)
    assert ((found == 5) == (linear > 127)).mean() > 0.95  # the same place, but for the rims


@pytest.mark.parametrize("swirl", [0.0, 1e-12])
def test_pixels_beyond_the_chip_repeat_its_edge(chip, swirl):
    found = cut_variant(chip, Variant(shift=(-30, 0), swirl=swirl), WINDOW)
    assert (found[:, :6] == found[:, 6:7]).all()
    assert np.array_equal(found[:, 6:], chip[:, :26, 24:56])


@given(seed=st.integers(0, 9999), window=st.integers(4, 64), jitter=st.integers(0, 3), augment=st.sampled_from(["rotate", "flip"]))
@settings(max_examples=60, deadline=None)
def test_variants_stay_within_bounds_and_follow_the_seed(seed, window, jitter, augment):
    variant = draw_variant(np.random.default_rng(seed), window, augment=augment, jitter=jitter)
    assert variant == draw_variant(np.random.default_rng(seed), window, augment=augment, jitter=jitter)
    assert abs(variant.swirl) <= 2
    assert min(np.abs(np.subtract(variant.shift, corner_shift(corner, window))).max() for corner in CORNERS) <= jitter
    assert variant.turns == 0 or augment == "rotate"


def test_all_forty_are_drawn():
    rng = np.random.default_rng(0)
    drawn = [draw_variant(rng, WINDOW) for _ in range(1000)]
    assert len({(own.turns, own.swirl != 0, own.shift) for own in drawn}) == 40
    assert {own.flipped for own in drawn} == {False, True}
