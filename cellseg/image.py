"""One image or volume with its labelled objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ShapeError

IGNORE = -1
"""Instance id of pixels that count neither as an object nor as background."""
CELL = "cell"
"""Class of objects whose class nobody has said."""

Instances = NDArray[np.int32]
Classes = Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellImage:
    """An image, or a volume, and its objects. The arrays are shared, not copied: whoever changes one makes a new image.

    Raises:
        ShapeError: arrays of other shapes or kinds than stated, or ids below IGNORE.
    """

    name: str = "image"
    pixels: NDArray[Any]
    """(C, H, W) or (C, D, H, W), any real type."""
    instances: Instances
    """(H, W) or (D, H, W): 0 = background, 1, 2, ... = objects, IGNORE = unknown."""
    classes: Classes = field(default_factory=dict)
    """Class of each object; those left out are of class "cell"."""
    pixel_size_um: tuple[float, ...] | None = None
    """Edges of a pixel in micrometres, one number per axis of instances."""

    def __post_init__(self) -> None:
        if self.pixels.ndim not in (3, 4) or self.instances.shape != self.pixels.shape[1:] or 0 in self.instances.shape:
            raise ShapeError(
                f"an image is (C, H, W) or (C, D, H, W) and its instances are the same without C; {self.name} has "
                f"{self.pixels.shape} and {self.instances.shape}. For one channel write pixels[None]."
            )
        if self.instances.dtype != np.int32:
            raise ShapeError(f"instances are int32, got {self.instances.dtype} in {self.name}. Write instances.astype(np.int32).")
        if int(self.instances.min()) < IGNORE:
            raise ShapeError(f"instance ids are {IGNORE} (unknown), 0 (background) or above; {self.name} has {self.instances.min()}.")

    @property
    def ids(self) -> NDArray[np.int32]:
        """Ids of the objects, ascending."""
        found = np.unique(self.instances)
        return found[found > 0]

    def class_of(self, instance: int) -> str:
        """Class of an object."""
        return self.classes.get(int(instance), CELL)

    def ids_of(self, target: str) -> NDArray[np.int32]:
        """Ids of the objects of a class, ascending."""
        return np.array([own for own in self.ids if self.class_of(own) == target], dtype=np.int32)

    def mask(self, target: str | None = None) -> NDArray[np.bool_]:
        """Pixels of the objects of a class, or of all objects; the shape of instances."""
        return self.instances > 0 if target is None else np.isin(self.instances, self.ids_of(target))

    def with_labels(self, instances: Instances, classes: Classes | None = None) -> CellImage:
        """The same pixels with other labels; classes stay where none are given."""
        return replace(self, instances=instances, classes=self.classes if classes is None else classes)

    def slices(self) -> Iterator[CellImage]:
        """The planes of a volume as images named NAME_000, ...; an image yields itself."""
        if self.instances.ndim == 2:
            yield self
            return
        size = None if self.pixel_size_um is None else self.pixel_size_um[1:]
        for z in range(len(self.instances)):
            name = f"{self.name}_{z:03d}"
            yield replace(self, name=name, pixels=self.pixels[:, z], instances=self.instances[z], pixel_size_um=size)
