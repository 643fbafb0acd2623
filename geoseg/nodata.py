"""How far an outline lies from the end of the data: what touches a film edge deserves a second look."""

from __future__ import annotations

import numpy as np
import shapely
from scipy.ndimage import distance_transform_edt

from geoseg.grid import GeoGrid
from geoseg.vectors import rasterise
from segcore.io.protocol import ImageSource
from segcore.windows import block_grid

_BLOCK = 1024


def nodata_distance(polygon: shapely.Geometry, source: ImageSource, grid: GeoGrid, reach: int) -> float:
    """Metres from the pixels of a polygon to the nearest missing pixel, or the raster's edge; NaN beyond reach pixels.

    polygon: in the CRS of grid. Read block by block, so memory does not grow with the polygon.
    """
    whole = grid.window_of_bounds(tuple(polygon.bounds))
    if whole is None:
        return float("nan")
    nearest = np.inf
    for block in block_grid((whole.height, whole.width), _BLOCK):
        window = block.shift(whole.row, whole.col).grow(reach)
        missing = ~source.mask(window)
        inside = rasterise([polygon], grid, window)
        if missing.any() and inside.any():
            nearest = min(nearest, float(distance_transform_edt(~missing)[inside].min()))
    return nearest * grid.pixel_size if nearest <= reach else float("nan")
