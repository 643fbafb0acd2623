"""Arrays as images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segcore.errors import ShapeError
from segcore.io.memory import MemoryImage
from segcore.windows import Window, block_grid

ARRAY = np.arange(2 * 5 * 7, dtype=np.uint16).reshape(2, 5, 7) + 1


@given(row=st.integers(-9, 9), col=st.integers(-9, 9), height=st.integers(1, 12), width=st.integers(1, 12))
@settings(max_examples=80, deadline=None)
def test_reading_equals_cutting_a_padded_array(row, col, height, width):
    window = Window(row, col, height, width)
    cut = window.shift(9, 9).slices
    image = MemoryImage(ARRAY)
    assert np.array_equal(image.read(window), np.pad(ARRAY, ((0, 0), (9, 21), (9, 21)))[:, *cut])
    assert np.array_equal(image.mask(window), np.pad(np.ones((5, 7), dtype=bool), ((9, 21), (9, 21)))[cut])
    assert image.read(window).dtype == image.dtype == np.uint16


def test_what_was_written_by_blocks_is_read_back():
    image = MemoryImage(np.zeros((2, 5, 7), np.uint16))
    for block in block_grid((5, 7), 3):
        image.write(block, ARRAY[:, *block.slices])
    assert np.array_equal(image.read(Window(0, 0, 5, 7)), ARRAY)


def test_what_is_read_is_a_copy():
    image = MemoryImage(ARRAY.copy())
    image.read(Window(0, 0, 5, 7))[:] = 0
    assert np.array_equal(image.array, ARRAY)


def test_a_flat_image_gets_one_band():
    image = MemoryImage(ARRAY[0], name="x")
    assert image.shape == (1, 5, 7)
    assert image.name == "x"


def test_a_mask_of_numbers_is_a_mask():
    valid = np.array([[0, 255], [1, 0]], dtype=np.uint8)
    mask = MemoryImage(np.zeros((2, 2)), valid).mask(Window(0, 0, 2, 2))
    assert mask.dtype == bool
    assert mask.tolist() == [[False, True], [True, False]]


def test_shapes_are_checked():
    with pytest.raises(ShapeError, match=r"\(C, H, W\) or \(H, W\)"):
        MemoryImage(np.zeros(3))
    with pytest.raises(ShapeError, match=r"the mask must be \(5, 7\)"):
        MemoryImage(ARRAY, np.ones((7, 5), dtype=bool))
