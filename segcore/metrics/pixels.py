"""Pixel metrics: count first, divide later, so that windows, images and workers add up."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Counts:
    """How many pixels agree and differ; `a + b` and `sum(many, Counts())` pool them."""

    tp: int = 0
    """Pixels that both sides mark."""
    fp: int = 0
    """Pixels that only the prediction marks."""
    fn: int = 0
    """Pixels that only the reference marks."""

    def __add__(self, other: Counts) -> Counts:
        """Pool two counts."""
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def count(predicted: NDArray[np.bool_], expected: NDArray[np.bool_], ignore: NDArray[np.bool_] | None = None) -> Counts:
    """Compare two masks of one shape; pixels under ignore count for neither side.

    Raises:
        ShapeError: the masks differ in shape.
    """
    if predicted.shape != expected.shape or (ignore is not None and ignore.shape != expected.shape):
        shapes = ", ".join(str(mask.shape) for mask in (predicted, expected, ignore) if mask is not None)
        raise ShapeError(f"masks are compared pixel by pixel, so their shapes must agree; got {shapes}. Crop or resample them first.")
    predicted, expected = predicted.astype(bool, copy=False), expected.astype(bool, copy=False)
    if ignore is not None:
        predicted, expected = predicted & ~ignore.astype(bool, copy=False), expected & ~ignore.astype(bool, copy=False)
    tp = int(np.count_nonzero(predicted & expected))
    return Counts(tp, int(np.count_nonzero(predicted)) - tp, int(np.count_nonzero(expected)) - tp)


def dice(counts: Counts) -> float:
    """2 TP / (2 TP + FP + FN), 0..1; nan where neither side marks a pixel (Dice 1945)."""
    return share(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def iou(counts: Counts) -> float:
    """TP / (TP + FP + FN), 0..1; nan where neither side marks a pixel (Jaccard 1912)."""
    return share(counts.tp, counts.tp + counts.fp + counts.fn)


def precision(counts: Counts) -> float:
    """TP / (TP + FP), 0..1; nan where nothing was predicted."""
    return share(counts.tp, counts.tp + counts.fp)


def recall(counts: Counts) -> float:
    """TP / (TP + FN), 0..1; nan where nothing was expected."""
    return share(counts.tp, counts.tp + counts.fn)


def share(part: float, whole: float) -> float:
    """Part / whole. The one place where an empty whole is decided: nan, neither good nor bad."""
    return part / whole if whole else nan
