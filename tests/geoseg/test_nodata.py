import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from geoseg.grid import GeoGrid
from geoseg.nodata import nodata_distance
from segcore.io.memory import MemoryImage

GRID = GeoGrid(crs=CRS.from_epsg(32638), transform=Affine(2, 0, 400000, 0, -2, 3700000), height=3000, width=200)


def pixels(row, col, height, width):
    """A polygon of whole pixels."""
    return shapely.box(400000 + 2 * col, 3700000 - 2 * (row + height), 400000 + 2 * (col + width), 3700000 - 2 * row)


@pytest.fixture
def source():
    valid = np.ones((3000, 200), dtype=bool)
    valid[100:110, 150] = False
    return MemoryImage(np.zeros((3000, 200), dtype=np.uint8), valid)


def test_by_hand(source):
    assert nodata_distance(pixels(100, 130, 5, 5), source, GRID, 40) == 2 * (150 - 134)
    assert nodata_distance(pixels(100, 148, 5, 5), source, GRID, 40) == 0


def test_beyond_reach_is_nan(source):
    assert np.isnan(nodata_distance(pixels(100, 60, 5, 5), source, GRID, 40))


def test_the_edge_of_the_raster_counts(source):
    assert nodata_distance(pixels(1500, 3, 5, 5), source, GRID, 40) == 2 * 4


def test_a_polygon_of_many_blocks_has_its_nearest_pixel(source):
    assert nodata_distance(pixels(50, 60, 2900, 60), source, GRID, 40) == 2 * (150 - 119)
    assert nodata_distance(pixels(115, 60, 2835, 60), source, GRID, 40) == pytest.approx(2 * np.hypot(150 - 119, 115 - 109))
