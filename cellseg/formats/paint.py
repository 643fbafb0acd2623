"""Shapes to pixels: which pixels an object covers, and who gets a pixel that several objects claim.

A pixel belongs to a shape when its centre lies inside. Coordinates are (x, y) in pixels, (0, 0) is the outer corner of
the first pixel, so the centre of pixel (row, col) is (col + 0.5, row + 0.5): the convention of COCO, QuPath and ImageJ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellseg.image import IGNORE, Instances

Ring = NDArray[np.float64]
"""(N, 2): x, y of the corners in order; the last joins the first."""
EDGES_AT_ONCE = 2048


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """The pixels of one object."""

    row: int
    """Of the first row of mask in the image."""
    col: int
    mask: NDArray[np.bool_]
    """(height, width), inside the image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Painted:
    """Objects drawn into one label image."""

    instances: Instances
    """(H, W)"""
    outside: int
    """Objects without a pixel in the image."""
    hidden: int
    """Objects whose pixels all went to smaller ones."""
    contested: int
    """Pixels that more than one object claims."""


def polygon_region(rings: Sequence[Ring], shape: tuple[int, int]) -> Region | None:
    """The pixels of a polygon with holes, by the even-odd rule; None if it has none in an image of shape (H, W).

    Neighbours that share an edge share no pixel: a centre on an edge belongs to the shape right of it, or below. A polygon
    that lies in the image and covers no pixel centre keeps the one pixel under the middle of its corners.
    """
    if not rings:
        return None
    corners = np.concatenate(list(rings))
    low, high = corners.min(axis=0), corners.max(axis=0)
    left, top = (int(edge) for edge in np.clip(np.floor(low), 0, (shape[1], shape[0])))
    right, bottom = (int(edge) for edge in np.clip(np.ceil(high), 0, (shape[1], shape[0])))
    inside = np.zeros((bottom - top, right - left), dtype=np.bool_)
    for ring in rings:
        _toggle(inside, ring, top, left)
    if inside.any():
        return _trimmed(Region(row=top, col=left, mask=inside))
    if low.min() < 0 or high[0] > shape[1] or high[1] > shape[0]:
        return None
    col, row = (int(edge) for edge in np.minimum(np.floor(corners.mean(axis=0)), (shape[1] - 1, shape[0] - 1)))
    return Region(row=row, col=col, mask=np.ones((1, 1), dtype=np.bool_))


def polygons_region(polygons: Sequence[Sequence[Ring]], shape: tuple[int, int]) -> Region | None:
    """The pixels of several polygons together, each by the even-odd rule; None if they have none in the image."""
    parts = [part for part in (polygon_region(rings, shape) for rings in polygons) if part is not None]
    if len(parts) < 2:
        return parts[0] if parts else None
    top, left = min(part.row for part in parts), min(part.col for part in parts)
    bottom = max(part.row + part.mask.shape[0] for part in parts)
    right = max(part.col + part.mask.shape[1] for part in parts)
    mask = np.zeros((bottom - top, right - left), dtype=np.bool_)
    for part in parts:
        mask[_window(part, top, left)] |= part.mask
    return Region(row=top, col=left, mask=mask)


def ellipse_region(box: tuple[float, float, float, float], shape: tuple[int, int]) -> Region | None:
    """The pixels of the ellipse that fills a box (left, top, right, bottom); None if it has none in the image."""
    left, top, right, bottom = box
    first = max(int(np.floor(top)), 0), max(int(np.floor(left)), 0)
    last = min(int(np.ceil(bottom)), shape[0]), min(int(np.ceil(right)), shape[1])
    if last[0] <= first[0] or last[1] <= first[1] or right <= left or bottom <= top:
        return None
    rows, cols = np.ogrid[first[0] : last[0], first[1] : last[1]]
    y = (2 * (rows + 0.5) - top - bottom) / (bottom - top)
    x = (2 * (cols + 0.5) - left - right) / (right - left)
    mask: NDArray[np.bool_] = x * x + y * y < 1
    if mask.any():
        return _trimmed(Region(row=first[0], col=first[1], mask=mask))
    return polygon_region([np.array([[left, top], [right, top], [right, bottom], [left, bottom]])], shape)


