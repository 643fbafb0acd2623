"""An image that is already an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ShapeError
from segcore.windows import Window


class MemoryImage:
    """An array (C, H, W) or (H, W) as ImageSource and ImageSink."""

    def __init__(self, array: NDArray[Any], valid: NDArray[np.bool_] | None = None, *, name: str = "array") -> None:
        """valid (H, W): pixels that hold data; by default all of them.

        Raises:
            ShapeError: array is not 2- or 3-dimensional, or valid has another height and width.
        """
        if array.ndim not in (2, 3):
            raise ShapeError(f"an image is (C, H, W) or (H, W), got shape {array.shape}.")
        self.array = array if array.ndim == 3 else array[None]
        self.valid = np.ones(self.array.shape[1:], dtype=bool) if valid is None else np.asarray(valid, dtype=bool)
        if self.valid.shape != self.array.shape[1:]:
            raise ShapeError(f"the mask must be {self.array.shape[1:]} like the image, got {self.valid.shape}.")
        self.name = name

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.array.shape
        return channels, height, width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type of the array."""
        return self.array.dtype

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels (C, height, width); 0 where the window overhangs the image."""
        return _cut(self.array, window)

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Valid pixels (height, width); False where the window overhangs the image."""
        inside: NDArray[np.bool_] = _cut(self.valid[None], window)[0]
        return inside

    def write(self, window: Window, array: NDArray[Any]) -> None:
        """Write array (C, height, width) at a window that lies inside the image."""
        self.array[:, *window.slices] = array


def _cut(array: NDArray[Any], window: Window) -> NDArray[Any]:
    out = np.zeros((len(array), window.height, window.width), dtype=array.dtype)
    common = window.overlap(Window(0, 0, *array.shape[1:]))
    if common is not None:
        out[:, *common.shift(-window.row, -window.col).slices] = array[:, *common.slices]
    return out
