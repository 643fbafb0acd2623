"""Small rasters and layers of every kind, written with rasterio and geopandas."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning

from geoseg.grid import GeoGrid

UTM = "EPSG:32638"
PLACE = Affine(2.0, 0.0, 400_000.0, 0.0, -2.0, 3_700_000.0)

WriteRaster = Callable[..., Path]
WriteLayer = Callable[..., Path]


@pytest.fixture
def grid() -> GeoGrid:
    """90 x 120 pixels of 2 m in UTM 38N; the place of what write_raster writes by default."""
    return GeoGrid(crs=CRS.from_string(UTM), transform=PLACE, height=90, width=120)


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """(1, 90, 120) values 1..250."""
    return np.random.default_rng(7).integers(1, 251, (1, 90, 120), dtype=np.uint8)


@pytest.fixture
def write_raster(tmp_path: Path) -> WriteRaster:
    """write_raster(array (C, H, W), name="scene.tif", *, mask=None, gcps=None, colours=None, **profile) -> path."""

    def write(
        array: NDArray[Any], name: str = "scene.tif", *, mask: Any = None, gcps: Any = None, colours: Any = None, **profile: Any
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        count, height, width = array.shape
        place = {} if gcps is not None else {"crs": UTM, "transform": PLACE}
        options = {"driver": "GTiff", "dtype": array.dtype, "count": count, "height": height, "width": width} | place | profile
        with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, "w", **{key: value for key, value in options.items() if value is not None}) as dataset:
                if colours is not None:
                    dataset.colorinterp = colours
                if gcps is not None:
                    dataset.gcps = gcps
                dataset.write(array)
                if mask is not None:
                    dataset.write_mask(mask)
        return path

    return write


@pytest.fixture
def write_layer(tmp_path: Path) -> WriteLayer:
    """write_layer(geometries or (N, 2) xy, name="points.gpkg", crs=UTM, columns={}, **options) -> path."""

    def write(geometries: Any, name: str = "points.gpkg", *, crs: Any = UTM, columns: dict[str, Any] | None = None, **options: Any) -> Path:
        path = tmp_path / name
        shapes = shapely.points(geometries) if isinstance(geometries, np.ndarray) else geometries
        frame = geopandas.GeoDataFrame(columns or {}, geometry=list(shapes), crs=crs)
        frame.to_file(path, **options)
        return path

    return write
