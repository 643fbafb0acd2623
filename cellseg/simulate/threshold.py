"""The best that one grey value can do: the baseline that a segmentation has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from cellseg.image import IGNORE, CellImage
from segcore.errors import ShapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A grey value, and the Dice of all pixels from it on."""

    value: int
    dice: float
    """0..1; nan where there is no target."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GreyCounts:
    """How often each grey value occurs; counts of several images add up."""

    inside: NDArray[np.int64]
    """(65536,) pixels of the target."""
    outside: NDArray[np.int64]
    """(65536,) all others but those to be ignored."""

    def __add__(self, other: GreyCounts) -> GreyCounts:
        return GreyCounts(inside=self.inside + other.inside, outside=self.outside + other.outside)

    def best(self) -> Threshold:
        """The threshold of the largest Dice, over all grey values; the lowest of equals."""
        if not self.inside.any():
            return Threshold(value=0, dice=nan)
        hits, misses = _from_here_on(self.inside), _from_here_on(self.outside)
        dice = 2 * hits / (hits + misses + self.inside.sum())
        value = int(dice.argmax())
        return Threshold(value=value, dice=float(dice[value]))


def count_greys(image: CellImage, target: str | None = None) -> GreyCounts:
    """Count the grey values of an image or volume of one channel.

    Args:
        image: pixels (1, ...) uint8 or uint16.
        target: the class that is sought, all others count as background; by default all objects are sought.

    Raises:
        ShapeError: several channels or other values.
    """
    if len(image.pixels) != 1 or image.pixels.dtype not in (np.uint8, np.uint16):
        raise ShapeError(
            f"a threshold needs one channel of uint8 or uint16; {image.name} has {len(image.pixels)} of {image.pixels.dtype}. "
            "Choose a channel, pixels[:1]."
        )
    wanted = np.zeros(max(int(image.instances.max()), 0) + 1, dtype=bool)
    wanted[image.ids if target is None else image.ids_of(target)] = True
    inside, outside = np.zeros((2, 65536), dtype=np.int64)
    for grey, ids in zip(_planes(image.pixels[0]), _planes(image.instances), strict=True):
        chosen = wanted[np.maximum(ids, 0)]
        inside += np.bincount(grey[chosen], minlength=65536)
        outside += np.bincount(grey[~chosen & (ids != IGNORE)], minlength=65536)
    return GreyCounts(inside=inside, outside=outside)


def _planes(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return values[None] if values.ndim == 2 else values


def _from_here_on(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(counts[::-1].cumsum()[::-1])
