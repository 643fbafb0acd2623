"""What a volume holds, counted, and what its kind is stated to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from cellseg.image import CellImage
from segcore.errors import ShapeError

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Ranges for volumes of the standard shape and pixel size; sizes are those of nuclei that no face cuts."""

    foreground_share: Range
    """Voxels of the class among all."""
    cells_per_slice: Range
    """Mean over the slices of a volume."""
    width_um: Range
    """Diameter of the disc as large as the largest slice of a nucleus; its 5th and 95th percentile lie within."""
    height_um: Range
    """From the lowest to the highest slice; the same."""
    volume_um3: Range
    """The same."""


_LARGE = Stated(
    foreground_share=(0.055, 0.10), cells_per_slice=(8.0, 14.0), width_um=(7.8, 13.0), height_um=(6.5, 11.5), volume_um3=(230.0, 800.0)
)
_SMALL = Stated(
    foreground_share=(0.011, 0.024), cells_per_slice=(6.5, 12.0), width_um=(3.5, 7.5), height_um=(3.2, 7.8), volume_um3=(25.0, 130.0)
)

STATED: Mapping[tuple[str, str], Stated] = MappingProxyType(
    {
        ("hl60", "hl60"): _LARGE,
        ("granulocyte", "granulocyte"): _SMALL,
        ("combined", "hl60"): replace(_LARGE, foreground_share=(0.035, 0.07), cells_per_slice=(5.0, 9.5)),
        ("combined", "granulocyte"): replace(_SMALL, foreground_share=(0.006, 0.017), cells_per_slice=(3.5, 8.0)),
    }
)
"""{(kind of volume, class): ranges}.

| kind | class | share of voxels | cells per slice | width | height |
|---|---|---|---|---|---|
| hl60 | hl60 | 5.5 to 10 % | 8 to 14 | 7.8 to 13 um = 62 to 104 px | 6.5 to 11.5 um = 32 to 58 slices |
| granulocyte | granulocyte | 1.1 to 2.4 % | 6.5 to 12 | 3.5 to 7.5 um = 28 to 60 px | 3.2 to 7.8 um = 16 to 39 slices |
| combined | hl60 | 3.5 to 7 % | 5 to 9.5 | as above | as above |
| combined | granulocyte | 0.6 to 1.7 % | 3.5 to 8 | as above | as above |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Counts of one class in one volume."""

    foreground_share: float
    """0..1."""
    cells: int
    cells_per_slice: float
    width_um: tuple[float, ...]
    """Of each nucleus that no face cuts."""
    height_um: tuple[float, ...]
    volume_um3: tuple[float, ...]


def census(image: CellImage, target: str | None = None) -> Census:
    """Count a class, or all objects, in a volume.

    Args:
        image: instances (D, H, W) with a pixel size.
        target: the class.

    Raises:
        ShapeError: not a volume, or without a pixel size.
    """
    if image.instances.ndim != 3 or image.pixel_size_um is None:
        raise ShapeError(f"a census needs a volume and its pixel size; {image.name} has shape {image.instances.shape}.")
    chosen = image.ids if target is None else image.ids_of(target)
    boxes = ndimage.find_objects(np.maximum(image.instances, 0))
    dz, dy, dx = image.pixel_size_um
    voxels, planes, sizes = 0, 0, []
    for own in chosen:
        box = boxes[own - 1]
        areas = (image.instances[box] == own).sum((1, 2))
        voxels += int(areas.sum())
        planes += int((areas > 0).sum())
        if all(part.start > 0 and part.stop < size for part, size in zip(box, image.instances.shape, strict=True)):
            sizes.append((2 * float(np.sqrt(areas.max() * dy * dx / np.pi)), len(areas) * dz, float(areas.sum() * dz * dy * dx)))
    width, height, volume = zip(*sizes, strict=True) if sizes else ((), (), ())
    return Census(
        foreground_share=voxels / image.instances.size,
        cells=len(chosen),
        cells_per_slice=planes / len(image.instances),
        width_um=width,
        height_um=height,
        volume_um3=volume,
    )
