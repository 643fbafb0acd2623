"""Publishing places without giving them away."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from segcore.errors import ConfigError

_DIGITS = {"score": 2, "area_m2": 1, "diameter_m": 1}
"""What may be published, and how finely: decimals of the score, significant digits of sizes."""


def blur(frame: gpd.GeoDataFrame, metres: float) -> gpd.GeoDataFrame:
    """Replace each outline by the square of a fixed grid in which it lies: somewhere in here, nothing finer.

    A shifted outline could be found again by its shape, and random shifts average out over publications, so the
    shape goes and the grid (anchored at 0, 0 of the CRS, edge `metres`) is always the same. What could lead back goes
    too: ids (they follow from the first pixel), evidence, order. Left are score (2 decimals), area and diameter (one
    digit) and a running number. Two publications with different grids narrow a place down: keep to one.

    Raises:
        ConfigError: metres is not positive.
    """
    if not metres > 0:
        raise ConfigError(f"a blur is the edge of a square, > 0 m, got {metres:g}. 1000 hides a site in a square kilometre.")
    flat = _in_metres(frame)
    points = shapely.point_on_surface(flat.geometry.to_numpy())
    x, y = (np.floor(values / metres) * metres for values in (shapely.get_x(points), shapely.get_y(points)))
    columns = {name: _coarse(name, frame[name].to_numpy(dtype=np.float64)) for name in _DIGITS if name in frame.columns}
    order = np.lexsort([*columns.values(), x, -y])
    public = {"id": np.arange(1, len(frame) + 1), **{name: values[order] for name, values in columns.items()}}
    return gpd.GeoDataFrame(public, geometry=shapely.box(x, y, x + metres, y + metres)[order], crs=flat.crs)


def _in_metres(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The layer in a CRS that counts in metres: its own, or the UTM zone it lies in."""
    units = {(axis.unit_name, axis.unit_conversion_factor) for axis in frame.crs.axis_info}
    if frame.crs.is_projected and all(factor == 1 for _, factor in units):
        return frame
    utm: Any = frame.estimate_utm_crs() if len(frame) else "EPSG:32631"
    return frame.to_crs(utm)


def _coarse(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round a score to decimals, a size to significant digits."""
    digits = _DIGITS[name]
    if name == "score":
        return np.round(values, digits)
    return np.array([float(f"{value:.{digits - 1}e}") for value in values], dtype=np.float64)
