"""Pixels to shapes: the outline of a mask along the edges of its pixels, exact."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cellseg.image import IGNORE, Instances

Corner = tuple[int, int]
"""(x, y) of a corner of a pixel."""
Outline = list[Corner]
"""Corners in order, the last joined to the first; the object lies right of the way from one to the next, as one looks at the image."""
_SLAB = 1 << 20
"""Pixels that are looked through at once."""
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""(x, y) to the right, down, left, up: each is a turn to the right from the one before."""


def outlined(instances: Instances) -> Iterator[tuple[int, list[list[Outline]]]]:
    """Each object of (H, W), and IGNORE where there is some, with its outline: the polygons of `outline`, ids ascending.

    instances may lie on disk: beside them memory holds a slab, and about 10 bytes a pixel of the box of one object.
    """
    for number, (top, left, bottom, right) in sorted(_boxes(instances).items()):
        yield number, outline(instances[top:bottom, left:right] == number, col=left, row=top)


def _boxes(instances: Instances) -> dict[int, tuple[int, int, int, int]]:
    """(top, left, bottom, right) of each object and of IGNORE, slab by slab."""
    from scipy.ndimage import find_objects

    found: dict[int, tuple[int, int, int, int]] = {}
    height = max(1, _SLAB // instances.shape[1])
    for start in range(0, len(instances), height):
        ids, order = np.unique(instances[start : start + height], return_inverse=True)
        places = find_objects(order.reshape(-1, instances.shape[1]) + 1)
        for number, (rows, cols) in zip(ids.tolist(), places, strict=True):
            if number >= IGNORE and number != 0:
                top, left, _, right = found.get(number, (start + rows.start, cols.start, 0, 0))
                found[number] = (top, min(left, cols.start), start + rows.stop, max(right, cols.stop))
    return found


def outline(mask: NDArray[np.bool_], *, col: int = 0, row: int = 0) -> list[list[Outline]]:
    """The polygons of a mask (height, width) that begins at col, row: one for each part that hangs together by pixel edges.

    A polygon is its outer ring and then its holes. Rings do not cross and visit no corner twice; the even-odd rule over all
    of them gives the mask again. Order: as the parts appear row by row.
    """
    from scipy.ndimage import label

    parts, count = label(mask)
    polygons: list[list[Outline]] = [[] for _ in range(count)]
    edges = _edges(mask)
    for edge in sorted(edges, key=lambda edge: (edge[1], edge[0], edge[2])):
        if edge not in edges:
            continue
        part = int(parts[_right_of(edge)]) - 1
        polygons[part].extend(_simple(_walk(edges, edge)))
    return [[_moved(ring, col, row) for ring in sorted(rings, key=_area, reverse=True)] for rings in polygons]


def _edges(mask: NDArray[np.bool_]) -> dict[tuple[int, int, int], None]:
    """(x, y, direction) of every pixel edge of the outline, the mask at its right hand."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    sides = padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2]
    starts = (0, 0), (1, 0), (1, 1), (0, 1)
    edges: dict[tuple[int, int, int], None] = {}
    for direction, (side, (dx, dy)) in enumerate(zip(sides, starts, strict=True)):
        rows, cols = np.nonzero(inner & ~side)
        edges.update(((x + dx, y + dy, direction), None) for x, y in zip(cols.tolist(), rows.tolist(), strict=True))
    return edges


def _right_of(edge: tuple[int, int, int]) -> tuple[int, int]:
    """(row, col) of the pixel at the right hand of an edge."""
    x, y, direction = edge
    dx, dy = ((0, 0), (-1, 0), (-1, -1), (0, -1))[direction]
    return y + dy, x + dx


def _walk(edges: dict[tuple[int, int, int], None], first: tuple[int, int, int]) -> Outline:
    """Follow edges, and use them up, until the way comes back to the first; where two ways go on, the one further right."""
    way: Outline = []
    x, y, direction = first
    while True:
        del edges[x, y, direction]
        way.append((x, y))
        x, y = x + _STEPS[direction][0], y + _STEPS[direction][1]
        turns = ((x, y, (direction + turn) % 4) for turn in (1, 0, 3))
        onward = next((edge for edge in turns if edge in edges or edge == first), first)
        if onward == first:
            return way
        direction = onward[2]


def _simple(way: Outline) -> list[Outline]:
    """The rings of a closed way that visits no corner twice each."""
    rings: list[Outline] = []
    open_way: Outline = []
    seen: dict[Corner, int] = {}
    for corner in [*way, way[0]]:
        if corner in seen:
            ring = open_way[seen[corner] :]
            del open_way[seen[corner] :]
            for passed in ring:
                del seen[passed]
            rings.append(_straightened(ring))
        seen[corner] = len(open_way)
        open_way.append(corner)
    return rings


def _straightened(ring: Outline) -> Outline:
    """A ring without the corners that lie on a straight line."""
    around = zip([ring[-1], *ring[:-1]], ring, [*ring[1:], ring[0]], strict=True)
    return [here for before, here, after in around if before[0] != after[0] and before[1] != after[1]]


def _area(ring: Outline) -> int:
    """Twice the area of a ring; below 0 for a hole."""
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in zip(ring, [*ring[1:], ring[0]], strict=True))


def _moved(ring: Outline, col: int, row: int) -> Outline:
    return [(x + col, y + row) for x, y in ring]
