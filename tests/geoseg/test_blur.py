import geopandas as gpd
import numpy as np
import pytest
from shapely import box

from geoseg.blur import blur
from segcore.errors import ConfigError

UTM = "EPSG:32637"
X, Y = 400_000, 4_000_000


def sites(count=3, crs=UTM):
    squares = [box(X + 3000 * i, Y, X + 3000 * i + 100, Y + 100 + 10 * i) for i in range(count)]
    columns = {"id": [f"{i:012x}" for i in range(count)], "score": np.linspace(0.2, 0.9, count), "area_m2": [s.area for s in squares]}
    return gpd.GeoDataFrame(columns, geometry=squares, crs=crs)


def test_blur_leaves_a_square_of_the_grid_and_nothing_that_leads_back():
    frame = sites(5).assign(distance_m=[1.0] * 5, row=range(5))
    hidden = blur(frame, 1000)
    assert list(hidden.columns) == ["id", "score", "area_m2", "geometry"]
    assert hidden["id"].tolist() == [1, 2, 3, 4, 5]
    assert hidden["area_m2"].tolist() == [10_000] * 5
    assert (hidden.bounds % 1000 == 0).all(axis=None)
    assert hidden.area.tolist() == [1e6] * 5
    assert all(hidden.geometry.contains(point).any() for point in frame.representative_point())


def test_blur_does_not_depend_on_the_place_within_a_square():
    rng = np.random.default_rng(0)
    corners = rng.uniform((X, Y), (X + 900, Y + 900), (20, 2))
    frames = [gpd.GeoDataFrame(geometry=[box(x, y, x + 50, y + 50)], crs=UTM) for x, y in corners]
    assert len({blur(frame, 1000).to_json() for frame in frames}) == 1


def test_blur_does_not_tell_the_order():
    frame = sites(6)
    assert blur(frame, 5000).to_json() == blur(frame.iloc[::-1], 5000).to_json()


def test_blur_of_degrees_counts_in_metres():
    hidden = blur(sites().to_crs(4326), 500)
    assert hidden.crs == UTM
    assert hidden.area.to_numpy() == pytest.approx(250_000)


@pytest.mark.parametrize("metres", [0, -5, float("nan")])
def test_blur_needs_an_edge(metres):
    with pytest.raises(ConfigError, match="edge of a square"):
        blur(sites(), metres)
