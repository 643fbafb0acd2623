"""A part of an image."""

import numpy as np
import pytest

from segcore.io.clipped import ClippedImage
from segcore.io.memory import MemoryImage
from segcore.windows import Window

INSIDE = MemoryImage(np.zeros((6, 8)), np.add.outer(np.arange(6), np.arange(8)) % 3 > 0)
WHOLE = Window(-1, -2, 9, 12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_outside_is_missing_and_zero(dtype):
    valid = np.ones((6, 8), dtype=bool)
    valid[2] = False
    source = MemoryImage(np.arange(1, 97).reshape(2, 6, 8).astype(dtype), valid, name="scene")
    clipped = ClippedImage(source, INSIDE.mask)
    assert (clipped.name, clipped.shape, clipped.dtype) == ("scene", (2, 6, 8), np.dtype(dtype))
    assert clipped.read(WHOLE).dtype == dtype
    assert np.array_equal(clipped.read(WHOLE), source.read(WHOLE) * INSIDE.mask(WHOLE))
    assert np.array_equal(clipped.mask(WHOLE), source.mask(WHOLE) & INSIDE.mask(WHOLE))


def test_the_source_is_not_asked_where_nothing_may_be_seen():
    class Closed(MemoryImage):
        def mask(self, window):
            pytest.fail("asked")

    clipped = ClippedImage(Closed(np.zeros((6, 8))), lambda window: np.zeros((window.height, window.width), dtype=bool))
    assert not clipped.mask(WHOLE).any()
