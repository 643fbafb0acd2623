"""Sizes and shapes of polygons in metres of ground, whatever the map they were drawn on.

Every polygon is measured on a map of its own: the normal cylindrical equal-area projection of the ellipsoid, true to
scale at the polygon's middle latitude (Snyder 1987, Map Projections: A Working Manual, eq. 3-12 and 10-13 to 10-15).
Areas are exact at any size; lengths and angles are those of the ground to 0.01 % for a polygon of 1 km at middle
latitudes, however long the strip; and up is true north, not grid north. One projection for the whole layer would do
none of the last two far from its centre.
"""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from segcore.errors import InputError

ATTRIBUTES = ("area_m2", "perimeter_m", "diameter_m", "circularity", "elongation", "azimuth_deg", "solidity", "holes")
"""Columns of attributes, in this order."""

_ROUND = 1.01
"""Below this elongation a shape has no direction."""

Floats = NDArray[np.float64]


def attributes(polygons: Any, crs: Any) -> pd.DataFrame:
    """Measure polygons (N,) given in a CRS; one row each, index 0..N-1.

    - `area_m2`, without holes; `perimeter_m`, of the shell and of holes
    - `diameter_m`: of the circle of the same area
    - `circularity`: 4 pi area / perimeter squared, 1 for a circle, less for ragged outlines
    - `elongation`: length / width of the minimum rotated rectangle, >= 1
    - `azimuth_deg`: its long side, degrees from true north clockwise, 0 <= a < 180; missing where elongation < 1.01
    - `solidity`: area / area of the convex hull, 0..1
    - `holes`: number of holes

    Raises:
        InputError: crs is missing.
    """
    if crs is None:
        raise InputError("sizes in metres need to know the CRS of the polygons; there is none. Assign the raster's.")
    ground = _on_the_ground(np.asarray(polygons, dtype=object), CRS.from_user_input(crs))
    area, perimeter = shapely.area(ground), shapely.length(ground)
    length, width, azimuth = _rectangles(ground)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns: dict[str, Any] = {
            "area_m2": area,
            "perimeter_m": perimeter,
            "diameter_m": np.sqrt(4 * area / np.pi),
            "circularity": 4 * np.pi * area / perimeter**2,
            "elongation": length / width,
            "azimuth_deg": np.where(length >= _ROUND * width, azimuth, np.nan),
            "solidity": area / shapely.area(shapely.convex_hull(ground)),
            "holes": _holes(ground),
        }
    return pd.DataFrame({name: columns[name] for name in ATTRIBUTES})


def with_attributes(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The layer with its attributes beside its own columns, which they replace where names are equal."""
    measured = attributes(frame.geometry.to_numpy(), frame.crs).set_axis(frame.index)
    return frame.assign(**{name: measured[name] for name in ATTRIBUTES})


def _on_the_ground(polygons: NDArray[np.object_], crs: CRS) -> NDArray[np.object_]:
    """The polygons in metres east and north of their own middle."""
    geodetic, ellipsoid = crs.geodetic_crs, crs.ellipsoid
    if geodetic is None or ellipsoid is None:
        raise InputError(f"sizes in metres need a CRS on the earth; {crs.name} is a local one. Assign the raster's.")
    to_degrees = Transformer.from_crs(crs, geodetic, always_xy=True)
    coordinates, owner = shapely.get_coordinates(polygons, return_index=True)
    lon, lat = to_degrees.transform(*coordinates.T)
    lon, lat = np.asarray(lon), np.asarray(lat)
    lon0, lat0 = np.full(len(polygons), np.nan), _middle(lat, owner, len(polygons))
    lon0[owner] = lon
    metres = _equal_area(lon, lat, lon0[owner], lat0[owner], axes=(ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre))
    return np.asarray(shapely.set_coordinates(polygons.copy(), metres), dtype=object)


def _middle(values: Floats, owner: NDArray[np.intp], count: int) -> Floats:
    """Middle of the range of values of each owner, nan for those without values; (count,)."""
    low, high = np.full((2, count), np.nan)
    np.fmin.at(low, owner, values)
    np.fmax.at(high, owner, values)
    return np.asarray((low + high) / 2)


def _equal_area(lon: Floats, lat: Floats, lon0: Floats, lat0: Floats, *, axes: tuple[float, float]) -> Floats:
    """Metres east and north (N, 2) of (lon0, lat0), true to scale at lat0; degrees in, axes of the ellipsoid in metres."""
    major, minor = axes
    e2 = 1 - (minor / major) ** 2
    east = np.radians((lon - lon0 + 180) % 360 - 180)
    sine0 = np.sin(np.radians(lat0))
    scale = np.cos(np.radians(lat0)) / np.sqrt(1 - e2 * sine0**2)
    north = _authalic(np.radians(lat), e2) - _authalic(np.radians(lat0), e2)
    return np.stack([major * scale * east, major * north / (2 * scale)], axis=1)


def _authalic(lat: Floats, e2: float) -> Floats:
    """The function q of Snyder eq. 3-12: ground between the equator and lat is proportional to it; lat in radians."""
    sine = np.sin(lat)
    if e2 == 0:
        return np.asarray(2 * sine)
    e = np.sqrt(e2)
    return np.asarray((1 - e2) * (sine / (1 - e2 * sine**2) + np.arctanh(e * sine) / e))


def _rectangles(ground: NDArray[np.object_]) -> tuple[Floats, Floats, Floats]:
    """Length, width and azimuth (degrees) of the minimum rotated rectangles; nan where there is none."""
    length, width, azimuth = (np.full(len(ground), np.nan) for _ in range(3))
    boxes = shapely.minimum_rotated_rectangle(ground)
    whole = np.flatnonzero(shapely.get_num_coordinates(boxes) == 5)
    corners = shapely.get_coordinates(boxes[whole]).reshape(-1, 5, 2)
    sides = corners[:, 1:3] - corners[:, 0:2]
    lengths = np.hypot(sides[..., 0], sides[..., 1])
    longer = sides[np.arange(len(whole)), np.argmax(lengths, axis=1)]
    length[whole], width[whole] = lengths.max(axis=1), lengths.min(axis=1)
    azimuth[whole] = np.degrees(np.arctan2(longer[:, 0], longer[:, 1])) % 180 % 180  # a tiny negative angle rounds to 180
    return length, width, azimuth


def _holes(ground: NDArray[np.object_]) -> NDArray[np.int64]:
    """Holes of each polygon, all parts together."""
    parts, owner = shapely.get_parts(ground, return_index=True)
    return np.bincount(owner, weights=shapely.get_num_interior_rings(parts), minlength=len(ground)).astype(np.int64)
