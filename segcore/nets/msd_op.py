"""All maps of a mixed-scale dense network without concatenation, forward and backward.

Maps live in one buffer (maps, positions): position runs over batch, rows and columns of planes padded by the largest
dilation, so that a tap of a dilated convolution is a shift along one axis. Layers are taken in blocks. Forward, one matrix
product of a block's weights with all finished maps gives every tap of every layer in the block, and the taps are shifted and
summed; what a layer sees of its own block follows the same way, layer by layer. Backward is the transpose: shifted copies of
the block's gradients are one factor of two matrix products, one that adds to the gradients of all earlier maps and one that is
the weights' gradient. Both go through the positions in chunks that fit the cache. Only the maps are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from segcore.nets.msd_layout import Layout, fold, mirror

CACHE = 1_500_000
"""Numbers in the smaller factor of a matrix product of one chunk, for each thread of a CPU: what fits its cache."""
MAX_THREADS = 8
"""Threads that CACHE is multiplied by, at most: they share the outer cache."""
ROOM_ELSEWHERE = 25_000_000
"""The same number on a GPU: enough to keep it busy, 100 MB."""


class _Space:
    """Memory for matrix products, taken once, and how many positions each of them gets."""

    def __init__(self, like: Tensor, layout: Layout) -> None:
        rows = 9 * layout.growth * len(layout.blocks()[0])
        room = CACHE * min(torch.get_num_threads(), MAX_THREADS) if like.device.type == "cpu" else ROOM_ELSEWHERE
        self._room = max(rows, room)
        self._flat = like.new_empty(min(self._room, rows * layout.size) + rows * 2 * layout.pad)

    def matrix(self, rows: int, columns: int) -> Tensor:
        """Memory for one product, (rows, columns); the next call gives the same memory again."""
        return self._flat[: rows * columns].view(rows, columns)

    def chunks(self, rows: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Positions from start to stop, cut for products of so many rows."""
        step = max(1, self._room // rows)
        return ((at, min(at + step, stop)) for at in range(start, stop, step))


def _pack(weights: Sequence[Tensor], block: range, layout: Layout) -> Tensor:
    """Weights of a block as one matrix (maps * 9, seen): row = map and tap, column = map that is seen; 0 where a layer sees less."""
    packed = weights[0].new_zeros(len(block), layout.growth, 9, layout.before(block[-1]))
    for place, layer in enumerate(block):
        packed[place, ..., : layout.before(layer)] = weights[layer].flatten(2).transpose(1, 2)
    return packed.flatten(0, 2)


def _spread(sources: Tensor, packed: Tensor, targets: Tensor, dilations: Sequence[int], layout: Layout, space: _Space) -> None:
    """Add the dilated convolutions of sources (k, positions) by packed (m * 9, k) to targets (m, positions), in place.

    Valid in inner pixels; the padding of targets gets what the next row or plane spills over.
    """
    ones, reach = sources.new_ones(1, 3), layout.pad
    for start, stop in space.chunks(len(packed), reach, layout.size - reach):
        length = stop - start + 2 * reach
        taps = torch.mm(packed, sources[:, start - reach : stop + reach], out=space.matrix(len(packed), length))
        for target, dilation in enumerate(dilations):
            for row in (0, 1, 2):
                shift = (row - 1) * dilation * layout.columns
                low, high = max(start, shift), min(stop, layout.size + shift)
                if low < high:
                    offset = (9 * target + 3 * row) * length + low - start + reach - dilation
                    three = taps.as_strided((3, high - low), (length + dilation, 1), taps.storage_offset() + offset)
                    targets[target : target + 1, low - shift : high - shift].addmm_(ones, three)


def _grow(maps: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], layout: Layout) -> None:
    """Fill all rows of maps (maps, positions) behind those of the images, in place."""
    space = _Space(maps, layout)
    for block in layout.blocks():
        packed, known = _pack(weights, block, layout), layout.before(block.start)
        rows = maps[layout.rows(block.start, block.stop)]
        rows.copy_(torch.cat([biases[layer] for layer in block])[:, None].expand_as(rows))
        _spread(maps[:known], packed[:, :known], rows, layout.dilation_of_maps(block), layout, space)
        for layer, taps in zip(block, packed.view(len(block), 9 * layout.growth, -1), strict=True):
            own, seen = maps[layout.rows(layer)], layout.before(layer)
            if seen > known:
                dilations = [layout.dilations[layer]] * layout.growth
                _spread(maps[known:seen], taps[:, known:seen], own, dilations, layout, space)
            mirror(own.relu_(), layout)


class _Shifts:
    """Gradients of a block's maps before their ReLU, ready to be read at any shift: zero wherever there is no inner pixel."""

    def __init__(self, like: Tensor, maps: int, layout: Layout) -> None:
        self._layout, self._margin = layout, layout.pad * (layout.columns + 1)
        self._rows = like.new_zeros(maps, layout.size + 2 * self._margin)

    def inner(self, at: slice) -> Tensor:
        """Maps without their padding, (n, batch, height, width), a view."""
        return self._layout.inner(self._rows[at, self._margin : self._margin + self._layout.size])

    def read(self, at: slice, dilations: Sequence[int], span: tuple[int, int], space: _Space) -> Tensor:
        """The nine shifts of each map at a span of positions, (n * 9, positions), last tap first."""
        start, stop = span
        matrix = space.matrix(9 * len(dilations), stop - start)
        for nine, row, dilation in zip(matrix.view(-1, 9, stop - start), self._rows[at], dilations, strict=True):
            steps = (dilation * self._layout.columns, dilation)
            offset = row.storage_offset() + self._margin + start - sum(steps)
            nine.view(3, 3, -1).copy_(row.as_strided((3, 3, stop - start), (*steps, 1), offset))
        return matrix


