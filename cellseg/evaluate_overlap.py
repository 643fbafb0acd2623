"""The table of overlaps of two label arrays: one pass over the pixels, everything else follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellseg.evaluate_scores import Scores
from cellseg.image import IGNORE
from segcore.metrics.objects import Overlaps, match
from segcore.metrics.pixels import Counts

Mine = NDArray[np.bool_]
"""Which objects of a side belong to the class that is scored; (N,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The objects of one side."""

    ids: NDArray[np.int64]
    """Ids of objects with at least one pixel that is not ignored, ascending; (N,)."""
    areas: NDArray[np.int64]
    """Their pixels that are not ignored; (N,)."""
    whole: NDArray[np.bool_]
    """Whether at most half of their pixels are ignored; the others are no objects, only pixels; (N,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Both sides and the pixels that their objects share."""

    found: Side
    expected: Side
    rows: NDArray[np.intp]
    """Index into found of each pair that shares pixels; (P,)."""
    cols: NDArray[np.intp]
    """Index into expected; (P,)."""
    shared: NDArray[np.int64]
    """Pixels of the pair; (P,)."""
    ignored: int
    """Pixels that either side calls unknown."""
    abstained: int
    """Those that only found calls unknown."""

    def scores(self, found: Mine, expected: Mine, thresholds: tuple[float, ...]) -> Scores:
        """Scores of some of the objects; thresholds ascend."""
        pairs = found[self.rows] & expected[self.cols]
        tp = int(self.shared[pairs].sum())
        here, there = found & self.found.whole, expected & self.expected.whole
        overlaps = self._overlaps(here[self.rows] & there[self.cols])
        return Scores(
            pixels=Counts(tp, int(self.found.areas[found].sum()) - tp, int(self.expected.areas[expected].sum()) - tp),
            found=int(here.sum()),
            expected=int(there.sum()),
            ious=overlaps.iou[match(overlaps, threshold=thresholds[0])],
            thresholds=thresholds,
            ignored=self.ignored,
            abstained=self.abstained,
        )

    def _overlaps(self, pairs: NDArray[np.bool_]) -> Overlaps:
        rows, cols, shared = self.rows[pairs], self.cols[pairs], self.shared[pairs]
        return Overlaps(found=rows, expected=cols, iou=shared / (self.found.areas[rows] + self.expected.areas[cols] - shared))


def cross(found: NDArray[np.int32], expected: NDArray[np.int32]) -> Crossing:
    """Count the pixels of each pair of ids: (H, W) or (D, H, W), of one shape, 0 = background, IGNORE = unknown.

    Sorts the labelled pixels once; the number of objects hardly matters.
    """
    unknown = (found == IGNORE) | (expected == IGNORE)
    wanted = ((found > 0) | (expected > 0)) & ~unknown
    keys, counts = np.unique((found[wanted].astype(np.int64) << 32) | expected[wanted], return_counts=True)
    ids, other = keys >> 32, keys & 0xFFFFFFFF
    ours, theirs = _side(ids, counts, found[unknown]), _side(other, counts, expected[unknown])
    both = (ids > 0) & (other > 0)
    return Crossing(
        found=ours,
        expected=theirs,
        rows=np.searchsorted(ours.ids, ids[both]),
        cols=np.searchsorted(theirs.ids, other[both]),
        shared=counts[both].astype(np.int64),
        ignored=int(np.count_nonzero(unknown)),
        abstained=int(np.count_nonzero(unknown & (expected != IGNORE))),
    )


def _side(labels: NDArray[np.int64], counts: NDArray[np.intp], hidden: NDArray[np.int32]) -> Side:
    """Objects of one side. labels, counts: its id in each pair and the pixels there; hidden: its ids where ignored."""
    ids, place = np.unique(labels, return_inverse=True)
    areas = np.bincount(place, weights=counts, minlength=len(ids)).astype(np.int64)
    ids, areas = ids[ids > 0], areas[ids > 0]
    under = np.zeros(len(ids), dtype=np.int64)
    lost, pixels = np.unique(hidden[hidden > 0], return_counts=True)
    there = np.isin(lost, ids)
    under[np.searchsorted(ids, lost[there])] = pixels[there]
    return Side(ids=ids, areas=areas, whole=under <= areas)
