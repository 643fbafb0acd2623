"""Where the pixels of a raster lie on the ground: pixel <-> map conversions, no pixel touched."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from rasterio.crs import CRS

from segcore.errors import InputError
from segcore.windows import Window

Bounds = tuple[float, float, float, float]
"""(minx, miny, maxx, maxy) in map units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoGrid:
    """The pixel grid of a raster on the map.

    Pixel coordinates are (row, col) with (0, 0) at the outer corner of the first pixel, so that the centre of that
    pixel is (0.5, 0.5). Map coordinates are (x, y) in the units of crs.
    """

    crs: CRS
    """Coordinate reference system of the map."""
    transform: Affine
    """From (col, row) to (x, y)."""
    height: int
    """Rows."""
    width: int
    """Columns."""

    @property
    def pixel_size(self) -> float:
        """Edge of a pixel in metres; the geometric mean where pixels are not square.

        Raises:
            InputError: the CRS counts in degrees.
        """
        return math.sqrt(abs(self.transform.determinant)) * metres_per_unit(self.crs)

    @property
    def extent(self) -> Window:
        """The window of the whole raster."""
        return Window(0, 0, self.height, self.width)

    @property
    def bounds(self) -> Bounds:
        """(minx, miny, maxx, maxy) of the whole raster."""
        return self.window_bounds(self.extent)

    def to_pixels(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Map coordinates (N, 2) as x, y -> pixel coordinates (N, 2) as row, col."""
        return _apply(~self.transform, xy)[:, ::-1]

    def to_map(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Pixel coordinates (N, 2) as row, col -> map coordinates (N, 2) as x, y."""
        return _apply(self.transform, np.asarray(pixels, dtype=np.float64).reshape(-1, 2)[:, ::-1])

    def contains(self, xy: ArrayLike) -> NDArray[np.bool_]:
        """Which map coordinates (N, 2) fall on a pixel of the raster; (N,)."""
        rows, cols = self.to_pixels(xy).T
        return np.asarray((rows >= 0) & (rows < self.height) & (cols >= 0) & (cols < self.width))

    def window_transform(self, window: Window) -> Affine:
        """The transform of the pixels of one window."""
        ((x, y),) = self.to_map([(window.row, window.col)])
        a, b, _, d, e, _ = self.transform[:6]
        return Affine(a, b, float(x), d, e, float(y))

    def window_bounds(self, window: Window) -> Bounds:
        """(minx, miny, maxx, maxy) of a window, which may overhang the raster."""
        bottom, right = window.row + window.height, window.col + window.width
        corners = self.to_map([(window.row, window.col), (window.row, right), (bottom, window.col), (bottom, right)])
        (minx, miny), (maxx, maxy) = corners.min(axis=0), corners.max(axis=0)
        return float(minx), float(miny), float(maxx), float(maxy)

    def window_of_bounds(self, bounds: Bounds) -> Window | None:
        """The smallest window inside the raster that covers bounds; None where the two share no pixel."""
        minx, miny, maxx, maxy = bounds
        pixels = self.to_pixels([(minx, miny), (minx, maxy), (maxx, miny), (maxx, maxy)])
        limit = np.array([self.height, self.width])
        first = np.clip(np.floor(pixels.min(axis=0) + 1e-6), 0, limit).astype(int)
        last = np.clip(np.ceil(pixels.max(axis=0) - 1e-6), 0, limit).astype(int)
        (row, col), (height, width) = first.tolist(), (last - first).tolist()
        return Window(row, col, height, width) if height > 0 and width > 0 else None


def metres_per_unit(crs: CRS) -> float:
    """Metres in one unit of a projected CRS (1 for UTM, 0.3048 for feet).

    Raises:
        InputError: the CRS counts in degrees, or has no known unit.
    """
    if not crs.is_projected:
        raise InputError(f"lengths in metres need a projected CRS; {crs_name(crs)} is none. Reproject to UTM first.")
    return float(crs.linear_units_factor[1])


def crs_name(crs: CRS) -> str:
    """EPSG:n where the CRS has such a code, else its name."""
    code = crs.to_epsg()
    if code is not None:
        return f"EPSG:{code}"
    wkt = str(crs.to_wkt())
    return wkt.split('"')[1] if '"' in wkt else wkt


def _apply(transform: Affine, points: ArrayLike) -> NDArray[np.float64]:
    first, second = np.asarray(points, dtype=np.float64).reshape(-1, 2).T
    a, b, c, d, e, f = transform[:6]
    return np.column_stack([a * first + b * second + c, d * first + e * second + f])
