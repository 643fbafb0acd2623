from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from segcore.errors import ShapeError
from segcore.metrics.pixels import Counts, count, dice, iou, precision, recall

MASKS = arrays(bool, (6, 7))


def test_by_hand():
    predicted = np.array([[1, 1, 0, 0]], dtype=bool)
    expected = np.array([[1, 0, 1, 1]], dtype=bool)
    counts = count(predicted, expected)
    assert counts == Counts(tp=1, fp=1, fn=2)
    assert (dice(counts), iou(counts), precision(counts), recall(counts)) == (2 / 5, 1 / 4, 1 / 2, 1 / 3)


def test_ignored_pixels_count_for_neither_side():
    predicted = np.array([[1, 1, 0, 0]], dtype=bool)
    expected = np.array([[1, 0, 1, 1]], dtype=bool)
    ignore = np.array([[0, 1, 1, 0]], dtype=bool)
    assert count(predicted, expected, ignore) == Counts(tp=1, fp=0, fn=1)


def test_uint8_masks_are_counted_not_summed():
    assert count(np.full((2, 2), 255, np.uint8), np.ones((2, 2), np.uint8), np.array([[255, 0], [0, 0]], np.uint8)) == Counts(3, 0, 0)


def test_empty_is_nan():
    assert all(isnan(metric(Counts())) for metric in (dice, iou, precision, recall))
    assert isnan(precision(Counts(fn=3)))
    assert isnan(recall(Counts(fp=3)))
    assert dice(Counts(fn=3)) == 0


def test_shapes_must_agree():
    with pytest.raises(ShapeError, match=r"shapes must agree; got \(2, 2\), \(2, 3\)"):
        count(np.zeros((2, 2), bool), np.zeros((2, 3), bool))
    with pytest.raises(ShapeError, match="shapes must agree"):
        count(np.zeros((2, 2), bool), np.zeros((2, 2), bool), np.zeros((1, 2), bool))


@given(MASKS, MASKS, MASKS, st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_parts_add_up_to_the_whole(predicted, expected, ignore, cut):
    parts = [count(predicted[s], expected[s], ignore[s]) for s in (slice(None, cut), slice(cut, None))]
    assert sum(parts, Counts()) == count(predicted, expected, ignore)


@given(MASKS, MASKS)
@settings(max_examples=40, deadline=None)
def test_agrees_with_scikit_learn(predicted, expected):
    counts, truth, guess = count(predicted, expected), expected.ravel(), predicted.ravel()
    for ours, oracle in ((dice, f1_score), (precision, precision_score), (recall, recall_score)):
        assert ours(counts) == pytest.approx(oracle(truth, guess, zero_division=np.nan), nan_ok=True)
    if truth.any() or guess.any():
        assert iou(counts) == pytest.approx(jaccard_score(truth, guess))