def mask_region(mask: NDArray[np.bool_]) -> Region | None:
    """The true pixels of a mask of the whole image (H, W); None if there are none."""
    return _trimmed(Region(row=0, col=0, mask=mask)) if mask.any() else None


def paint(shape: tuple[int, int], objects: Iterable[tuple[int, Region | None]]) -> Painted:
    """Draw objects (id, pixels) into one image; a pixel goes to the smallest object that claims it, of equals to the last.

    An object of id IGNORE yields every pixel that another claims. Objects are taken one at a time.
    """
    owner = np.zeros(shape, dtype=np.int32)
    contested = np.zeros(shape, dtype=np.bool_)
    ids, areas, outside = [0], [np.inf], 0
    for number, region in objects:
        if region is None:
            outside += 1
            continue
        area = np.inf if number == IGNORE else float(np.count_nonzero(region.mask))
        here = _window(region)
        held = owner[here]
        claimed = region.mask & (held > 0)
        contested[here] |= claimed
        smaller = [own for own in np.unique(held[claimed]) if areas[own] < area]
        held[region.mask & ~np.isin(held, smaller)] = len(ids)
        ids.append(number)
        areas.append(area)
    seen = np.unique(owner)
    hidden = len(ids) - 1 - int(np.count_nonzero(seen))
    return Painted(instances=np.array(ids, dtype=np.int32)[owner], outside=outside, hidden=hidden, contested=int(contested.sum()))


def _window(region: Region, top: int = 0, left: int = 0) -> tuple[slice, slice]:
    row, col = region.row - top, region.col - left
    return slice(row, row + region.mask.shape[0]), slice(col, col + region.mask.shape[1])


def _trimmed(region: Region) -> Region:
    rows, cols = np.flatnonzero(region.mask.any(axis=1)), np.flatnonzero(region.mask.any(axis=0))
    mask = region.mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].copy()
    return Region(row=region.row + int(rows[0]), col=region.col + int(cols[0]), mask=mask)


def _toggle(inside: NDArray[np.bool_], ring: Ring, top: int, left: int) -> None:
    """Flip the pixels whose centre lies in a ring, those right of an odd number of its edges; inside begins at top, left."""
    height, width = inside.shape
    flips = np.zeros((height, width + 1), dtype=np.int32)
    after = np.roll(ring, -1, axis=0)
    for start in range(0, len(ring), EDGES_AT_ONCE):
        part = slice(start, start + EDGES_AT_ONCE)
        rows, cols = _crossings(ring[part], after[part], top, top + height)
        np.add.at(flips, (rows - top, np.clip(cols - left, 0, width).astype(np.int64)), 1)
    inside ^= (np.cumsum(flips, axis=1)[:, :width] & 1).astype(np.bool_)


def _crossings(begin: Ring, end: Ring, top: int, bottom: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where edges cross the middle of the rows from top to bottom: the row, and the first pixel whose centre is not left of it."""
    upper = np.where((begin[:, 1] <= end[:, 1])[:, None], begin, end)
    lower = np.where((begin[:, 1] <= end[:, 1])[:, None], end, begin)
    first = np.clip(np.ceil(upper[:, 1] - 0.5), top, bottom).astype(np.int64)
    counts = np.clip(np.ceil(lower[:, 1] - 0.5), top, bottom).astype(np.int64) - first
    edge = np.repeat(np.arange(len(begin)), counts)
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    share = (rows + 0.5 - upper[edge, 1]) / (lower[edge, 1] - upper[edge, 1])
    return rows, np.ceil(upper[edge, 0] + share * (lower[edge, 0] - upper[edge, 0]) - 0.5)
