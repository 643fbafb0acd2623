"""Objects of a label array: which there are, and values painted into their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_DENSE = 1 << 20
"""Largest id for which a table over all ids is always kept; above it only where the array is larger."""


def present_ids(instances: NDArray[np.int32]) -> NDArray[np.int32]:
    """Ids above 0 of a (D, H, W) array, ascending."""
    top = int(instances.max(initial=0))
    if top > max(_DENSE, instances.size):
        found = np.unique(instances)
        return found[found > 0]
    seen = np.zeros(top + 2, dtype=np.bool_)
    for plane in instances:
        row = plane.ravel()
        seen[row[-1:]] = True
        seen[row[:-1][row[1:] != row[:-1]]] = True  # where a run ends; -1 marks the last place, which no id has
    return np.flatnonzero(seen[1:-1]).astype(np.int32) + np.int32(1)


def painted(plane: NDArray[np.int32], ids: NDArray[np.int32], values: NDArray[Any]) -> NDArray[Any]:
    """The value of its object at every pixel, 0 where the object is not among ids.

    Args:
        plane: ids, any shape, from -1.
        ids: (n,) from 1, ascending.
        values: (n,), any type, which the result has too.
    """
    top = int(plane.max(initial=0))
    known = int(np.searchsorted(ids, top, side="right"))
    if top > max(_DENSE, plane.size):
        return _searched(plane, ids[:known], values[:known])
    table = np.zeros(top + 2, dtype=values.dtype)
    table[ids[:known]] = values[:known]
    return table[plane]


def _searched(plane: NDArray[np.int32], ids: NDArray[np.int32], values: NDArray[Any]) -> NDArray[Any]:
    """painted without a table: for few objects with high ids."""
    result = np.zeros(plane.shape, dtype=values.dtype)
    here = np.flatnonzero(np.isin(plane, ids))
    result.flat[here] = values[np.searchsorted(ids, plane.flat[here])]
    return result
