"""Where the maps of a mixed-scale dense network lie in memory, and how they are mirrored at their edges."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

BLOCK = 10
"""Maps whose taps one matrix product gives."""
EDGES = {"reflect": 1, "symmetric": 0}
"""Paddings by mirror: pixels between an edge pixel and the first that is mirrored. With reflect the edge is not repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where each map and each pixel of a batch lies in the buffer."""

    batch: int
    channels: int
    """Maps that the images bring: they come first."""
    height: int
    width: int
    dilations: tuple[int, ...]
    """One per layer, in pixels."""
    growth: int = 1
    """Maps that each layer adds."""
    edge: int = 1
    """A value of EDGES."""

    @property
    def pad(self) -> int:
        """Pixels of mirrored context on every side."""
        return max(self.dilations)

    @property
    def columns(self) -> int:
        """Columns of a padded plane, the distance between two of its rows."""
        return self.width + 2 * self.pad

    @property
    def shape(self) -> tuple[int, int, int]:
        """(batch, rows, columns) of one map with its padding."""
        return self.batch, self.height + 2 * self.pad, self.columns

    @property
    def size(self) -> int:
        """Positions of one map."""
        return math.prod(self.shape)

    @property
    def maps(self) -> int:
        """Maps after the last layer."""
        return self.before(len(self.dilations))

    def before(self, layer: int) -> int:
        """Maps that a layer sees, which is also the row of the first one it adds."""
        return self.channels + layer * self.growth

    def rows(self, layer: int, stop: int | None = None) -> slice:
        """Rows of the maps that the layers from layer to stop (one, if none is given) add."""
        return slice(self.before(layer), self.before(layer + 1 if stop is None else stop))

    def blocks(self, first: int = 0) -> list[range]:
        """The layers from first on, cut into blocks of about BLOCK maps."""
        depth, step = len(self.dilations), max(1, BLOCK // self.growth)
        return [range(start, min(start + step, depth)) for start in range(first, depth, step)]

    def dilation_of_maps(self, layers: range) -> list[int]:
        """The dilation of each map that the layers add, in order."""
        return [self.dilations[layer] for layer in layers for _ in range(self.growth)]

    def planes(self, rows: Tensor) -> Tensor:
        """Rows of the buffer (n, positions) as padded planes (n, batch, rows, columns), a view."""
        return rows.view(-1, *self.shape)

    def inner(self, rows: Tensor) -> Tensor:
        """Rows of the buffer without their padding, (n, batch, height, width), a view."""
        return self.planes(rows)[:, :, self.pad : self.pad + self.height, self.pad : self.pad + self.width]


def _mirrored(place: int, length: int, edge: int) -> int:
    """The pixel of 0..length-1 that shows at place, which may lie outside, mirrored as often as it takes."""
    period = max(2 * (length - edge), 1)
    return min(place % period, period - 1 + edge - place % period)


def _sides(planes: Tensor, axis: int, layout: Layout) -> Iterator[tuple[Tensor, Tensor]]:
    """Along an axis: parts of the padding, each with the pixels it shows, in reverse order."""
    pad, edge = layout.pad, layout.edge
    length = planes.shape[axis] - 2 * pad
    if length >= pad + edge:
        pairs = [(0, pad + edge, pad), (pad + length, length - edge, pad)]
    else:
        outside = (*range(-pad, 0), *range(length, length + pad))
        pairs = [(pad + place, pad + _mirrored(place, length, edge), 1) for place in outside]
    for at, source, count in pairs:
        yield planes.narrow(axis, at, count), planes.narrow(axis, source, count)


def mirror(rows: Tensor, layout: Layout) -> None:
    """Fill the padding of rows (n, positions) from their inner pixels, in place."""
    planes = layout.planes(rows)
    for axis, part in ((3, planes.narrow(2, layout.pad, layout.height)), (2, planes)):
        for outside, source in _sides(part, axis, layout):
            outside.copy_(source.flip(axis))


def fold(rows: Tensor, layout: Layout) -> None:
    """The transpose of mirror: add gradients of the padding to the pixels that it shows, in place; the padding stays as it is."""
    planes = layout.planes(rows)
    for axis, part in ((2, planes), (3, planes.narrow(2, layout.pad, layout.height))):
        for outside, source in _sides(part, axis, layout):
            source.add_(outside.flip(axis))
