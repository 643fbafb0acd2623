import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod, Proj
from shapely import MultiPolygon, Polygon, affinity, box

from geoseg.attributes import ATTRIBUTES, attributes, with_attributes
from segcore.errors import InputError

GEOD = Geod(ellps="WGS84")
PLACES = [(38.5, 36.2), (-70.1, -15.4), (0.0, 0.0), (179.9995, 65.0)]


def local(lon, lat):
    """A map true to scale at a place: metres of ground, north up."""
    return CRS.from_proj4(f"+proj=tmerc +lon_0={lon} +lat_0={lat} +datum=WGS84 +units=m")


def one(polygon, crs):
    return attributes([polygon], crs).iloc[0]


@pytest.mark.parametrize("place", PLACES)
def test_a_rectangle_by_hand(place):
    row = one(box(-150, -50, 150, 50), local(*place))
    assert row["area_m2"] == pytest.approx(30_000, rel=1e-7)
    assert row["perimeter_m"] == pytest.approx(800, rel=1e-5)
    assert row["diameter_m"] == pytest.approx(np.sqrt(4 * 30_000 / np.pi), rel=1e-7)
    assert row["circularity"] == pytest.approx(4 * np.pi * 30_000 / 800**2, rel=1e-5)
    assert row["elongation"] == pytest.approx(3, rel=1e-4)
    assert row["azimuth_deg"] == pytest.approx(90, abs=0.01)
    assert row["solidity"] == pytest.approx(1)
    assert row["holes"] == 0


def test_holes_and_bays():
    ring = box(0, 0, 90, 90).difference(box(30, 30, 60, 60))
    row = one(ring, local(38, 36))
    assert row["area_m2"] == pytest.approx(7200)
    assert row["perimeter_m"] == pytest.approx(480, rel=1e-5)
    assert row["holes"] == 1
    assert row["solidity"] == pytest.approx(8 / 9)
    corner = box(0, 0, 90, 90).difference(box(30, 30, 90, 90))
    assert one(corner, local(38, 36))["solidity"] == pytest.approx(4500 / 6300, rel=1e-5)


@pytest.mark.parametrize("angle", [0, 20, 45, 90, 135, 179])
def test_azimuth_runs_clockwise_from_north(angle):
    bar = affinity.rotate(box(-10, -100, 10, 100), -angle, origin=(0, 0))
    azimuth = one(bar, local(38, 36))["azimuth_deg"]
    assert 0 <= azimuth < 180
    assert min(abs(azimuth - angle), 180 - abs(azimuth - angle)) < 0.01


@pytest.mark.parametrize("lon", [36.05, 39.0, 41.95])
def test_azimuth_is_from_true_north(lon):
    utm = Proj(32637)
    x, y = utm(lon, 45.0)
    bar = affinity.rotate(box(x - 10, y - 100, x + 10, y + 100), -30, origin=(x, y))
    convergence = utm.get_factors(lon, 45.0).meridian_convergence
    assert abs(convergence) > 2 or lon == 39.0
    assert one(bar, "EPSG:32637")["azimuth_deg"] == pytest.approx(30 + convergence, abs=0.01)


def test_round_and_square_shapes_have_no_azimuth():
    table = attributes([box(0, 0, 50, 50), shapely.Point(0, 0).buffer(80), box(0, 0, 50, 51)], local(38, 36))
    assert table["azimuth_deg"].isna().tolist() == [True, True, False]
    assert table["circularity"][1] == pytest.approx(1, abs=0.002)


@pytest.mark.parametrize("crs", ["EPSG:32637", "EPSG:4326", "EPSG:3857", "EPSG:3035"])
def test_the_map_of_the_layer_does_not_matter(crs):
    site = gpd.GeoSeries([affinity.rotate(box(300_000, 4_500_000, 300_400, 4_500_100), 25)], crs=32637)
    row = one(site.to_crs(crs).iloc[0], crs)
    area, perimeter = GEOD.geometry_area_perimeter(site.to_crs(4326).iloc[0])
    assert row["area_m2"] == pytest.approx(abs(area), rel=1e-6)
    assert row["perimeter_m"] == pytest.approx(perimeter, rel=1e-5)
    assert row["elongation"] == pytest.approx(4, rel=1e-3)


@given(st.floats(-179, 179), st.floats(-70, 70), st.floats(20, 2000), st.floats(0.2, 1), st.floats(0, 180))
@settings(max_examples=40, deadline=None)
def test_agrees_with_geodesics(lon, lat, size, ratio, angle):
    shape = affinity.rotate(affinity.scale(shapely.Point(0, 0).buffer(size), 1, ratio), angle)
    degrees = gpd.GeoSeries([shape], crs=local(lon, lat)).to_crs(4326).iloc[0]
    area, perimeter = GEOD.geometry_area_perimeter(degrees)
    row = one(degrees, "EPSG:4326")
    assert row["area_m2"] == pytest.approx(abs(area), rel=1e-5)
    assert row["perimeter_m"] == pytest.approx(perimeter, rel=1e-4)


def test_the_area_of_a_country_is_exact_too():
    degrees = shapely.segmentize(box(35, 30, 45, 40), 0.05)
    area, _ = GEOD.geometry_area_perimeter(degrees)
    assert one(degrees, "EPSG:4326")["area_m2"] == pytest.approx(abs(area), rel=1e-6)


def test_a_sphere_is_an_ellipsoid():
    sphere = CRS.from_proj4("+proj=longlat +R=1737400 +no_defs")
    cap = box(10, 0, 11, 30)
    assert one(cap, sphere)["area_m2"] == pytest.approx(1_737_400**2 * np.radians(1) * 0.5, rel=1e-12)


def test_parts_and_rows():
    shapes = [MultiPolygon([box(0, 0, 10, 10), box(20, 0, 30, 10)]), Polygon(), box(0, 0, 4, 2)]
    table = attributes(shapes, local(38, 36))
    assert list(table.columns) == list(ATTRIBUTES)
    assert table["area_m2"].tolist() == pytest.approx([200, 0, 8])
    assert table["elongation"].isna().tolist() == [False, True, False]
    assert table["holes"].tolist() == [0, 0, 0]
    assert attributes([], "EPSG:32637").shape == (0, len(ATTRIBUTES))


def test_neighbours_do_not_change_a_row():
    shapes = [box(x, 4_000_000, x + 100, 4_000_200) for x in (200_000, 500_000, 800_000)]
    table = attributes(shapes, "EPSG:32637")
    assert [one(shape, "EPSG:32637").tolist() for shape in shapes] == table.to_numpy().tolist()


def test_the_layer_keeps_its_columns_and_its_index():
    frame = gpd.GeoDataFrame({"id": ["a", "b"]}, geometry=[box(0, 0, 4, 2), box(0, 0, 10, 10)], crs=local(38, 36), index=[7, 3])
    measured = with_attributes(frame)
    assert measured.loc[3, "area_m2"] == pytest.approx(100)
    assert measured["id"].tolist() == ["a", "b"]
    assert measured.crs == frame.crs
    assert list(frame.columns) == ["id", "geometry"]


def test_a_crs_is_needed():
    with pytest.raises(InputError, match="there is none"):
        attributes([box(0, 0, 1, 1)], None)
    local_only = CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]')
    with pytest.raises(InputError, match="site grid is a local one"):
        attributes([box(0, 0, 1, 1)], local_only)
