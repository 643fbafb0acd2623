from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import rowcol

from geoseg.grid import GeoGrid, crs_name
from segcore.errors import InputError
from segcore.windows import Window

GRID = GeoGrid(crs=CRS.from_epsg(32638), transform=Affine(2, 0, 400_000, 0, -2, 3_700_000), height=90, width=120)
INSIDE = st.tuples(st.integers(0, 89), st.integers(0, 119), st.integers(1, 90), st.integers(1, 120))


def test_the_first_pixel_by_hand() -> None:
    assert GRID.to_map([(0, 0), (0.5, 0.5)]).tolist() == [[400_000, 3_700_000], [400_001, 3_699_999]]
    assert GRID.to_pixels([(400_001, 3_699_999)]).tolist() == [[0.5, 0.5]]
    assert GRID.pixel_size == 2
    assert GRID.bounds == (400_000, 3_699_820, 400_240, 3_700_000)


def test_pixels_agree_with_rasterio() -> None:
    xy = np.random.default_rng(0).uniform((400_000, 3_699_820), (400_240, 3_700_000), (50, 2))
    rows, cols = rowcol(GRID.transform, xy[:, 0], xy[:, 1])
    np.testing.assert_array_equal(np.floor(GRID.to_pixels(xy)), np.column_stack([rows, cols]))


@given(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
def test_there_and_back(row: float, col: float) -> None:
    np.testing.assert_allclose(GRID.to_pixels(GRID.to_map([(row, col)])), [(row, col)], atol=1e-5)


@given(INSIDE)
def test_windows_survive_their_bounds(corner: tuple[int, int, int, int]) -> None:
    row, col, height, width = corner
    window = Window(row, col, min(height, 90 - row), min(width, 120 - col))
    assert GRID.window_of_bounds(GRID.window_bounds(window)) == window


def test_window_bounds_and_transform_by_hand() -> None:
    window = Window(-3, 5, 10, 7)
    assert GRID.window_bounds(window) == (400_010, 3_699_986, 400_024, 3_700_006)
    assert GRID.window_transform(window) == GRID.transform @ Affine.translation(5, -3)


def test_bounds_beside_the_raster_have_no_window() -> None:
    assert GRID.window_of_bounds((0, 0, 10, 10)) is None
    assert GRID.window_of_bounds((399_000, 3_699_000, 400_003, 3_701_000)) == Window(0, 0, 90, 2)


def test_contains_the_upper_left_edge_only() -> None:
    corners = [(400_000, 3_700_000), (400_240, 3_700_000), (400_239.9, 3_699_820.1), (400_100, 3_699_820)]
    assert GRID.contains(corners).tolist() == [True, False, True, False]


def test_feet_are_metres() -> None:
    feet = GeoGrid(crs=CRS.from_epsg(2263), transform=Affine(10, 0, 980_000, 0, -10, 200_000), height=9, width=9)
    assert feet.pixel_size == pytest.approx(3.048, rel=1e-5)


def test_degrees_have_no_metres() -> None:
    grid = GeoGrid(crs=CRS.from_epsg(4326), transform=Affine(1e-5, 0, 44, 0, -1e-5, 33), height=9, width=9)
    with pytest.raises(InputError, match="need a projected CRS; EPSG:4326"):
        _ = grid.pixel_size


def test_names_of_a_crs() -> None:
    assert crs_name(CRS.from_epsg(32638)) == "EPSG:32638"
    assert crs_name(CRS.from_string("+proj=tmerc +lon_0=44.3 +datum=WGS84")) != ""
