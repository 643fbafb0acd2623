"""An image in a file or folder, read window by window through its layout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ConfigError, InputError
from segcore.io.axes import Layout
from segcore.windows import Window

MOST_BYTES = 8 << 30
"""An array larger than this is not read at once."""


class Indexable(Protocol):
    """A stored array: a memory map, a Zarr array, the segments of a TIFF."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type."""
        ...

    def __getitem__(self, key: tuple[slice | int, ...], /) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredImage:
    """An image or a volume on disk. As ImageSource it is one plane, (C, H, W)."""

    name: str
    array: Indexable
    layout: Layout
    pixel_size_um: tuple[float, ...] | None = None
    """(Z,) Y, X edges of a pixel in micrometres, Z only where the file says it; None where it says nothing."""
    z: int | None = None
    """The plane that read gives; needed where there are several."""

    @property
    def volume_shape(self) -> tuple[int, int, int, int]:
        """(C, D, H, W); D = 1 for a plane."""
        return self.layout.czyx

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a plane."""
        channels, _, height, width = self.layout.czyx
        return channels, height, width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type, in the byte order of this machine."""
        return self.array.dtype.newbyteorder("=")

    def plane(self, z: int) -> StoredImage:
        """The same image, seen at another plane.

        Raises:
            ConfigError: there is no such plane.
        """
        if not 0 <= z < self.layout.czyx[1]:
            raise ConfigError(f"{self.name} has planes 0 to {self.layout.czyx[1] - 1}, got {z}.")
        return replace(self, z=z)

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels (C, height, width); 0 where the window overhangs the image.

        Raises:
            ConfigError: it is a volume and no plane was chosen.
            InputError: the file is damaged.
        """
        channels, depth, height, width = self.layout.czyx
        if depth > 1 and self.z is None:
            raise ConfigError(f"{self.name} is a volume of {depth} planes; choose one with .plane(z).")
        out = np.zeros((channels, window.height, window.width), dtype=self.dtype)
        common = window.overlap(Window(0, 0, height, width))
        if common is not None:
            z = self.z or 0
            out[:, *common.shift(-window.row, -window.col).slices] = self._part(slice(z, z + 1), *common.slices)[:, 0]
        return out

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Valid pixels (height, width); False where the window overhangs the image."""
        out = np.zeros((window.height, window.width), dtype=bool)
        common = window.overlap(Window(0, 0, *self.shape[1:]))
        if common is not None:
            out[common.shift(-window.row, -window.col).slices] = True
        return out

    def read_all(self) -> NDArray[Any]:
        """The whole array (C, D, H, W), D = 1 for a plane.

        Raises:
            InputError: it is larger than MOST_BYTES, or the file is damaged.
        """
        size = int(np.prod([float(edge) for edge in self.layout.czyx])) * self.dtype.itemsize
        if size > MOST_BYTES:
            raise InputError(
                f"an image is read at once up to {MOST_BYTES >> 30} GB; {self.name} {self.layout.czyx} has {size / 2**30:.1f}. "
                "Read it by windows, or cut it into patches."
            )
        return np.ascontiguousarray(self._part(slice(None), slice(None), slice(None)), dtype=self.dtype)

    def _part(self, z: slice, rows: slice, cols: slice) -> NDArray[Any]:
        try:
            found = np.asarray(self.array[self.layout.key(Z=z, Y=rows, X=cols)])
        except InputError:
            raise
        except Exception as error:  # decoders raise anything on damaged files
            raise InputError(f"{self.name} is damaged, a part of it cannot be read ({type(error).__name__}: {error}).") from error
        return self.layout.ordered(found)
