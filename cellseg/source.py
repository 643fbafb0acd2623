"""One image of a dataset that is read window by window, for images that memory has no room for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellseg.image import CellImage
from cellseg.store import decode_labels, one_label, open_stored, read_labels, read_pixels
from segcore.errors import InputError
from segcore.io.memory import MemoryImage
from segcore.io.protocol import ImageSource
from segcore.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellSource:
    """An image and its objects, not in memory. Objects are known window by window: their list would need a full read."""

    name: str
    pixels: ImageSource
    labels: ImageSource
    """One channel, ids as they are stored."""
    classes: Mapping[int, str] = field(default_factory=dict)
    """As in CellImage, of the whole image."""
    only_class: str | None = None
    """The class of all objects, where there is one."""
    pixel_size_um: tuple[float, ...] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.pixels.shape

    @property
    def bytes(self) -> int:
        """Memory that it takes while it is open: of files that cannot be read in parts, such as PNG."""
        whole = [own for own in (self.pixels, self.labels) if isinstance(own, MemoryImage)]
        return sum(own.array.nbytes + own.valid.nbytes for own in whole)

    def read(self, window: Window, name: str | None = None) -> CellImage:
        """A window that lies inside the image, as an image of its own; ids stay, classes are those of the objects in it.

        Raises:
            InputError: a file is damaged.
        """
        instances = decode_labels(self.labels.read(window)[0], self.name)
        ids = [int(own) for own in np.unique(instances) if own > 0]
        classes = {own: self.only_class or self.classes[own] for own in ids if self.only_class or own in self.classes}
        pixels = self.pixels.read(window)
        return CellImage(name=name or self.name, pixels=pixels, instances=instances, classes=classes, pixel_size_um=self.pixel_size_um)


def open_source(
    name: str,
    image: Path | None,
    labels: Path,
    *,
    axes: str,
    classes: Mapping[int, str] | None = None,
    only_class: str | None = None,
    pixel_size_um: tuple[float, ...] | None = None,
) -> CellSource:
    """Open the files of an image; PNG files are read whole, TIFF and OME-Zarr not at all. Without an image, pixels are 0.

    Raises:
        InputError: a file is missing or damaged, has other axes, or the sizes differ; or it is a volume.
        MissingExtraError: zarr is needed and not installed.
    """
    if "Z" in axes:
        raise InputError(f"volumes are read whole; {name} has the axes {axes}. Take it from the dataset by its name.")
    ids = _labels(labels, axes)
    pixels, size = (_Blank(labels=ids), None) if image is None else _pixels(image, axes)
    if ids.shape != (1, *pixels.shape[1:]):
        raise InputError(f"an image and its labels have one size, and labels one channel; {name} has {pixels.shape} and {ids.shape}.")
    size = size or pixel_size_um
    return CellSource(name=name, pixels=pixels, labels=ids, classes=classes or {}, only_class=only_class, pixel_size_um=size)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Blank:
    """An image of zeros, as large as its labels."""

    labels: ImageSource

    @property
    def name(self) -> str:
        return self.labels.name

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.labels.shape

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        return np.dtype(np.uint8)

    def read(self, window: Window) -> NDArray[np.uint8]:
        return np.zeros((1, window.height, window.width), dtype=np.uint8)

    def mask(self, window: Window) -> NDArray[np.bool_]:
        return self.labels.mask(window)


def _pixels(path: Path, axes: str) -> tuple[ImageSource, tuple[float, ...] | None]:
    if path.suffix.lower() == ".png":
        return MemoryImage(read_pixels(path, axes)[0], name=path.stem), None
    stored = open_stored(path, axes)
    channels, depth, _, _ = stored.volume_shape
    if depth > 1 or ("C" not in axes and channels > 1):
        raise InputError(f"images of this dataset have the axes {axes}; {path} has {stored.volume_shape} of CZYX. Write other axes.")
    size = stored.pixel_size_um
    return stored, None if size is None else size[-2:]


def _labels(path: Path, axes: str) -> ImageSource:
    if path.suffix.lower() == ".png":
        return MemoryImage(read_labels(path, axes))
    if path.suffix.lower() == ".zarr":
        from segcore.io.zarr import label_names, open_zarr

        return open_zarr(path, label=one_label(path, label_names(path)))
    return open_stored(path, axes.removeprefix("C"))
