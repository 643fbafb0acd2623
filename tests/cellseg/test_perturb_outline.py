"""Outlines moved: against scikit-image, and against the rule written plainly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.morphology import dilation, erosion

from cellseg.perturb.objects import present_ids
from cellseg.perturb.outline import biased

SQUARE = np.ones((3, 3), dtype=np.uint8)
MASKS = arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))
LABELS = arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.sampled_from([-1, 0, 0, 0, 1, 2, 3]))
COARSE = LABELS.map(lambda labels: labels.repeat(3, 0).repeat(3, 1))
"""Cells of some pixels, touching each other, the ignore label and the frame."""


def morphed(mask, steps):
    """scikit-image's own, steps times."""
    result = mask.astype(np.uint8)
    for _ in range(abs(steps)):
        result = dilation(result, SQUARE) if steps > 0 else erosion(result, SQUARE)
    return result > 0


def plainly(plane, steps):
    """The rule pixel by pixel: {id: steps}."""
    result = plane.copy()
    for own, count in steps.items():
        if count < 0:
            result[(plane == own) & ~morphed(plane == own, count)] = 0
    front = plane.copy()
    for step in range(max([0, *steps.values()])):
        reached = front.copy()
        for row, col in zip(*np.nonzero(front == 0), strict=True):
            near = front[max(row - 1, 0) : row + 2, max(col - 1, 0) : col + 2].ravel().tolist()
            takers = [own for own in near if own > 0 and steps[own] > step]
            if takers:
                reached[row, col] = min(takers)
        front = reached
    return np.where(plane == 0, front, result)


@settings(deadline=None)
@given(mask=MASKS, steps=st.integers(-5, 5))
def test_a_lone_cell_becomes_what_scikit_image_makes_of_it(mask, steps):
    plane = mask.astype(np.int32) * 7
    result = biased(plane, np.array([7], dtype=np.int32), np.array([steps]))
    assert ((result == 7) == morphed(mask, steps)).all()
    assert set(np.unique(result)) <= {0, 7}


@pytest.mark.parametrize(("steps", "shape"), [(2, (24, 28)), (-4, (12, 16))])
def test_height_and_width_move_alike(steps, shape):
    plane = np.zeros((60, 60), dtype=np.int32)
    plane[20:40, 18:42] = 1
    rows, cols = np.nonzero(biased(plane, np.array([1], dtype=np.int32), np.array([steps])))
    assert (np.ptp(rows) + 1, np.ptp(cols) + 1) == shape


@settings(max_examples=60, deadline=None)
@given(plane=st.one_of(LABELS, COARSE), data=st.data())
def test_many_cells_at_once_follow_the_rule(plane, data):
    ids = present_ids(plane[None])
    steps = np.array([data.draw(st.integers(-4, 4)) for _ in ids], dtype=np.int64)
    expected = plainly(plane, dict(zip(ids.tolist(), steps.tolist(), strict=True)))
    before = plane.copy()
    assert (biased(plane, ids, steps) == expected).all()
    assert (plane == before).all()


@settings(deadline=None)
@given(plane=COARSE, data=st.data())
def test_a_cell_takes_only_background_and_loses_nothing_but_its_rim(plane, data):
    ids = present_ids(plane[None])
    steps = np.array([data.draw(st.integers(-3, 3)) for _ in ids], dtype=np.int64)
    result = biased(plane, ids, steps)
    assert ((result == -1) == (plane == -1)).all()
    for own, count in zip(ids.tolist(), steps.tolist(), strict=True):
        was, now = plane == own, result == own
        if count < 0:
            assert (now == morphed(was, count)).all()
        else:
            assert now[was].all()
            assert (plane[now & ~was] == 0).all()
            assert not (now & ~morphed(was, count)).any()


def test_neighbours_share_the_gap_between_them():
    even, odd = np.array([[1, 0, 0, 0, 0, 2]], dtype=np.int32), np.array([[2, 0, 0, 0, 1]], dtype=np.int32)
    ids = np.array([1, 2], dtype=np.int32)
    assert biased(even, ids, np.array([4, 4])).tolist() == [[1, 1, 1, 2, 2, 2]]
    assert biased(odd, ids, np.array([4, 4])).tolist() == [[2, 2, 1, 1, 1]]


def test_what_one_cell_gives_up_its_neighbour_does_not_take():
    plane = np.array([[1] * 5 + [2] * 5] * 3, dtype=np.int32)
    result = biased(plane, np.array([1, 2], dtype=np.int32), np.array([-1, 3]))
    assert result[1].tolist() == [1, 1, 1, 1, 0, 2, 2, 2, 2, 2]


def test_more_cells_than_a_byte_counts():
    plane = np.zeros((60, 60), dtype=np.int32)
    plane[::3, ::3] = np.arange(1, 401).reshape(20, 20)
    ids = np.arange(1, 401, dtype=np.int32)
    assert (biased(plane, ids, np.ones(400, dtype=np.int64)) == plainly(plane, dict.fromkeys(ids.tolist(), 1))).all()
