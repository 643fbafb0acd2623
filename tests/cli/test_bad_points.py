"""Point layers that are refused, and odd ones that work; too few of them for what is asked."""

import json
import shutil

import geopandas
import numpy as np
import pytest
import shapely

from segcore.files import read_json


@pytest.fixture(params=["chips", "outline", "negatives"])
def command(request, world, tmp_path):
    """command(points) -> the arguments of one of the commands that read points."""
    match request.param:
        case "chips":
            return lambda points: ["chips", world.raster, points, "-o", tmp_path / "result", "--window", 32]
        case "negatives":
            return lambda points: ["chips", world.raster, world.points, "-o", tmp_path / "result", "--window", 32, "--negatives", points]
    model = request.getfixturevalue("chain").model
    return lambda points: ["outline", world.raster, points, model, "-o", tmp_path / "result"]


@pytest.fixture
def layer(world, tmp_path):
    """layer(name, geometries=those of the scene, crs=...) -> a layer of its own."""

    def write(name="own.gpkg", geometries=None, crs="EPSG:32638"):
        shapes = geopandas.read_file(world.points).geometry if geometries is None else geometries
        geopandas.GeoDataFrame(geometry=list(shapes), crs=crs).to_file(tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_no_crs(command, refused, layer):
    assert "--points-crs" in refused(*command(layer(crs=None)))


def test_none_on_the_raster(command, refused, layer):
    message = refused(*command(layer(geometries=shapely.points([[500_000, 3_700_000], [500_100, 3_700_100]]))))
    assert "points must lie on the raster" in message
    assert "all 2 of own.gpkg" in message


def test_swapped_coordinates_are_recognised(command, refused, world, layer):
    points = geopandas.read_file(world.points).geometry
    assert "swap the columns" in refused(*command(layer(geometries=shapely.points(np.column_stack([points.y, points.x])))))


def test_none_in_the_area(command, refused, world):
    assert "points must lie in the area" in refused(*command(world.points), "--area", "401210,3698810,401390,3698910")


def test_an_empty_layer(command, refused, tmp_path):
    path = tmp_path / "empty.gpkg"
    geopandas.GeoDataFrame({"id": []}, geometry=[], crs="EPSG:32638").to_file(path, geometry_type="Point")
    assert "at least one feature; empty.gpkg has none" in refused(*command(path))


def test_lines(command, refused, layer):
    line = shapely.LineString([(400_100, 3_699_900), (400_200, 3_699_800)])
    message = refused(*command(layer(geometries=[line])))
    assert "a layer of points is needed" in message
    assert "LineString" in message


def test_geojson_that_says_degrees_and_holds_metres(command, refused, tmp_path):
    features = [{"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [400_100, 3_699_900]}}]
    path = tmp_path / "metres.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    message = refused(*command(path))
    assert "are degrees" in message
    assert "--points-crs" in message


def test_a_table_without_known_columns(command, refused, tmp_path):
    (tmp_path / "sites.csv").write_text("rechts,hoch\n400100,3699900\n")
    assert "lon and lat, or x and y" in refused(*command(tmp_path / "sites.csv"))


def test_a_table_in_metres_without_a_crs(command, refused, tmp_path):
    (tmp_path / "sites.csv").write_text("x,y\n400100,3699900\n")
    assert "--points-crs" in refused(*command(tmp_path / "sites.csv"))


def test_a_crs_that_is_none(command, refused, world):
    assert "EPSG:32638" in refused(*command(world.points), "--points-crs", "metres")


def test_another_crs_works_and_is_said(works, world, layer, tmp_path):
    degrees = layer("degrees.geojson", geopandas.read_file(world.points).to_crs(4326).geometry, crs="EPSG:4326")
    done = works("chips", world.raster, degrees, "-o", tmp_path / "chips", "--window", 32)
    assert "degrees.geojson is reprojected from EPSG:4326 to EPSG:32638." in done.stderr.splitlines()
    places = [(point["row"], point["col"]) for point in read_json(tmp_path / "chips/chips.json")["points"] if point["label"]]
    assert np.abs(np.array(places) - world.mounds[:, :2]).max() <= 1


def test_a_table_with_its_crs_works(works, world, tmp_path):
    points = geopandas.read_file(world.points).geometry
    lines = [f"{x};{y}" for x, y in zip(points.x, points.y, strict=True)]
    (tmp_path / "sites.csv").write_text("\n".join(["easting;northing", *lines]))
    crs = ("--points-crs", "EPSG:32638")
    done = works("chips", world.raster, tmp_path / "sites.csv", "-o", tmp_path / "chips", "--window", 32, "--negatives", 5, *crs)
    assert "36 sites, 5 negatives" in done.stderr


def test_points_beside_the_raster_are_counted(works, world, layer, tmp_path):
    points = [*geopandas.read_file(world.points).geometry, shapely.Point(0, 0)]
    done = works("chips", world.raster, layer(geometries=points), "-o", tmp_path / "chips", "--window", 32)
    assert "1 of 37 points of own.gpkg lie outside the raster." in done.stderr.splitlines()


def test_every_point_on_nodata(refused, world, layer, tmp_path):
    inside = layer(geometries=shapely.points([[401_300, 3_698_850], [401_310, 3_698_860]]))
    assert "nodata" in refused("chips", world.raster, inside, "-o", tmp_path / "result", "--window", 32)


def test_no_room_for_negatives(refused, world, tmp_path):
    message = refused("chips", world.raster, world.points, "-o", tmp_path / "result", "--window", 32, "--min-distance", 500)
    assert "places without a site" in message
    assert "--min-distance" in message


@pytest.mark.parametrize(
    ("option", "word"),
    [(("--window", 8), "16"), (("--chip", 40), "--chip"), (("--negatives", 0), "negative"), (("--jitter", -1), "--jitter")],
)
def test_lengths_out_of_range(refused, world, tmp_path, option, word):
    window = () if option[0] == "--window" else ("--window", 32)
    assert word in refused("chips", world.raster, world.points, "-o", tmp_path / "result", *window, *option)


@pytest.mark.parametrize("split", ["spatial", "random"])
def test_too_few_sites_for_the_split(refused, works, world, layer, tmp_path, split):
    few = layer(geometries=geopandas.read_file(world.points).geometry[:6])
    works("chips", world.raster, few, "-o", tmp_path / "chips", "--window", 32)
    message = refused("train", tmp_path / "chips", "-o", tmp_path / "model", "--arch", "test_resnet", "--split", split)
    assert "6 sites" in message
    assert "10 of each" in message


def test_one_class_only(refused, world, chain, tmp_path):
    chips = tmp_path / "chips"
    shutil.copytree(chain.chips, chips)
    text = (chips / "chips.json").read_text().replace('"label": 0', '"label": 1')
    (chips / "chips.json").write_text(text)
    assert "one class only" in refused("train", chips, "-o", tmp_path / "model", "--arch", "test_resnet")


def test_too_few_outlines_to_tune_with(refused, world, chain, tmp_path):
    few = tmp_path / "few.gpkg"
    geopandas.read_file(world.expert)[:3].to_file(few)
    small = ("--arch", "test_resnet", "--members", 1, "--epochs", 1, "--budget", "small")
    message = refused("train", chain.chips, "-o", tmp_path / "model", *small, "--outlines", few)
    assert "at least 6 training sites" in message
    assert "few.gpkg has 3" in message
