"""Which grid a raster is read on: its own, or one reached by a warp; what cannot be placed on the map is refused."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pyproj
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform_bounds

from geoseg.grid import Bounds, GeoGrid, crs_name, metres_per_unit
from geoseg.trust import GDAL_ERRORS
from segcore.errors import ConfigError, InputError

SAME_SIZE = 0.05
"""Pixel sizes that differ by less than this share count as equal."""
_WIDEST = 12.0
"""Degrees of longitude that one UTM grid may cover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the pixels of a file come onto the grid that is read."""

    grid: GeoGrid
    """What the caller sees."""
    resampling: str | None
    """Name of a rasterio Resampling, or None where pixels are read as they are stored."""
    notes: tuple[str, ...]
    """One line for each thing the user should know."""


def choose_reading(dataset: Any, path: str, pixel_size: float | None) -> Reading:
    """Decide how an open rasterio dataset is read; path is what the user called it.

    Degrees and projections whose metre is not a metre on the ground (such as Web Mercator) go to the local UTM zone.
    A pixel_size (metres) more than 5 % off the file's own is reached by averaging (coarser) or cubic (finer).

    Raises:
        InputError: no CRS, no place on the map, ground control points only, rotated, or too wide for one UTM zone.
        ConfigError: pixel_size is not positive.
    """
    if pixel_size is not None and not (math.isfinite(pixel_size) and pixel_size > 0):
        raise ConfigError(f"the pixel size is in metres and above 0, got {pixel_size:g}.")
    _require_georeference(dataset, path)
    name = PurePath(path).name
    native = GeoGrid(crs=dataset.crs, transform=dataset.transform, height=dataset.height, width=dataset.width)
    if dataset.crs.is_geographic:
        return _to_utm(native, name, pixel_size, "is in degrees")
    ground = _ground_size(native)
    if abs(ground / native.pixel_size - 1) > SAME_SIZE:
        return _to_utm(native, name, pixel_size, f"has pixels of {native.pixel_size:.3g} m on the map but {ground:.3g} m on the ground")
    return _in_own_crs(native, name, pixel_size)


def _in_own_crs(native: GeoGrid, name: str, pixel_size: float | None) -> Reading:
    """Read as stored, or on a north-up grid of square pixels that starts at the same corner."""
    own, unit = native.pixel_size, metres_per_unit(native.crs)
    a, e = native.transform.a, native.transform.e
    differs = pixel_size is not None and abs(pixel_size / own - 1) > SAME_SIZE
    size = pixel_size if pixel_size is not None and differs else own
    if not differs and abs(abs(a / e) - 1) <= SAME_SIZE:
        if a > 0 > e:
            return Reading(grid=native, resampling=None, notes=())
        return Reading(
            grid=_north_up(native, abs(a), abs(e)),
            resampling="nearest",
            notes=(f"{name} is stored upside down or mirrored; it is read north-up.",),
        )
    grid = _north_up(native, size / unit, size / unit)
    note = f"{name} has pixels of {abs(a) * unit:.4g} x {abs(e) * unit:.4g} m; it is read at {size:.4g} m."
    return Reading(grid=grid, resampling=_resampling(size, own), notes=(note,))


def _north_up(native: GeoGrid, step_x: float, step_y: float) -> GeoGrid:
    minx, miny, maxx, maxy = native.bounds
    height, width = (max(1, math.ceil(span / step - 1e-6)) for span, step in ((maxy - miny, step_y), (maxx - minx, step_x)))
    return GeoGrid(crs=native.crs, transform=Affine(step_x, 0.0, minx, 0.0, -step_y, maxy), height=height, width=width)


def _to_utm(native: GeoGrid, name: str, pixel_size: float | None, why: str) -> Reading:
    """A north-up grid in the local UTM zone, with the file's own pixel size on the ground unless another is asked for."""
    utm, own = local_utm(native, name), _ground_size(native)
    size = pixel_size if pixel_size is not None and abs(pixel_size / own - 1) > SAME_SIZE else own
    minx, miny, maxx, maxy = _bounds_in(utm, native, name)
    height, width = (max(1, math.ceil(span / size)) for span in (maxy - miny, maxx - minx))
    grid = GeoGrid(crs=utm, transform=Affine(size, 0.0, minx, 0.0, -size, maxy), height=height, width=width)
    note = f"{name} {why} ({crs_name(native.crs)}); it is read through a warp to {crs_name(utm)} at {size:.4g} m."
    return Reading(grid=grid, resampling=_resampling(size, own), notes=(note,))


def _bounds_in(crs: CRS, grid: GeoGrid, name: str) -> Bounds:
    try:
        minx, miny, maxx, maxy = transform_bounds(grid.crs, crs, *grid.bounds)
    except GDAL_ERRORS:
        raise InputError(
            f"a raster must lie on the Earth; {name} in {crs_name(grid.crs)} does not. Set its CRS with gdal_edit.py -a_srs."
        ) from None
    return minx, miny, maxx, maxy


