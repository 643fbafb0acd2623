"""Blended joining of windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segcore.errors import ShapeError
from segcore.stitch import Stitcher, taper
from segcore.windows import GridConfig, Window, block_grid, window_grid

lengths = st.integers(1, 50)


@given(shape=st.tuples(lengths, lengths), window=st.integers(1, 40), overlap=st.floats(0, 0.95), value=st.floats(0, 1, width=32))
@settings(max_examples=80, deadline=None)
def test_a_constant_comes_back_on_every_pixel(shape, window, overlap, value):
    stitcher = Stitcher(2, Window(0, 0, *shape))
    for own in window_grid(shape, GridConfig(window=window, overlap=overlap)):
        stitcher.add(own, np.full((2, window, window), value, dtype=np.float32))
    result = stitcher.result()
    assert result.shape == (2, *shape)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, value, atol=1e-6, rtol=0)


@given(seed=st.integers(0, 999), block=st.integers(3, 40))
@settings(max_examples=20, deadline=None)
def test_a_region_has_the_bytes_of_the_whole(seed, block):
    rng = np.random.default_rng(seed)
    shape = (33, 41)
    windows = window_grid(shape, GridConfig(window=12, overlap=0.4))
    maps = [rng.random((1, 12, 12), dtype=np.float32) if rng.random() < 0.7 else None for _ in windows]

    def blend(region):
        stitcher = Stitcher(1, region)
        for window, own in zip(windows, maps, strict=True):
            stitcher.add(window, own)
        return stitcher.result()[0]

    whole = blend(Window(0, 0, *shape))
    for region in block_grid(shape, block):
        assert np.array_equal(blend(region), whole[region.slices])


def test_two_windows_by_hand():
    stitcher = Stitcher(1, Window(0, 0, 1, 3))
    stitcher.add(Window(0, 0, 1, 2), np.array([[[1.0, 1.0]]], dtype=np.float32))
    stitcher.add(Window(0, 1, 1, 2), None)
    assert stitcher.result().tolist() == [[[1.0, 0.5, 0.0]]]  # equal weights of 1/2 where both see


def test_nothing_where_no_window_came_and_far_windows_are_ignored():
    stitcher = Stitcher(1, Window(10, 10, 2, 2))
    stitcher.add(Window(0, 0, 4, 4), np.ones((1, 4, 4), dtype=np.float32))
    assert (stitcher.result() == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (8, 5), (400, 400)])
def test_weights_fall_towards_the_rim_and_stay_positive(shape):
    weights = taper(*shape)
    assert weights.shape == shape
    assert weights.dtype == np.float32
    assert 9e-4 < weights.min() <= weights.max() <= 1  # a corner seen by one window only must not drown in rounding
    assert np.array_equal(weights, weights[::-1, ::-1])
    assert weights[shape[0] // 2, shape[1] // 2] == weights.max() >= weights[0, 0]


def test_maps_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"must be \(2, 4, 5\), got \(1, 4, 5\)"):
        Stitcher(2, Window(0, 0, 9, 9)).add(Window(0, 0, 4, 5), np.zeros((1, 4, 5), dtype=np.float32))
