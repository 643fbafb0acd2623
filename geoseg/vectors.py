"""Points and outlines, in the CRS of a raster. Of a point layer nothing is kept but places, an id and a label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import pyproj
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize

from geoseg.grid import GeoGrid
from geoseg.layers import name_crs, parse_crs, read_layer
from segcore.errors import InputError
from segcore.windows import Window

_ID_COLUMNS = ("id", "fid", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Places of known sites that lie on a raster."""

    ids: tuple[str, ...]
    """One for each point, unique: the id column, else p0001... by the place in the file."""
    xy: NDArray[np.float64]
    """(N, 2) map coordinates in crs."""
    crs: pyproj.CRS
    """The raster's CRS; that of the file where no raster was given."""
    labels: tuple[str, ...] | None
    """The label column as text ("" where empty), or None where none was asked for."""
    notes: tuple[str, ...]
    """One line for each thing the user should know."""
    outside: int
    """How many points of the file lie outside the raster; they are left out."""

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, kept: NDArray[np.bool_]) -> Points:
        """The points where kept (N,) is True."""
        places = np.flatnonzero(kept)
        labels = None if self.labels is None else tuple(self.labels[i] for i in places)
        return replace(self, ids=tuple(self.ids[i] for i in places), xy=self.xy[places], labels=labels)


def read_points(path: Path | str, grid: GeoGrid | None, *, crs: str | None = None, label: str | None = None, prefer: str = "") -> Points:
    """Read site points: any layer GDAL reads, KML, GeoParquet, or a table with lon/lat or x/y columns.

    crs: what the coordinates mean, for files that do not say it (or say it wrongly). label: a column to keep. prefer:
    which layer is read where the file has several.

    Raises:
        InputError: see read_layer; or several points in one feature, no such label column, none on the raster.
        ConfigError: crs is no CRS.
    """
    layer = read_layer(path, "points", [*_ID_COLUMNS, *([] if label is None else [label])], crs=crs, prefer=prefer)
    name, frame = Path(path).name, layer.frame
    own = _coordinates(name, frame)
    first = np.sort(np.unique(own, axis=0, return_index=True)[1])
    target = layer.crs if grid is None else pyproj.CRS.from_wkt(grid.crs.to_wkt())
    xy, notes = _onto(own[first], layer.crs, target, name)
    inside = (
        np.ones(len(xy), dtype=bool)
        if grid is None
        else np.isfinite(xy).all(axis=1) & grid.contains(np.nan_to_num(xy, posinf=-1e30, neginf=-1e30))
    )
    if grid is not None and not inside.any():
        raise _none_inside(name, own[first], xy, layer.crs, target, grid)
    if len(first) < len(own):
        notes = (*notes, f"{len(own) - len(first)} of {len(own)} points of {name} repeat another; each place is kept once.")
    if not inside.all():
        notes = (*notes, f"{int((~inside).sum())} of {len(first)} points of {name} lie outside the raster.")
    unique = frame.iloc[first]
    ids, more = _ids(name, unique)
    labels = None if label is None else _labels(name, unique, label)
    kept = np.flatnonzero(inside)
    return Points(
        ids=tuple(ids[i] for i in kept),
        xy=xy[kept],
        crs=target,
        labels=None if labels is None else tuple(labels[i] for i in kept),
        notes=(*layer.notes, *notes, *more),
        outside=int((~inside).sum()),
    )


def read_polygons(path: Path | str, crs: Any, *, columns: Sequence[str] = ("id",), layer: str | None = None) -> geopandas.GeoDataFrame:
    """Read outlines into crs (anything pyproj takes, or a rasterio CRS) as valid polygons and multipolygons.

    The columns named (any case) are kept under these names where the file has them, all others are dropped.

    Raises:
        InputError: see read_layer; or no outline has an area.
        ConfigError: crs is no CRS.
    """
    found = read_layer(path, "polygons", columns, layer=layer)
    target = pyproj.CRS.from_wkt(crs.to_wkt()) if hasattr(crs, "to_wkt") else parse_crs(crs)
    frame = found.frame.to_crs(target)
    shapes = shapely.make_valid(shapely.force_2d(frame.geometry.to_numpy()), method="structure", keep_collapsed=False)
    solid = ~shapely.is_empty(shapes) & np.isfinite(shapely.bounds(shapes)).all(axis=1)
    if not solid.any():
        raise InputError(f"outlines need an area; {Path(path).name} has only empty ones. Check the layer in QGIS.")
    lower = {str(column).lower(): column for column in frame.columns if column != frame.geometry.name}
    kept = {column: frame[lower[column.lower()]][solid] for column in columns if column.lower() in lower}
    return geopandas.GeoDataFrame(kept, geometry=shapes[solid], crs=target).reset_index(drop=True)


