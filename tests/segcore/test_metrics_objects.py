from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segcore.errors import ShapeError
from segcore.metrics.objects import ObjectScores, Overlaps, match, object_scores


def overlaps(*rows):
    found, expected, iou = zip(*rows, strict=True) if rows else ((), (), ())
    return Overlaps(found=np.array(found, np.intp), expected=np.array(expected, np.intp), iou=np.array(iou, float))


def test_best_pair_first_and_each_object_once():
    table = overlaps((0, 0, 0.6), (0, 1, 0.8), (1, 1, 0.7), (2, 2, 0.49))
    assert match(table).tolist() == [1]
    assert match(table, threshold=0.4).tolist() == [1, 3]


def test_the_threshold_itself_matches():
    assert match(overlaps((0, 0, 0.5))).tolist() == [0]


def test_ties_do_not_depend_on_the_order_of_rows():
    rows = [(1, 0, 0.5), (0, 0, 0.5), (0, 1, 0.5)]
    for table in (overlaps(*rows), overlaps(*rows[::-1])):
        (row,) = match(table)
        assert (table.found[row], table.expected[row]) == (0, 0)


def test_scores_by_hand():
    scores = object_scores(overlaps((0, 0, 1.0), (1, 2, 0.5), (2, 1, 0.2)), found=5, expected=4)
    assert (scores.matched, scores.found, scores.expected) == (2, 5, 4)
    assert (scores.precision, scores.recall, scores.f1) == (2 / 5, 2 / 4, 4 / 9)
    assert scores.dices == (1.0, pytest.approx(2 / 3))
    assert scores.median_dice == pytest.approx(5 / 6)


def test_empty_sides_are_nan_not_perfect():
    nothing = object_scores(overlaps(), found=0, expected=0)
    assert all(isnan(value) for value in (nothing.precision, nothing.recall, nothing.f1, nothing.median_dice))
    missed = object_scores(overlaps(), found=0, expected=3)
    assert (missed.recall, missed.f1) == (0, 0)
    assert isnan(missed.precision)
    assert isnan(missed.median_dice)


def test_images_pool():
    first = object_scores(overlaps((0, 0, 1.0)), found=1, expected=2)
    second = object_scores(overlaps((0, 0, 0.5)), found=3, expected=1)
    assert first + second == ObjectScores(found=4, expected=3, dices=(1.0, 2 * 0.5 / 1.5))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0, 1)), max_size=20, unique_by=lambda row: row[:2]))
@settings(max_examples=60, deadline=None)
def test_no_object_is_used_twice_and_no_match_is_left(rows):
    table = overlaps(*rows)
    chosen = match(table)
    found, expected = table.found[chosen].tolist(), table.expected[chosen].tolist()
    assert len(set(found)) == len(found)
    assert len(set(expected)) == len(expected)
    left = [row for row in rows if row[2] >= 0.5 and row[0] not in found and row[1] not in expected]
    assert not left


def test_arrays_of_different_length_are_refused():
    with pytest.raises(ShapeError, match="three arrays"):
        Overlaps(found=np.zeros(2, np.intp), expected=np.zeros(1, np.intp), iou=np.zeros(2))
