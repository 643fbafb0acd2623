from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from rasterio.crs import CRS
from rasterio.warp import transform_bounds

from geoseg.area import read_area, whole_area
from geoseg.grid import GeoGrid
from segcore.errors import InputError
from segcore.windows import GridConfig, Window, window_grid

WriteLayer = Callable[..., Path]
BOX = "400020,3699900,400060,3699980"


def test_a_box_by_hand(grid: GeoGrid) -> None:
    area = read_area(BOX, grid)
    assert area.window == Window(10, 10, 40, 20)
    assert area.mask(Window(0, 0, 90, 120)).sum() == 40 * 20
    windows = [Window(0, 0, 10, 10), Window(0, 0, 11, 11), Window(20, 15, 2, 2), Window(50, 10, 10, 10)]
    assert area.contains(windows).tolist() == [False, True, True, False]
    assert area.contains([]).tolist() == []


def test_windows_in_an_area_cover_it(grid: GeoGrid) -> None:
    area = read_area(BOX, grid)
    covered = np.zeros((90, 120), dtype=bool)
    windows = window_grid((90, 120), GridConfig(window=16))
    for window, inside in zip(windows, area.contains(windows), strict=True):
        covered[window.slices] |= inside
    assert (covered | ~area.mask(grid.extent)).all()
    assert not covered.all()


def test_an_area_that_overhangs_is_cut(grid: GeoGrid) -> None:
    assert read_area("399000,3699990,400010,3800000", grid).window == Window(0, 0, 5, 5)


def test_degrees_for_a_raster_in_degrees(grid: GeoGrid) -> None:
    degrees = ",".join(str(value) for value in transform_bounds("EPSG:32638", "EPSG:4326", 400020, 3699900, 400060, 3699980))
    area = read_area(degrees, grid, crs=CRS.from_epsg(4326))
    assert area.mask(grid.extent)[12:48, 12:28].all()
    assert area.geometry.area == pytest.approx(40 * 80, rel=0.1)


def test_a_layer_of_polygons(write_layer: WriteLayer, grid: GeoGrid) -> None:
    shapes = [shapely.box(400020, 3699900, 400040, 3699980), shapely.box(400100, 3699900, 400120, 3699980)]
    path = write_layer(shapes, "area.geojson", crs=32638)
    area = read_area(str(path), grid)
    assert area.window == Window(10, 10, 40, 50)
    assert area.contains([Window(20, 30, 5, 5), Window(20, 52, 5, 5)]).tolist() == [False, True]
    degrees = write_layer(geopandas.GeoSeries(shapes, crs=32638).to_crs(4326), "a.gpkg", crs=4326)
    assert read_area(degrees, grid).geometry.area == pytest.approx(2 * 20 * 80, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1,2,3", "is neither"),
        ("a,b,c,d", "is neither"),
        ("400060,3699900,400020,3699980", "minx < maxx"),
        ("400020,3699900,400020,3699980", "minx < maxx"),
        ("nan,0,1,1", "minx < maxx"),
        ("0,0,10,10", r"must lie on the raster \(400000,3699820,400240,3700000 in EPSG:32638\); 0,0,10,10 covers"),
        ("none.gpkg", "none.gpkg is not there"),
    ],
)
def test_areas_that_are_refused(grid: GeoGrid, text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        read_area(text, grid)


def test_a_layer_beside_the_raster(write_layer: WriteLayer, grid: GeoGrid) -> None:
    ring = shapely.box(399000, 3699000, 401000, 3701000) - shapely.box(399900, 3699800, 400300, 3700100)
    with pytest.raises(InputError, match="must lie on the raster"):
        read_area(write_layer([ring], "ring.gpkg"), grid)


def test_the_whole(grid: GeoGrid) -> None:
    area = whole_area(grid)
    assert area.window == grid.extent
    assert area.mask(grid.extent).all()
