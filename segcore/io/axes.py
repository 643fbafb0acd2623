"""Which axis of a stored array is what; said by the file or by the caller, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcore.errors import InputError

ORDER = "CZYX"
"""The order in which arrays leave this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The axes of a stored array: one letter each, C, Z, Y, X once at most, "-" for an axis of length 1 that means nothing."""

    axes: str
    shape: tuple[int, ...]

    @property
    def czyx(self) -> tuple[int, int, int, int]:
        """Channels, depth, height, width; 1 where there is no such axis."""
        channels, depth, height, width = (self.shape[self.axes.index(letter)] if letter in self.axes else 1 for letter in ORDER)
        return channels, depth, height, width

    def key(self, **parts: slice | int) -> tuple[slice | int, ...]:
        """An index of the stored array that takes parts[letter] of each axis, and all of the axes not named."""
        return tuple(0 if letter == "-" else parts.get(letter, slice(None)) for letter in self.axes)

    def ordered(self, array: NDArray[Any]) -> NDArray[Any]:
        """What an index made of slices returned, as (C, Z, Y, X)."""
        kept = [letter for letter in self.axes if letter != "-"]
        array = np.transpose(array, [kept.index(letter) for letter in ORDER if letter in kept])
        return np.expand_dims(array, [place for place, letter in enumerate(ORDER) if letter not in kept])


def resolve(axes: str, shape: tuple[int, ...], *, given: str | None = None, name: str) -> Layout:
    """The layout of an array whose file names its axes, one letter each.

    Args:
        axes: letters as tifffile and OME write them; S are samples of a pixel, T is time, others than TCZYXS are unknown.
        shape: of the array.
        given: what the caller knows, such as "CYX" or "ZYX"; used in order for the axes that the file leaves unknown.
        name: what to call the file in messages.

    Raises:
        InputError: an axis longer than 1 is unknown, is time, or is there twice; or there is no image plane.
    """
    letters = ["-" if length == 1 and letter not in "YX" else letter for letter, length in zip(axes.upper(), shape, strict=True)]
    letters = ["C" if letter == "S" else letter for letter in letters]
    unknown = [place for place, letter in enumerate(letters) if letter not in "TCZYX-"]
    free = [letter for letter in given or "" if letter not in letters]
    if unknown and len(free) != len(unknown):
        said = f" and {given} does not settle it" if given else ""
        raise InputError(
            f"axes are never guessed; {name} is an array {shape} whose file does not say which is which{said}. "
            "Save it as OME-TIFF or OME-Zarr, or say the axes, as CYX, ZYX or CZYX."
        )
    for place, letter in zip(unknown, free, strict=False):
        letters[place] = letter
    if "T" in letters:
        raise InputError(f"an image has one point in time; {name} has {shape[letters.index('T')]}. Save each as a file of its own.")
    if any(letters.count(letter) > 1 for letter in ORDER) or letters.count("Y") + letters.count("X") != 2 or 0 in shape:
        raise InputError(f"an image has the axes Y and X, and C and Z at most once; {name} has {axes} {shape}. Save it in another way.")
    return Layout(axes="".join(letters), shape=tuple(shape))
