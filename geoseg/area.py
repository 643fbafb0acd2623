"""The part of a raster that a user wants worked on: --area FILE or --area minx,miny,maxx,maxy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform_geom

from geoseg.grid import GeoGrid, crs_name
from geoseg.trust import GDAL_ERRORS
from geoseg.vectors import rasterise, read_polygons
from segcore.errors import InputError
from segcore.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A part of a raster."""

    grid: GeoGrid
    """The raster's grid."""
    geometry: Any
    """shapely polygon or multipolygon in the CRS of grid."""
    window: Window
    """The smallest window inside the raster that holds the area."""

    def contains(self, windows: Sequence[Window]) -> NDArray[np.bool_]:
        """Which windows have ground in common with the area, (N,)."""
        boxes = [shapely.box(*self.grid.window_bounds(window)) for window in windows]
        shapely.prepare(self.geometry)
        shared = shapely.intersects(self.geometry, boxes) & ~shapely.touches(self.geometry, boxes)
        return np.asarray(shared, dtype=bool).reshape(len(boxes))

    def holds(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which map coordinates (N, 2) lie in the area, (N,)."""
        return np.asarray(shapely.contains_xy(self.geometry, xy[:, 0], xy[:, 1]), dtype=bool)

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Pixels (H, W) of a window whose centre lies in the area."""
        return rasterise([self.geometry], self.grid, window)


def read_area(area: str | Path, grid: GeoGrid, *, crs: CRS | None = None) -> Area:
    """An area from a layer of polygons, or from the text minx,miny,maxx,maxy.

    crs: what the four numbers mean, by default the CRS of grid; pass the file's own (RasterSource.native_crs) where a
    raster is read through a warp. A layer is reprojected by itself.

    Raises:
        InputError: neither a file nor four numbers, a box without size, or an area beside the raster.
    """
    numbers = _numbers(str(area))
    if numbers is None:
        geometry = shapely.union_all(read_polygons(area, grid.crs).geometry.to_numpy())
    else:
        geometry = _box(numbers, crs or grid.crs, grid.crs)
    window = grid.window_of_bounds(tuple(shapely.bounds(geometry).tolist()))
    if window is None or not shapely.intersects(geometry, shapely.box(*grid.bounds)):
        came = f"{area} covers {_text(shapely.bounds(geometry))}"
        raise InputError(f"an area must lie on the raster ({_text(grid.bounds)} in {crs_name(grid.crs)}); {came}. Check its order and CRS.")
    return Area(grid=grid, geometry=geometry, window=window)


def whole_area(grid: GeoGrid) -> Area:
    """The area of the whole raster."""
    return Area(grid=grid, geometry=shapely.box(*grid.bounds), window=grid.extent)


def _numbers(text: str) -> tuple[float, float, float, float] | None:
    """Four numbers, or None where the text is meant as a file name."""
    parts = text.split(",")
    if Path(text).is_file() or len(parts) == 1:
        return None
    try:
        minx, miny, maxx, maxy = (float(part) for part in parts)
    except ValueError:
        raise InputError(f"an area is a file or minx,miny,maxx,maxy; {text} is neither. Give four numbers parted by commas.") from None
    if not (all(map(math.isfinite, (minx, miny, maxx, maxy))) and minx < maxx and miny < maxy):
        raise InputError(f"an area minx,miny,maxx,maxy has minx < maxx and miny < maxy, got {text}. Put the smaller numbers first.")
    return minx, miny, maxx, maxy


def _box(numbers: tuple[float, float, float, float], source: CRS, target: CRS) -> Any:
    """The box as polygon in target; its edges are densified so that they stay where they were."""
    box = shapely.box(*numbers)
    if source == target:
        return box
    edge = max(numbers[2] - numbers[0], numbers[3] - numbers[1])
    try:
        return shapely.geometry.shape(transform_geom(source, target, shapely.geometry.mapping(shapely.segmentize(box, edge / 64))))
    except GDAL_ERRORS as error:
        raise InputError(
            f"an area must lie where {crs_name(target)} is defined; {_text(numbers)} does not ({error}). Check its CRS."
        ) from None


def _text(bounds: Sequence[float]) -> str:
    return ",".join(f"{value:.8g}" for value in bounds)
