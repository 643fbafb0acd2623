"""Where windows and blocks lie."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segcore.errors import ConfigError
from segcore.windows import GridConfig, Window, block_grid, window_grid

lengths = st.integers(1, 60)
shapes = st.tuples(lengths, lengths)
boxes = st.builds(Window, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 12), st.integers(1, 12))


def pixels(window):
    return {(r, c) for r in range(window.row, window.row + window.height) for c in range(window.col, window.col + window.width)}


@given(shape=shapes, window=st.integers(1, 40), overlap=st.floats(0, 0.99))
@settings(max_examples=80, deadline=None)
def test_the_grid_covers_every_pixel_once_listed_in_order(shape, window, overlap):
    grid = window_grid(shape, GridConfig(window=window, overlap=overlap))
    seen = np.zeros(shape, dtype=int)
    for own in grid:
        seen[own.slices] += 1
    assert seen.min() >= 1
    assert [(own.row, own.col) for own in grid] == sorted({(own.row, own.col) for own in grid})
    assert grid[0] == Window(0, 0, window, window)
    for length, start in zip(shape, (grid[-1].row, grid[-1].col), strict=True):
        assert start == max(0, length - window)  # flush with the edge, never beyond unless the image is smaller


@given(shape=shapes, window=st.integers(1, 40), overlap=st.floats(0, 0.99))
@settings(max_examples=50, deadline=None)
def test_neighbours_share_at_least_the_overlap(shape, window, overlap):
    config = GridConfig(window=window, overlap=overlap)
    rows = sorted({own.row for own in window_grid(shape, config)})
    assert all(b - a <= config.stride for a, b in pairwise(rows))
    assert all(row % config.stride == 0 for row in rows[:-1])


def test_the_grid_by_hand():
    config = GridConfig(window=4)
    assert [(own.row, own.col) for own in window_grid((4, 9), config)] == [(0, 0), (0, 2), (0, 4), (0, 5)]
    assert [(own.row, own.col) for own in window_grid((3, 8), config)] == [(0, 0), (0, 2), (0, 4)]


@given(shape=shapes, block=st.integers(1, 70))
@settings(max_examples=50, deadline=None)
def test_blocks_partition_the_image(shape, block):
    seen = np.zeros(shape, dtype=int)
    for own in block_grid(shape, block):
        seen[own.slices] += 1
        assert own.row % block == own.col % block == 0
        assert seen[own.slices].shape == (own.height, own.width)
    assert (seen == 1).all()


@given(a=boxes, b=boxes)
@settings(max_examples=80, deadline=None)
def test_overlap_holds_the_common_pixels(a, b):
    common = a.overlap(b)
    assert (pixels(common) if common else set()) == pixels(a) & pixels(b)
    assert common == b.overlap(a)


def test_grow_and_shift():
    window = Window(2, 3, 4, 5)
    assert window.grow(2) == Window(0, 1, 8, 9)
    assert window.shift(-2, 1) == Window(0, 4, 4, 5)
    assert window.slices == (slice(2, 6), slice(3, 8))


@pytest.mark.parametrize("overlap", [-0.1, 1.0, float("nan")])
def test_overlap_is_a_share(overlap):
    with pytest.raises(ConfigError, match="share of the window"):
        GridConfig(window=400, overlap=overlap)


def test_overlap_in_pixels_is_translated_where_that_makes_sense():
    with pytest.raises(ConfigError, match=r"For 200 pixels write 0\.5\."):
        GridConfig(window=400, overlap=200)
    with pytest.raises(ConfigError, match=r"got 400\.$"):
        GridConfig(window=400, overlap=400)


def test_sizes_are_positive():
    with pytest.raises(ConfigError, match="a window is at least 1 px"):
        GridConfig(window=0)
    with pytest.raises(ConfigError, match="a block is at least 1 px"):
        block_grid((4, 4), 0)
