"""Images cut into patches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import cast

import numpy as np

from cellseg.image import CellImage
from cellseg.source import CellSource
from segcore.errors import ConfigError
from segcore.windows import Window

Edge = int | tuple[int, ...]


def patches(image: CellImage | CellSource, size: Edge, stride: Edge | None = None) -> Iterator[CellImage]:
    """Cut an image into patches, row by row, every pixel covered; ids stay, so an object on a border keeps its id in each.

    Args:
        image: an image or volume, or one on disk that is read patch by patch.
        size: edge in pixels, of rows and columns alike and with all planes of a volume; or one number for each axis of
            the instances. An image that is smaller gives a patch of its own size.
        stride: distance between patches, likewise; by default they do not overlap. The last patch of a row or column ends
            flush with the image, and so may overlap the one before.

    Yields:
        Patches named NAME_rROW_cCOL, or NAME_zPLANE_rROW_cCOL where planes are cut too; the classes are those of the
        objects in them.

    Raises:
        ConfigError: a size or stride below 1, a stride above the size, or another number of them than axes.
    """
    shape = image.shape[1:] if isinstance(image, CellSource) else image.instances.shape
    sizes = _edges(size, shape, "size")
    strides = sizes if stride is None else _edges(stride, shape, "stride")
    if any(step > edge for step, edge in zip(strides, sizes, strict=True)):
        raise ConfigError(f"patches cover the image, so the stride is at most the size; got {stride} for {size}.")
    starts = [_starts(*edges) for edges in zip(shape, sizes, strides, strict=True)]
    return (_cut(image, place, sizes) for place in product(*starts))


def _edges(given: Edge, shape: tuple[int, ...], what: str) -> tuple[int, ...]:
    edges = (*shape[:-2], given, given) if isinstance(given, int) else tuple(given)
    if len(edges) != len(shape) or min(edges) < 1:
        raise ConfigError(f"the {what} of patches is a number from 1, or one for each of {len(shape)} axes; got {given}.")
    return edges


def _starts(length: int, size: int, stride: int) -> list[int]:
    last = max(0, length - size)
    return [*range(0, last, stride), last]


def _cut(image: CellImage | CellSource, place: tuple[int, ...], sizes: tuple[int, ...]) -> CellImage:
    *plane, row, col = place
    name = f"{image.name}_r{row}_c{col}"
    if isinstance(image, CellSource):
        height, width = (min(edge, length) for edge, length in zip(sizes, image.shape[1:], strict=True))
        return image.read(Window(row, col, height, width), name)
    if plane and sizes[0] < len(image.instances):
        name = f"{image.name}_z{plane[0]}_r{row}_c{col}"
    key = tuple(slice(start, start + edge) for start, edge in zip(place, sizes, strict=True))
    instances = np.ascontiguousarray(image.instances[key])
    ids = cast("list[int]", np.unique(instances).tolist())
    classes = {own: image.classes[own] for own in ids if own in image.classes}
    pixels = np.ascontiguousarray(image.pixels[:, *key])
    return CellImage(name=name, pixels=pixels, instances=instances, classes=classes, pixel_size_um=image.pixel_size_um)
