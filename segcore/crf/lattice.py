"""The bilateral lattice: a Gaussian over (row, col, intensity) in time linear in the pixels.

The kernel exp(-|dp|^2 / 2 theta_a^2 - |dI|^2 / 2 theta_b^2) of a one-band image is a Gaussian in three dimensions, so
values are splatted onto a coarse 3-D lattice, blurred there and sliced back (Paris & Durand 2006; Chen, Paris & Durand
2007). Three things make it fast and exact enough:

- Pixels first fall into small cells of at most theta_a / 10, with linear weights in intensity only: two numbers a pixel
  instead of the eight corners of a voxel.
- Cells and nodes meet through Gaussians of width theta_a / sqrt(2): two of them, there and back, make the kernel, to
  1e-4 at the spacing used, and no blur in space is left to do. They are products with small matrices.
- Boxes (cells) and linear weights (intensity) widen the kernel by a known variance, which is taken off elsewhere.

Cells and nodes are anchored at absolute pixel (0, 0) of the scene and at intensity 0, so a block of a scene meets the
same lattice as the whole scene.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

CELL_SHARE = 0.1
"""Largest cell, as a share of the spatial sigma."""
NODE_SPACING = 1.0
"""Distance of nodes in space, in sigma of the Gaussian between cells and nodes; the sum over nodes is then flat to
2 exp(-pi^2) = 1e-4."""
NODE_REACH = 4.0
"""Where that Gaussian ends, in its own sigma."""
LEVEL_SPACING = 0.6
"""Distance of nodes in intensity, in intensity sigma; every level more is memory in each cell."""
CHUNK = 32
"""Cells that meet the nodes near them in one product."""
TOP = 255.0
"""Largest intensity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One spatial axis of the lattice: pixels in cells, cells among nodes."""

    sigma: float
    """Standard deviation of the kernel along this axis, in pixels."""
    origin: int
    """Absolute coordinate of the first pixel."""
    length: int
    """Pixels."""

    @property
    def cell(self) -> int:
        """Edge of a cell, in pixels."""
        return max(1, math.floor(CELL_SHARE * self.sigma))

    @property
    def cells(self) -> int:
        """Cells that the pixels touch."""
        return (self.origin + self.length - 1) // self.cell - self.origin // self.cell + 1

    @property
    def half_sigma(self) -> float:
        """Standard deviation between cells and nodes, in pixels: half the kernel's variance without its two boxes."""
        return math.sqrt((self.sigma**2 - (self.cell**2 - 1) / 6) / 2)

    def cell_of_pixel(self, device: torch.device) -> Tensor:
        """Cell of every pixel, counted from the first one touched, (length,) int32."""
        pixel = torch.arange(self.origin, self.origin + self.length, device=device, dtype=torch.int32)
        return torch.div(pixel, self.cell, rounding_mode="floor") - self.origin // self.cell

    def nodes_near(self, start: int, stop: int) -> tuple[int, int]:
        """First node and last node + 1, absolute, within reach of cells start to stop - 1."""
        spacing, reach = NODE_SPACING * self.half_sigma, NODE_REACH * self.half_sigma
        low, high = self._centre(start) - reach, self._centre(stop - 1) + reach
        return math.ceil(low / spacing), math.floor(high / spacing) + 1

    def weights(self, nodes: tuple[int, int], start: int, stop: int, device: torch.device) -> Tensor:
        """Gaussian of the distance between a node and a cell's centre, (nodes, stop - start) float32."""
        node = NODE_SPACING * torch.arange(*nodes, device=device, dtype=torch.float64)
        cell = torch.arange(stop - start, device=device, dtype=torch.float64) * self.cell + self._centre(start)
        return torch.exp(-0.5 * (node[:, None] - cell / self.half_sigma).square()).float()

    def _centre(self, cell: int) -> float:
        """Absolute coordinate of the centre of a cell."""
        return (self.origin // self.cell + cell) * self.cell + (self.cell - 1) / 2


class Spread:
    """The matrix between the cells and the nodes of an axis, kept as chunks around its diagonal."""

    def __init__(self, axis: Axis, device: torch.device) -> None:
        """All chunks of one axis."""
        first, end = axis.nodes_near(0, axis.cells)
        self.nodes, self.cells = end - first, axis.cells
        self._chunks: list[tuple[slice, slice, Tensor]] = []
        for start in range(0, axis.cells, CHUNK):
            stop = min(start + CHUNK, axis.cells)
            low, high = axis.nodes_near(start, stop)
            weights = axis.weights((low, high), start, stop, device)
            self._chunks.append((slice(low - first, high - first), slice(start, stop), weights))

    def to_nodes(self, cells: Tensor) -> Tensor:
        """(B, cells, X) -> (B, nodes, X)."""
        nodes = cells.new_zeros(len(cells), self.nodes, cells.shape[2])
        for near, chunk, weights in self._chunks:
            nodes[:, near] += torch.matmul(weights, cells[:, chunk])
        return nodes

    def to_cells(self, nodes: Tensor, out: Tensor) -> Tensor:
        """(B, nodes, X) -> out (B, cells, X); the transpose of to_nodes."""
        for near, chunk, weights in self._chunks:
            out[:, chunk] = torch.matmul(weights.T, nodes[:, near])
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The intensity axis of the lattice: nodes from 0 to at least 255."""

    sigma: float
    """Standard deviation of the kernel in intensity, in grey values."""

    @property
    def spacing(self) -> float:
        """Grey values from one node to the next."""
        return LEVEL_SPACING * self.sigma

    @property
    def count(self) -> int:
        """Nodes."""
        return math.ceil(TOP / self.spacing) + 1

    def blur(self, device: torch.device) -> Tensor:
        """Gaussian between the nodes, (count, count), less the spacing^2 / 3 that two linear interpolations add."""
        node = torch.arange(self.count, device=device, dtype=torch.float64)
        variance = 1 / LEVEL_SPACING**2 - 1 / 3
        return torch.exp(-0.5 * (node[:, None] - node).square() / variance).float()


class Lattice:
    """Symmetrically normalised Gaussian filter D^-1/2 K D^-1/2 over (row, col, intensity) of one guide image.

    D = K 1 holds the pixel itself too, as in the reference code of Kraehenbuehl & Koltun (2011).
    """

    def __init__(self, guide: Tensor, sigma: tuple[float, float], intensity_sigma: float, origin: tuple[int, int]) -> None:
        """guide (B, H, W) float32 in 0..255; sigma (row, col) in pixels; origin (row, col) of the first pixel in the scene."""
        self._shape, device = guide.shape, guide.device
        axes = [Axis(sigma=s, origin=o, length=n) for s, o, n in zip(sigma, origin, guide.shape[1:], strict=True)]
        levels = Levels(sigma=intensity_sigma)
        self._rows, self._cols = (Spread(axis, device) for axis in axes)
        self._blur = levels.blur(device)
        self._table = guide.new_empty(len(guide), self._rows.cells, self._cols.cells, levels.count)
        self._place(guide / levels.spacing, *(axis.cell_of_pixel(device) for axis in axes))
        self._normalise()

    def filter(self, values: Tensor) -> Tensor:
        """D^-1/2 K D^-1/2 values, (B, H, W) float32 -> (B, H, W)."""
        return self._slice(torch.matmul(self._splat(values.reshape(-1)), self._blur)).view(self._shape)

    def _place(self, level: Tensor, row: Tensor, col: Tensor) -> None:
        """For every pixel: where its lower node lies in the table of cells, and the shares of lower and upper node."""
        batch, rows, cols, levels = self._table.shape
        dtype = torch.int32 if self._table.numel() < 2**31 else torch.int64
        image = torch.arange(batch, device=level.device, dtype=dtype)[:, None, None] * rows
        lower = level.floor().clamp_(max=levels - 2)
        cell = (image + row[:, None]) * cols + col
        self._index = (cell * levels + lower.to(dtype)).reshape(-1)
        self._upper = (level - lower).reshape(-1)
        self._lower = 1 - self._upper

    def _normalise(self) -> None:
        """Fold D^-1/2 into the shares, so that it costs nothing later."""
        scale = self.filter(torch.ones_like(self._upper)).reshape(-1).rsqrt_()
        self._lower *= scale
        self._upper *= scale

    def _splat(self, values: Tensor) -> Tensor:
        """Pixels (N,) -> cells -> nodes (B, rows, cols, levels)."""
        batch, _, cols, levels = self._table.shape
        flat = self._table.zero_().view(-1)
        flat.index_add_(0, self._index, values * self._lower)
        flat[1:].index_add_(0, self._index, values * self._upper)
        nodes = self._rows.to_nodes(self._table.flatten(2)).view(-1, cols, levels)
        return self._cols.to_nodes(nodes).view(batch, self._rows.nodes, self._cols.nodes, levels)

    def _slice(self, nodes: Tensor) -> Tensor:
        """Nodes -> cells -> pixels (N,); the transpose of _splat."""
        batch, _, cols, levels = self._table.shape
        cells = self._cols.to_cells(nodes.flatten(0, 1), nodes.new_empty(batch * self._rows.nodes, cols, levels))
        self._rows.to_cells(cells.view(batch, self._rows.nodes, -1), self._table.flatten(2))
        flat = self._table.view(-1)
        lower = flat.index_select(0, self._index).mul_(self._lower)
        return lower.addcmul_(flat[1:].index_select(0, self._index), self._upper)
