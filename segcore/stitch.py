"""Blended joining of window results: a weighted mean whose weights fall towards the window's rim."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ShapeError
from segcore.windows import Window


def taper(height: int, width: int) -> NDArray[np.float32]:
    """Blend weights (height, width) in (0, 1]: a raised cosine that never reaches 0, so every pixel counts."""
    rows, cols = (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in (height, width))
    return np.maximum(np.outer(rows, cols), 1e-3).astype(np.float32)


class Stitcher:
    """Mean of overlapping window maps over one region of an image.

    Sums are float64, so a constant comes back as that constant to 1e-6 of it on every covered pixel. A pixel's mean
    depends on the windows that cover it and on their order, not on the region.
    """

    def __init__(self, channels: int, region: Window) -> None:
        """region: the rectangle to fill, in image pixels; memory is 8 * (channels + 1) bytes a pixel."""
        self.region = region
        self._sum = np.zeros((channels, region.height, region.width))
        self._weight = np.zeros((region.height, region.width))

    def add(self, window: Window, values: NDArray[np.floating] | None) -> None:
        """Blend in values (channels, height, width) of one window; None stands for zeros.

        Raises:
            ShapeError: values do not fit the window.
        """
        if values is not None and values.shape != (len(self._sum), window.height, window.width):
            raise ShapeError(f"window maps must be {(len(self._sum), window.height, window.width)}, got {values.shape}.")
        common = window.overlap(self.region)
        if common is None:
            return
        inside = common.shift(-window.row, -window.col).slices
        here = common.shift(-self.region.row, -self.region.col).slices
        weight = taper(window.height, window.width)[inside]
        self._weight[here] += weight
        if values is not None:
            self._sum[:, *here] += weight * values[:, *inside]

    def result(self) -> NDArray[np.float32]:
        """The blended maps (channels, H, W) of the region; 0 where no window came."""
        return (self._sum / np.maximum(self._weight, 1e-12)).astype(np.float32)
