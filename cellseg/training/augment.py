"""An image and its labels changed together: mirrored, turned, bent, and stained otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, zoom

from cellseg.training.stain import jitter_stain
from segcore.errors import ConfigError

NODES = 4
"""Random displacements along an edge of a patch; between them they change smoothly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What may happen to a patch each time it is seen.

    Raises:
        ConfigError: a strength or share outside its range.
    """

    turn: bool = True
    """One of the eight ways to lay a square: mirrored or not, by quarter turns; mirrored and turned is transposed."""
    elastic: float = 0.03
    """Typical length of a random displacement, as a share of the patch; 0 is off (Simard et al. 2003)."""
    elastic_share: float = 0.5
    """Share of the patches that are bent."""
    stain: float = 0.05
    """Strength of stain jitter, for RGB images of 8 bits alone; 0 is off (Tellez et al. 2018)."""

    def __post_init__(self) -> None:
        if not 0 <= self.elastic <= 0.2:
            raise ConfigError(f"elastic is a share of the patch, 0 <= elastic <= 0.2, got {self.elastic:g}.")
        if not 0 <= self.elastic_share <= 1:
            raise ConfigError(f"elastic_share is a share of the patches, 0 <= elastic_share <= 1, got {self.elastic_share:g}.")
        if not 0 <= self.stain <= 0.5:
            raise ConfigError(f"stain is a strength, 0 <= stain <= 0.5, got {self.stain:g}.")


def augment(
    pixels: NDArray[Any], target: NDArray[np.int8], how: Augmentation, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.int8]]:
    """Change a patch and its labels by one draw; the same generator gives the same change.

    Args:
        pixels: (C, h, w), any real type; where they are bent or stained they come back as float32 of the same range.
        target: (h, w), labels; no label appears that was not there.
        how: what may happen. Patches that are not square are mirrored and turned by half.
        rng: the chance.
    """
    stained = how.stain > 0 and pixels.dtype == np.uint8 and len(pixels) == 3
    if how.turn:
        lay = int(rng.integers(8))
        pixels, target = _laid(pixels, lay), _laid(target[None], lay)[0]
    if how.elastic > 0 and rng.random() < how.elastic_share:
        pixels, target = _bent(pixels, target, how.elastic, rng)
    if stained:
        pixels = jitter_stain(pixels, how.stain, rng)
    return np.ascontiguousarray(pixels), np.ascontiguousarray(target)


def _laid(array: NDArray[Any], lay: int) -> NDArray[Any]:
    """(C, h, w) in one of the eight ways to lay a square; half turns only where it is none."""
    mirrored = array[:, ::-1] if lay >= 4 else array
    return np.rot90(mirrored, lay if array.shape[1] == array.shape[2] else 2 * lay, axes=(1, 2))


def _bent(
    pixels: NDArray[Any], target: NDArray[np.int8], strength: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Both moved by one smooth field; beyond the rim the patch is mirrored. Labels are those of the nearest pixel."""
    height, width = target.shape
    nodes = rng.normal(size=(2, NODES, NODES)) * strength * np.array([height, width])[:, None, None]
    field = np.stack([zoom(way, (height / NODES, width / NODES), order=3, mode="nearest", grid_mode=True) for way in nodes])
    places = np.indices((height, width), dtype=np.float32) + field.astype(np.float32)
    bent = np.stack([map_coordinates(band, places, order=1, mode="reflect") for band in pixels.astype(np.float32)])
    return bent, map_coordinates(target, places, order=0, mode="reflect")
