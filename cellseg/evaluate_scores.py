"""What two sets of labelled cells have in common, as numbers that pool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ConfigError
from segcore.metrics.figures import agreement, jsonable
from segcore.metrics.objects import ObjectScores
from segcore.metrics.pixels import Counts, dice, iou, share

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""IoU at which a pair counts as matched, as cell papers list them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """How well found cells agree with expected ones. Counts and matched pairs, so that `pool` adds images before it divides."""

    pixels: Counts = field(default_factory=Counts)
    """Pixels of all cells of each side, without the ignored ones."""
    found: int = 0
    """Cells of the prediction."""
    expected: int = 0
    """Cells of the reference."""
    ious: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """IoU of each pair that is matched at the lowest threshold, 0..1; (M,)."""
    thresholds: tuple[float, ...] = THRESHOLDS
    """IoUs at which `as_dict` and tables give figures, ascending."""
    ignored: int = 0
    """Pixels that either side calls unknown: they count for neither."""
    abstained: int = 0
    """Those of the ignored pixels that only the prediction calls unknown."""

    def at(self, threshold: float) -> ObjectScores:
        """Objects matched one to one at an IoU >= threshold.

        Raises:
            ConfigError: the threshold is below the lowest one of these scores.
        """
        if not min(self.thresholds) <= threshold <= 1:
            low = min(self.thresholds)
            raise ConfigError(f"pairs were matched at IoU >= {low:g}; got {threshold:g}. Evaluate with a lower one among thresholds.")
        ious = np.sort(self.ious[self.ious >= threshold])[::-1]
        return ObjectScores(found=self.found, expected=self.expected, dices=tuple((2 * ious / (1 + ious)).tolist()))

    def ap(self, threshold: float) -> float:
        """TP / (TP + FP + FN) of objects: average precision as cell papers use the word; nan where neither side has a cell."""
        matched = self.at(threshold).matched
        return share(matched, self.found + self.expected - matched)

    @property
    def mean_ap(self) -> float:
        """Mean of `ap` over the thresholds; nan where neither side has a cell."""
        return sum(self.ap(threshold) for threshold in self.thresholds) / len(self.thresholds)

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN) of pixels; nan where neither side has a cell."""
        return dice(self.pixels)

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN) of pixels; nan where neither side has a cell."""
        return iou(self.pixels)

    @property
    def f1(self) -> float:
        """F1 of objects at the lowest threshold; nan where neither side has a cell."""
        return self.at(self.thresholds[0]).f1

    def as_dict(self) -> dict[str, float | int | None]:
        """Flat figures for JSON; None where a share of nothing was asked for. Objects without a threshold are at the lowest one."""
        objects = self.at(self.thresholds[0])
        figures: dict[str, float | int] = {
            **agreement(self.pixels, objects),
            "mean_ap": self.mean_ap,
            "found": self.found,
            "expected": self.expected,
            "matched": objects.matched,
            "ignored": self.ignored,
            "abstained": self.abstained,
        }
        figures |= {f"f1_{threshold:.2f}": self.at(threshold).f1 for threshold in self.thresholds}
        figures |= {f"ap_{threshold:.2f}": self.ap(threshold) for threshold in self.thresholds}
        return jsonable(figures)


def pool(many: Iterable[Scores], thresholds: tuple[float, ...] = THRESHOLDS) -> Scores:
    """Scores of several images as if they were one. thresholds: those of all of them."""
    scores = list(many)
    return Scores(
        pixels=sum((own.pixels for own in scores), Counts()),
        found=sum(own.found for own in scores),
        expected=sum(own.expected for own in scores),
        ious=np.concatenate([own.ious for own in scores]) if scores else np.empty(0),
        thresholds=thresholds,
        ignored=sum(own.ignored for own in scores),
        abstained=sum(own.abstained for own in scores),
    )


def checked_thresholds(thresholds: Iterable[float]) -> tuple[float, ...]:
    """Thresholds ascending, each once.

    Raises:
        ConfigError: none was given, or one is no IoU that a match can need.
    """
    ordered = tuple(sorted({float(threshold) for threshold in thresholds}))
    if not ordered or not all(0 < threshold <= 1 for threshold in ordered):
        got = ", ".join(f"{threshold:g}" for threshold in ordered) or "none"
        raise ConfigError(f"a threshold is an IoU, 0 < IoU <= 1, and there is at least one; got {got}. Write thresholds=(0.5, 0.75).")
    return ordered
