"""The images of a dataset and where the target is, read when asked for; those used last are kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.dataset import Dataset, present
from cellseg.image import CELL, IGNORE, Classes, Instances
from cellseg.source import CellSource
from cellseg.store import open_stored, read_labels, read_pixels
from segcore.errors import InputError
from segcore.windows import Window

KEEP = 4 << 30
"""Bytes of images that stay in memory."""


@dataclass(frozen=True, slots=True, order=True)
class Plane:
    """A 2-D image to learn from: an image, or a plane of a volume."""

    name: str
    z: int
    """0 for an image."""
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Whole:
    """An image in memory."""

    pixels: NDArray[Any]
    """(C, D, H, W)."""
    target: NDArray[np.int8]
    """(D, H, W)."""

    @property
    def bytes(self) -> int:
        return self.pixels.nbytes + self.target.nbytes


class TargetImages:
    """Pixels and labels of one class: 1 = target, 0 = other, -1 = unknown. Volumes are planes here. Threads may share it."""

    def __init__(self, data: Dataset, target: str, *, labels: Dataset | None = None, keep: int = KEEP) -> None:
        """Labels come from another dataset where one is given; keep is in bytes. Nothing is read."""
        self.data, self.target, self.labels, self.keep = data, target, data if labels is None else labels, keep
        self._kept: OrderedDict[str, _Whole | CellSource] = OrderedDict()
        self._lock = Lock()

    def planes(self, name: str) -> list[Plane]:
        """The planes of an image.

        Raises:
            InputError: a file cannot be used, or labels are of another size.
        """
        found = self._get(name)
        if isinstance(found, CellSource):
            return [Plane(name, 0, *found.shape[1:])]
        depth, height, width = found.target.shape
        return [Plane(name, z, height, width) for z in range(depth)]

    def bytes_of(self, name: str) -> int:
        """Memory that an image takes while it is kept; little where it is read by windows."""
        return self._get(name).bytes

    def read(self, plane: Plane, window: Window) -> tuple[NDArray[Any], NDArray[np.int8]]:
        """Pixels (C, h, w) in the images' own type, and labels (h, w), of a window that lies inside the plane."""
        found = self._get(plane.name)
        if isinstance(found, CellSource):
            part = found.read(window)
            return part.pixels, _target_of(part.instances, part.classes, self.target)
        return found.pixels[:, plane.z, *window.slices], found.target[plane.z, *window.slices]

    def _get(self, name: str) -> _Whole | CellSource:
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
            found = self._open(name)
            self._kept[name] = found
            while len(self._kept) > 1 and sum(own.bytes for own in self._kept.values()) > self.keep:
                self._kept.popitem(last=False)
            return found

    def _open(self, name: str) -> _Whole | CellSource:
        image = self.data.files[name].image
        if image is None:
            raise InputError(f"a segmenter learns from images; {self.data.path} has labels alone. Pass the images, and these as --labels.")
        if "Z" not in self.data.axes and _bytes(image, self.data.axes) > self.keep // 4:
            return _joined(self.data.source(name), self.labels.source(name))
        pixels, _ = read_pixels(image, self.data.axes)
        instances = read_labels(self.labels.files[name].labels, self.labels.axes)
        _require_one_size(name, pixels.shape[1:], instances.shape)
        target = _target_of(instances, self.labels.classes_of(name, present(instances)), self.target)
        return _Whole(pixels=pixels if pixels.ndim == 4 else pixels[:, None], target=target if target.ndim == 3 else target[None])


def _joined(image: CellSource, labels: CellSource) -> CellSource:
    """The pixels of one and the labels of the other."""
    _require_one_size(image.name, image.shape[1:], labels.shape[1:])
    return replace(labels, pixels=image.pixels)


def _require_one_size(name: str, pixels: tuple[int, ...], labels: tuple[int, ...]) -> None:
    if pixels != labels:
        raise InputError(f"an image and its labels have one size; {name} has {pixels} and {labels}. Give labels of these images.")


def _target_of(instances: Instances, classes: Classes, target: str) -> NDArray[np.int8]:
    ids = [own for own in present(instances).tolist() if classes.get(own, CELL) == target]
    found = np.isin(instances, ids).astype(np.int8)
    found[instances == IGNORE] = IGNORE
    return found


def _bytes(path: Path, axes: str) -> int:
    """Of the pixels, unpacked; a PNG is read whole in any case."""
    if path.suffix.lower() == ".png":
        return 0
    stored = open_stored(path, axes)
    return int(np.prod([float(edge) for edge in stored.volume_shape])) * stored.dtype.itemsize
