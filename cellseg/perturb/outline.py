"""All outlines of a plane moved at once, so that the price does not grow with the number of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.perturb.objects import painted

Plane = NDArray[np.int32]
Steps = NDArray[np.int64]


def biased(plane: Plane, ids: NDArray[np.int32], steps: Steps) -> Plane:
    """Labels whose objects have grown (steps > 0) or shrunk (steps < 0) by their number of steps.

    Args:
        plane: (H, W) ids, 0 = background, -1 = ignore.
        ids: (n,) all objects, ascending; some may be absent from the plane.
        steps: (n,) iterations of a 3 x 3 square of ones.
    """
    if not steps.any() or plane.max() <= 0:
        return plane
    result = shrunk(plane, ids, np.maximum(-steps, 0))
    return np.where(plane == 0, grown(plane, ids, np.maximum(steps, 0)), result)


def shrunk(plane: Plane, ids: NDArray[np.int32], steps: Steps) -> Plane:
    """Labels after each object's own number of erosions; beyond the frame lies more of the same.

    An object is eroded t times where its pixel has only pixels of the same object within t, in rows and columns.
    """
    most = int(steps.max(initial=0))
    if most == 0:
        return plane
    kind = np.min_scalar_type(most)
    inner, depth = _inner(plane), np.zeros(plane.shape, dtype=kind)
    for _ in range(most):
        depth += inner
        inner = _square(inner, np.logical_and)
        if not inner.any():
            break
    return np.where(depth >= painted(plane, ids, steps.astype(kind)), plane, 0)


def grown(plane: Plane, ids: NDArray[np.int32], steps: Steps) -> Plane:
    """Labels after each object's own number of dilations into the background, all at one pace, ties to the smaller id."""
    count, most = len(ids), int(steps.max(initial=0))
    if most == 0:
        return plane
    kind = np.min_scalar_type(count)
    rank = painted(plane, ids, np.arange(count, 0, -1, dtype=kind))  # a smaller id ranks higher
    ranked = np.arange(count + 1, dtype=kind)
    left = np.append(0, steps[::-1])
    free = plane == 0
    for step in range(most):
        active = rank if (left[1:] > step).all() else np.where(left > step, ranked, kind.type(0))[rank]
        reached = _square(active, np.maximum)
        reached *= free
        if not reached.any():
            break
        np.maximum(rank, reached, out=rank)
        free &= reached == 0
    return np.where(plane == 0, np.append(0, ids[::-1]).astype(np.int32)[rank], plane)


def _inner(plane: Plane) -> NDArray[np.bool_]:
    """Pixels whose neighbours, all eight, have the same label."""
    across, down = plane[:, 1:] == plane[:, :-1], plane[1:] == plane[:-1]
    rows = np.ones(plane.shape, dtype=np.bool_)
    rows[:, 1:] &= across
    rows[:, :-1] &= across
    result = rows.copy()
    for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        result[here] &= rows[there]
        result[here] &= down
    return result


def _square(values: NDArray[Any], best: np.ufunc) -> NDArray[Any]:
    """Best value of each 3 x 3 square, cut at the frame."""
    rows = values.copy()
    best(rows[:, 1:], values[:, :-1], out=rows[:, 1:])
    best(rows[:, :-1], values[:, 1:], out=rows[:, :-1])
    result = rows.copy()
    best(result[1:], rows[:-1], out=result[1:])
    best(result[:-1], rows[1:], out=result[:-1])
    return result