def rasterise(geometries: Iterable[Any], grid: GeoGrid, window: Window) -> NDArray[np.bool_]:
    """Pixels (H, W) of a window whose centre lies in one of the geometries (shapely, in the CRS of grid)."""
    return rasterise_ids(geometries, grid, window) > 0


def rasterise_ids(geometries: Iterable[Any], grid: GeoGrid, window: Window) -> NDArray[np.int32]:
    """Like rasterise, but each pixel (H, W) holds 1 + the number of its geometry, 0 for none; the last one wins."""
    shapes = np.asarray(list(geometries), dtype=object)
    near = np.flatnonzero(shapely.intersects(shapes, shapely.box(*grid.window_bounds(window))) & ~shapely.is_empty(shapes))
    if len(near) == 0:
        return np.zeros((window.height, window.width), dtype=np.int32)
    return np.asarray(
        rasterize(
            [(shapes[i], int(i) + 1) for i in near],
            out_shape=(window.height, window.width),
            transform=grid.window_transform(window),
            fill=0,
            all_touched=False,
            dtype="int32",
        )
    )


def _coordinates(name: str, frame: geopandas.GeoDataFrame) -> NDArray[np.float64]:
    """(N, 2) as x, y; a MultiPoint stands for its single member."""
    shapes = frame.geometry.to_numpy()
    several = int((shapely.get_num_geometries(shapes) > 1).sum())
    if several:
        raise InputError(f"one feature is one point; {several} of {name} hold several. Split them (QGIS: Multipart to singleparts).")
    return np.asarray(shapely.get_coordinates(shapes), dtype=np.float64)


def _onto(xy: NDArray[np.float64], source: pyproj.CRS, target: pyproj.CRS, name: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    if source.equals(target, ignore_axis_order=True):
        return xy, ()
    moved = pyproj.Transformer.from_crs(source, target, always_xy=True).transform(xy[:, 0], xy[:, 1])
    return np.column_stack(moved), (f"{name} is reprojected from {name_crs(source)} to {name_crs(target)}.",)


def _none_inside(
    name: str, own: NDArray[np.float64], xy: NDArray[np.float64], source: pyproj.CRS, target: pyproj.CRS, grid: GeoGrid
) -> InputError:
    """The message for points that all miss the raster; says where they are, and whether x and y are swapped."""
    swapped, _ = _onto(own[:, ::-1], source, target, name)
    finite = swapped[np.isfinite(swapped).all(axis=1)]
    hint = "Check the CRS of both."
    if len(finite) and grid.contains(finite).any():
        hint = f"With x and y swapped {int(grid.contains(finite).sum())} would: swap the columns."
    seen = xy[np.isfinite(xy).all(axis=1)]
    span = f"at {_span(seen)}" if len(seen) else "nowhere in its CRS"
    minx, miny, maxx, maxy = grid.bounds
    raster = _span(np.array([[minx, miny], [maxx, maxy]]))
    return InputError(f"points must lie on the raster ({raster}, {name_crs(target)}); all {len(own)} of {name} are {span}. {hint}")


def _span(xy: NDArray[np.float64]) -> str:
    (minx, miny), (maxx, maxy) = xy.min(axis=0), xy.max(axis=0)
    return f"x {minx:.8g} to {maxx:.8g}, y {miny:.8g} to {maxy:.8g}"


def _ids(name: str, frame: geopandas.GeoDataFrame) -> tuple[list[str], tuple[str, ...]]:
    """Texts of the first id column whose values are all there and unlike each other, else p0001... by row."""
    lower = {str(column).lower(): column for column in frame.columns if column != frame.geometry.name}
    seen = [column for column in _ID_COLUMNS if column in lower]
    for column in seen:
        texts = _texts(frame[lower[column]])
        if all(texts) and len(set(texts)) == len(texts):
            return texts, ()
    numbered = [f"p{int(row) + 1:04d}" for row in frame.index]
    return numbered, (f"the column {lower[seen[0]]} of {name} is not unique; points are called p0001...",) if seen else ()


def _labels(name: str, frame: geopandas.GeoDataFrame, label: str) -> list[str]:
    column = next((column for column in frame.columns if str(column).lower() == label.lower() and column != frame.geometry.name), None)
    if column is None:
        raise InputError(f"the label must be a column of the points; {name} has no {label}. Check its name in QGIS.")
    return _texts(frame[column])


def _texts(column: pandas.Series) -> list[str]:
    """Values as text; 1000.0 becomes 1000, missing becomes ""."""
    return [
        "" if pandas.isna(value) else f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value).strip()
        for value in column
    ]
