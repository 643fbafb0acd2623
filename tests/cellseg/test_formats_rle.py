import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellseg.formats.rle import rle_region, unpack_counts


def drawn(region, shape):
    out = np.zeros(shape, dtype=bool)
    if region is not None:
        out[:, region.col : region.col + region.mask.shape[1]] = region.mask
    return out


def test_counts_run_down_the_columns_background_first():
    assert drawn(rle_region([1, 2, 1, 2], (2, 3)), (2, 3)).tolist() == [[False, True, True], [True, False, True]]
    assert drawn(rle_region([0, 6], (2, 3)), (2, 3)).all()
    assert rle_region([6], (2, 3)) is None
    assert rle_region([6, 0], (2, 3)) is None


@pytest.mark.parametrize("counts", [[], [5], [7], [3, -1, 4], [1.0, 5], ["6"], [True, 5], [10**30, -(10**30) + 6]])
def test_counts_that_do_not_fill_the_image_are_refused(counts):
    with pytest.raises(ValueError, match="add up to the 6 pixels"):
        rle_region(counts, (2, 3))


@pytest.mark.parametrize("text", ["\x00", "é", "P", "o" * 12])
def test_text_that_is_no_packing_is_refused(text):
    with pytest.raises(ValueError, match="packed counts"):
        unpack_counts(text)


@settings(max_examples=100, deadline=None)
@given(st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda shape: arrays(np.bool_, shape)))
def test_packed_counts_agree_with_pycocotools(mask):
    coding = pytest.importorskip("pycocotools.mask")
    packed = coding.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert (drawn(rle_region(unpack_counts(packed["counts"].decode()), mask.shape), mask.shape) == mask).all()


def test_large_runs_are_unpacked():
    coding = pytest.importorskip("pycocotools.mask")
    counts = [100_000, 3, 5, 99_000, 992]
    packed = coding.frPyObjects({"counts": counts, "size": [400, 500]}, 400, 500)
    assert unpack_counts(packed["counts"].decode()) == counts
