"""A mask to objects: connected parts, and touching cells apart; arrays of any size, slab by slab."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects, gaussian_filter, label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cellseg.image import Instances

DEPTH = 0.15
"""How far the distance to the rim must fall between two cells, as a share of its largest value in the clump."""
SMALLEST = 30
"""Pixels; smaller objects are never cut."""
LARGEST = 1 << 26
"""Pixels of an object's box; objects of larger ones stay whole, for a cut takes about 100 bytes for each of them."""


def label_slabs(slabs: Iterable[NDArray[np.bool_]], out: Instances) -> int:
    """Number the connected parts of a mask that comes in slabs; memory is that of a slab, beside out.

    Pixels that share an edge (voxels that share a face) are connected. Objects are numbered from 1 in the order of their
    first pixels, whatever the slabs.

    Args:
        slabs: parts (n, ...) of the mask along its first axis, in order.
        out: (H, W) or (D, H, W) int32, filled; it may lie on disk.

    Returns:
        How many objects there are.
    """
    pairs: list[NDArray[np.int64]] = []
    start, used, size = 0, 0, 1
    for mask in slabs:
        own, many = label(mask)
        own[mask] += used
        out[start : start + len(mask)] = own
        if start:
            above, below = out[start - 1], own[0]
            both = (above > 0) & (below > 0)
            pairs.append(np.unique(np.stack([above[both], below[both]]).astype(np.int64), axis=1))
        start, used, size = start + len(mask), used + many, max(size, len(mask))
    first, second = np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0), dtype=np.int64)
    graph = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(used + 1, used + 1))
    count, number_of = connected_components(graph, directed=False)
    for start in range(0, len(out), size):
        out[start : start + size] = number_of[out[start : start + size]]
    return int(count) - 1


def split_touching(instances: Instances, *, edges: Sequence[float] | None = None, say: Callable[[str], object] | None = None) -> int:
    """Cut objects at their necks, in place: watershed of the distance to the rim from its clear maxima (Beucher 1979).

    A neck counts where the distance falls by DEPTH of the largest one in the object. The largest piece keeps the number.
    Objects whose box is above LARGEST stay whole.

    Args:
        instances: (H, W) or (D, H, W), ids from 1 without gaps; it may lie on disk.
        edges: lengths of a pixel along each axis, where they differ.
        say: hears which objects are too large to be cut.

    Returns:
        How many objects there are now.
    """
    boxes: list[Any] = find_objects(instances)
    many = len(boxes)
    for own, box in enumerate(boxes, 1):
        part = instances[box]
        if part.size > LARGEST:
            if say is not None:
                say(f"object {own}, {' x '.join(map(str, part.shape))} px, is left whole: a box of at most {LARGEST:,} px can be cut")
            continue
        mask = part == own
        if np.count_nonzero(mask) < SMALLEST:
            continue
        pieces, count = _pieces(mask, edges)
        cut = pieces > 1
        part[cut] = pieces[cut] + (many - 1)
        many += count - 1
    return many


def _pieces(mask: NDArray[np.bool_], edges: Sequence[float] | None) -> tuple[NDArray[np.int32], int]:
    """One object cut at its necks: pieces from 1, the largest first."""
    from skimage.morphology import h_maxima
    from skimage.segmentation import watershed

    inner = tuple(slice(1, -1) for _ in mask.shape)
    padded = np.pad(mask, 1)
    smooth = gaussian_filter(distance_transform_edt(padded, sampling=edges).astype(np.float32), 1.0)
    smooth *= padded
    peaks = h_maxima(smooth, DEPTH * float(smooth.max()))  # type: ignore[no-untyped-call]
    seeds, count = label(peaks, structure=np.ones((3,) * mask.ndim))
    if count < 2:
        return mask.astype(np.int32), 1
    pieces = watershed(-smooth, seeds, mask=padded)[inner]  # type: ignore[no-untyped-call]
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    rank = np.zeros(count + 1, dtype=np.int32)
    rank[1 + np.argsort(-sizes, kind="stable")] = np.arange(1, count + 1)
    return rank[pieces], count
