"""An image of which only a part may be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcore.io.protocol import ImageSource
from segcore.windows import Window


class ClippedImage:
    """A source whose pixels count as missing, and read as 0, wherever `inside` says so."""

    def __init__(self, source: ImageSource, inside: Callable[[Window], NDArray[np.bool_]]) -> None:
        """inside: window -> (height, width), True where the source may be seen."""
        self.source = source
        self.inside = inside

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.source.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the whole source."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type of the source."""
        return self.source.dtype

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels (C, height, width); 0 outside."""
        return np.where(self.inside(window), self.source.read(window), 0).astype(self.dtype)

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Valid pixels (height, width); False outside."""
        inside = self.inside(window)
        return self.source.mask(window) & inside if inside.any() else inside