def _pull(layers: range, shifts: _Shifts, packed: Tensor, maps: Tensor, grads: Tensor, layout: Layout, space: _Space) -> None:
    """Bring the gradients of a block's maps before their ReLU into shifts, last layer first; each adds to the earlier ones."""
    known = layout.before(layers.start)
    for place in reversed(range(len(layers))):
        rows, seen = layout.rows(layers[place]), layout.before(layers[place])
        at = slice(place * layout.growth, (place + 1) * layout.growth)
        fold(grads[rows], layout)
        torch.mul(layout.inner(grads[rows]), layout.inner(maps[rows]) > 0, out=shifts.inner(at))
        if seen > known:
            taps = packed[9 * at.start : 9 * at.stop, known:seen].T
            dilations = [layout.dilations[layers[place]]] * layout.growth
            for start, stop in space.chunks(9 * layout.growth, 0, layout.size):
                grads[known:seen, start:stop].addmm_(taps, shifts.read(at, dilations, (start, stop), space))


def _shrink(
    maps: Tensor, grads: Tensor, weights: Sequence[Tensor], layout: Layout, first: int, low: int
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Gradients (layer, weight, bias) of the layers from first on, last block first.

    grads (maps, positions) is used up: in the end its rows from low to those of the first layer are gradients, padding not folded.
    """
    space = _Space(maps, layout)
    shifts = _Shifts(maps, layout.growth * len(layout.blocks()[0]), layout)
    for block in reversed(layout.blocks(first)):
        known, count = layout.before(block.start), layout.growth * len(block)
        packed = _pack(weights, block, layout).view(count, 9, -1).flip(1).flatten(0, 1)
        _pull(block, shifts, packed, maps, grads, layout, space)
        found, dilations = torch.zeros_like(packed), layout.dilation_of_maps(block)
        for start, stop in space.chunks(len(packed), 0, layout.size):
            columns = shifts.read(slice(count), dilations, (start, stop), space)
            if known > low:
                grads[low:known, start:stop].addmm_(packed[:, low:known].T, columns)
            found.addmm_(columns, maps[: packed.shape[1], start:stop].T)
        biases = shifts.inner(slice(count)).sum((1, 2, 3)).view(-1, layout.growth)
        for layer, nine, bias in zip(block, found.view(len(block), layout.growth, 9, -1).flip(2), biases, strict=True):
            weight = nine[..., : layout.before(layer)].transpose(1, 2)
            yield layer, weight.reshape(weights[layer].shape), bias


class _Maps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, layout: Layout, images: Tensor, *parameters: Tensor) -> Tensor:
        depth = len(layout.dilations)
        maps = images.new_empty(layout.maps, layout.size)
        layout.inner(maps[: layout.channels]).copy_(images.transpose(0, 1))
        mirror(maps[: layout.channels], layout)
        _grow(maps, parameters[:depth], parameters[depth:], layout)
        ctx.layout = layout
        ctx.save_for_backward(maps, *parameters[:depth])
        return maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grads: Tensor) -> tuple[Tensor | None, ...]:
        layout, (maps, *weights) = ctx.layout, ctx.saved_tensors
        depth, (_, of_images, *of_parameters) = len(weights), ctx.needs_input_grad
        trained = [layer for layer in range(depth) if of_parameters[layer] or of_parameters[depth + layer]]
        first = 0 if of_images else trained[0]
        found: list[Tensor | None] = [None] * (2 * depth)
        grads = grads.contiguous()
        for layer, weight, bias in _shrink(maps, grads, weights, layout, first, 0 if of_images else layout.before(first)):
            found[layer], found[depth + layer] = weight, bias
        images = grads[: layout.channels]
        if of_images:
            fold(images, layout)
        wanted = [grad if needed else None for grad, needed in zip(found, of_parameters, strict=True)]
        return None, layout.inner(images).transpose(0, 1) if of_images else None, *wanted


def dense_maps(images: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], layout: Layout) -> Tensor:
    """Images and the maps of every layer, in the buffer that the module's docstring describes.

    Layer i is relu(convolution of images and all earlier maps by weights[i] at dilations[i] + biases[i]), images and maps
    mirrored at their edges (Pelt & Sethian 2018, eq. 3 and 4). Gradients are those of that formula, but for second derivatives,
    which there are not. A gradient that arrives is used up: read the result through layout.inner or a matrix product alone.

    Args:
        images: (batch, channels, height, width), as layout has it.
        weights: one per layer, (growth, maps that it sees, 3, 3).
        biases: one per layer, (growth,).
        layout: sizes, dilations and padding.

    Returns:
        (maps, positions), rows in the order channels, first layer, second layer, ...; layout.inner(result) is
        (maps, batch, height, width).
    """
    maps: Tensor = _Maps.apply(layout, images, *weights, *biases)  # type: ignore[no-untyped-call]
    return maps
