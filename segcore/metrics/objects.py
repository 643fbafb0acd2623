"""Object metrics: who is found, one to one, from a sparse table of overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ShapeError
from segcore.metrics.pixels import share


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaps:
    """Pairs of objects that share ground; all other pairs have IoU 0. Arrays of one length (N,)."""

    found: NDArray[np.intp]
    """Index of the predicted object."""
    expected: NDArray[np.intp]
    """Index of the reference object."""
    iou: NDArray[np.float64]
    """Intersection over union, 0..1."""

    def __post_init__(self) -> None:
        if not self.found.shape == self.expected.shape == self.iou.shape or self.iou.ndim != 1:
            shapes = f"{self.found.shape}, {self.expected.shape}, {self.iou.shape}"
            raise ShapeError(f"an overlap is one number in each of three arrays (N,); got {shapes}. Make them equally long.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectScores:
    """How many objects were found; `a + b` pools images."""

    found: int = 0
    """Predicted objects."""
    expected: int = 0
    """Reference objects."""
    dices: tuple[float, ...] = ()
    """Dice of each matched pair, 0..1, in descending order within an image."""

    def __add__(self, other: ObjectScores) -> ObjectScores:
        """Pool two images."""
        return ObjectScores(found=self.found + other.found, expected=self.expected + other.expected, dices=self.dices + other.dices)

    @property
    def matched(self) -> int:
        """Pairs matched one to one."""
        return len(self.dices)

    @property
    def precision(self) -> float:
        """Share of predicted objects that are matched; nan if none was predicted."""
        return share(self.matched, self.found)

    @property
    def recall(self) -> float:
        """Share of reference objects that are matched; nan if none was expected."""
        return share(self.matched, self.expected)

    @property
    def f1(self) -> float:
        """2 matched / (found + expected); nan if there is no object on either side."""
        return share(2 * self.matched, self.found + self.expected)

    @property
    def median_dice(self) -> float:
        """Median Dice of the matched pairs; nan if nothing is matched. Says how well, not how many."""
        return median(self.dices) if self.dices else share(0, 0)


def match(overlaps: Overlaps, *, threshold: float = 0.5) -> NDArray[np.intp]:
    """Pair objects one to one: best IoU first, each object once, only pairs with IoU >= threshold.

    Equal IoUs go to the lower (found, expected). Returns rows of overlaps, best first, (M,).
    """
    order = np.lexsort((overlaps.expected, overlaps.found, -overlaps.iou))
    chosen: list[int] = []
    taken_found: set[int] = set()
    taken_expected: set[int] = set()
    for row in order[overlaps.iou[order] >= threshold].tolist():
        found, expected = int(overlaps.found[row]), int(overlaps.expected[row])
        if found not in taken_found and expected not in taken_expected:
            chosen.append(row)
            taken_found.add(found)
            taken_expected.add(expected)
    return np.asarray(chosen, dtype=np.intp)


def object_scores(overlaps: Overlaps, *, found: int, expected: int, threshold: float = 0.5) -> ObjectScores:
    """Score found predicted against expected reference objects; overlaps lists the pairs that touch.

    Dice of a pair follows from its IoU: 2 IoU / (1 + IoU).
    """
    ious = overlaps.iou[match(overlaps, threshold=threshold)]
    return ObjectScores(found=found, expected=expected, dices=tuple((2 * ious / (1 + ious)).tolist()))
