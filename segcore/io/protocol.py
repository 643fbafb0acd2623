"""The seam to any image: what the engine reads from and writes to."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segcore.windows import Window


class ImageSource(Protocol):
    """An image of any size that is read window by window. Axis order is (C, H, W)."""

    @property
    def name(self) -> str:
        """What to call the image in messages and ids."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type of what read returns."""
        ...

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels (C, height, width); 0 where the window overhangs the image."""
        ...

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Valid pixels (height, width); False for nodata and where the window overhangs the image."""
        ...


class ImageSink(Protocol):
    """An image that is written window by window."""

    def write(self, window: Window, array: NDArray[Any]) -> None:
        """Write array (C, height, width) at a window that lies inside the image."""
        ...