def _resampling(size: float, own: float) -> str:
    return "average" if size > own * (1 + SAME_SIZE) else "cubic"


def local_utm(grid: GeoGrid, name: str) -> CRS:
    """The WGS 84 / UTM zone of a raster's centre.

    Raises:
        InputError: the raster lies outside lon/lat ranges, covers more than 12 degrees, or lies near a pole.
    """
    west, south, east, north = _bounds_in(CRS.from_epsg(4326), grid, name)
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise InputError(
            f"degrees are within +-180 and +-90; {name} in {crs_name(grid.crs)} spans {west:.6g} {south:.6g} {east:.6g} {north:.6g}. "
            "Set the CRS it was made in with gdal_edit.py -a_srs."
        )
    if east - west > _WIDEST or south < -80 or north > 84:
        raise InputError(
            f"one UTM grid covers {_WIDEST:g} degrees between 80 S and 84 N; {name} spans {west:.4g} {south:.4g} {east:.4g} {north:.4g}. "
            "Cut it with gdalwarp -te, or reproject it with gdalwarp -t_srs."
        )
    return utm_zone((west + east) / 2, (south + north) / 2)


def utm_zone(lon: float, lat: float) -> CRS:
    """The WGS 84 / UTM zone of a place in degrees."""
    return CRS.from_epsg((32600 if lat >= 0 else 32700) + int((lon + 180) // 6) % 60 + 1)


def _ground_size(grid: GeoGrid) -> float:
    """Edge in metres of a pixel at the raster's centre, measured on the ellipsoid."""
    crs = pyproj.CRS.from_wkt(grid.crs.to_wkt())
    geod, geodetic = crs.get_geod(), crs.geodetic_crs
    row, col, reach = grid.height / 2, grid.width / 2, min(50.0, grid.height / 2, grid.width / 2)
    (x0, y0), (x1, y1), (x2, y2) = grid.to_map([(row, col), (row, col + reach), (row + reach, col)])
    if geod is None or geodetic is None:
        return grid.pixel_size
    lon, lat = pyproj.Transformer.from_crs(crs, geodetic, always_xy=True).transform([x0, x1, x2], [y0, y1, y2])
    _, _, across = geod.inv(lon[0], lat[0], lon[1], lat[1])
    _, _, down = geod.inv(lon[0], lat[0], lon[2], lat[2])
    size = math.sqrt(across * down) / reach
    return size if math.isfinite(size) and size > 0 else grid.pixel_size


def _require_georeference(dataset: Any, path: str) -> None:
    name, file = PurePath(path).name, shlex.quote(path)
    out = shlex.quote(str(PurePath(path).with_name(f"{PurePath(path).stem}_utm.tif")))
    crs, transform = dataset.crs, dataset.transform
    placed = transform != Affine.identity()
    if not placed and (dataset.gcps[0] or dataset.rpcs):
        command = f"gdalwarp {_loose_options(dataset)} -r cubic {file} {out}"
        raise InputError(f"a raster needs a grid on the map; {name} has only {_loose_reference(dataset)}. Run: {command}")
    if not placed:
        raise InputError(
            f"a raster needs a place on the map; {name} has none. Run: gdal_edit.py -a_srs EPSG:CODE -a_ullr MINX MAXY MAXX MINY {file}"
        )
    if not crs or not (crs.is_projected or crs.is_geographic):
        degrees = all(abs(value) <= 180 for value in dataset.bounds)
        code = "EPSG:4326" if degrees else "EPSG:CODE"
        raise InputError(f"a raster needs a CRS; {name} has none. Run, with the CRS it was made in: gdal_edit.py -a_srs {code} {file}")
    drift = max(abs(transform.b) * dataset.height / abs(transform.a or 1), abs(transform.d) * dataset.width / abs(transform.e or 1))
    if drift > 0.01 or transform.a == 0 or transform.e == 0:
        code = crs.to_epsg()
        target = f"-t_srs EPSG:{code} " if code else ""
        raise InputError(
            f"the rows of a raster must run west to east; {name} is rotated or sheared. Run: gdalwarp {target}-r cubic {file} {out}"
        )


def _loose_reference(dataset: Any) -> str:
    points = dataset.gcps[0]
    return f"{len(points)} ground control points" if points else "a camera model (RPC)"


def _loose_options(dataset: Any) -> str:
    """What gdalwarp needs to make a grid of ground control points or a camera model."""
    points, crs = dataset.gcps
    if not points:
        return f"-rpc -t_srs {crs_name(utm_zone(dataset.rpcs.long_off, dataset.rpcs.lat_off))}"
    how = "-tps" if len(points) > 10 else "-order 1"
    if crs is None:
        return f"{how} -s_srs EPSG:CODE -t_srs EPSG:CODE"
    if crs.is_projected:
        return f"{how} -t_srs {crs_name(crs)}"
    lon, lat = (sum(getattr(point, axis) for point in points) / len(points) for axis in ("x", "y"))
    return f"{how} -t_srs {crs_name(utm_zone(lon, lat))}"
