"""Points in, polygons out: every command once, on a scene of 36 bright mounds with a patch of nodata."""

import json

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely

from segcore.files import read_json


@pytest.fixture(scope="module")
def hole(world):
    """The patch of nodata, as a polygon on the map."""
    rows, cols = np.nonzero(world.pixels[0] == 0)
    with rasterio.open(world.raster) as raster:
        return shapely.box(*raster.transform @ (cols.min(), rows.max() + 1), *raster.transform @ (cols.max() + 1, rows.min()))


def test_chips_are_whole_and_shown(chain):
    assert sorted(path.name for path in chain.chips.iterdir()) == ["chips.json", "chips.npy", "contact.png", "flags.npy", "points.gpkg"]
    labels = [point["label"] for point in read_json(chain.chips / "chips.json")["points"]]
    assert (labels.count(1), labels.count(0)) == (36, 36)
    assert [len(geopandas.read_file(chain.chips / "points.gpkg", layer=name)) for name in ("sites", "negatives")] == [36, 36]


def test_the_model_says_what_it_is(chain, world):
    content = read_json(chain.model / "bundle.json")
    facts = content["facts"]
    assert (facts["arch"], facts["bands"], facts["window"], facts["pixel_size"]) == ("test_resnet", 1, 32, 2.0)
    assert len(facts["tuned_on"]) == 64
    assert facts["metrics"]["validation"][0]["auc"] > 0.9


def test_outlines_lie_on_their_mounds(chain, world):
    found = geopandas.read_file(chain.out / "outlines.gpkg", layer="outlines")
    lost = geopandas.read_file(chain.out / "outlines.gpkg", layer="points")
    assert len(found) + len(lost) == 36
    assert len(found) > 30
    assert found.crs == "EPSG:32638"
    assert found.is_valid.all()
    expert = geopandas.read_file(world.expert).set_index("id").geometry[found["point_id"]]
    shared = shapely.area(shapely.intersection(found.geometry.to_numpy(), expert.to_numpy()))
    assert np.median(2 * shared / (found.area.to_numpy() + expert.area.to_numpy())) > 0.6


def test_a_scan_writes_all_its_files(chain):
    names = ["activation.tif", "mask.tif", "preview.png", "run.json", "sites.fgb", "sites.geojson", "sites.gpkg"]
    assert sorted(path.name for path in chain.run.iterdir()) == names
    assert pyogrio.list_layers(chain.run / "sites.gpkg")[:, 0].tolist() == ["sites", "windows", "layer_styles"]
    with rasterio.open(chain.run / "mask.tif") as mask, rasterio.open(chain.run / "activation.tif") as activation:
        assert (mask.shape, mask.crs, mask.nodata) == ((600, 700), "EPSG:32638", 255)
        assert activation.descriptions == ("activation", "score")


def test_sites_are_valid_and_in_the_crs_of_the_raster(chain, world):
    sites = geopandas.read_file(chain.run / "sites.gpkg", layer="sites")
    assert len(sites) > 10
    assert sites.crs == "EPSG:32638"
    assert sites.is_valid.all()
    assert sites["id"].is_unique
    hits = sites.sjoin(geopandas.read_file(world.expert)[["geometry"]])
    assert hits["index_right"].nunique() > 18


@pytest.mark.parametrize("name", ["sites", "outlines"])
def test_geojson_is_rfc_7946(chain, name):
    path = chain.run / "sites.geojson" if name == "sites" else chain.out / "outlines.geojson"
    collection = json.loads(path.read_text(encoding="utf-8"))
    assert "crs" not in collection
    for feature in collection["features"]:
        polygon = shapely.geometry.shape(feature["geometry"])
        minx, miny, maxx, maxy = polygon.bounds
        assert polygon.is_valid
        assert polygon.exterior.is_ccw
        assert 43.9 < minx < maxx < 44.0
        assert 33.4 < miny < maxy < 33.5


def test_no_polygon_reaches_nodata(chain, world, hole):
    sites = geopandas.read_file(chain.run / "sites.gpkg", layer="sites")
    found = geopandas.read_file(chain.out / "outlines.gpkg", layer="outlines")
    assert found.touches(hole).any()
    for layer in (sites, found):
        assert shapely.area(shapely.intersection(layer.geometry.to_numpy(), hole)).max() == 0
    with rasterio.open(chain.run / "mask.tif") as mask:
        assert ((mask.read(1) == 255) == (world.pixels[0] == 0)).all()


def test_one_seed_gives_the_same_bytes(chain, second_chain):
    for folder, name in (
        ("run", "sites.geojson"),
        ("run", "sites.fgb"),
        ("run", "activation.tif"),
        ("run", "mask.tif"),
        ("out", "outlines.geojson"),
    ):
        assert (getattr(chain, folder) / name).read_bytes() == (getattr(second_chain, folder) / name).read_bytes(), name
    weights = "member-0.safetensors"
    assert (chain.model / weights).read_bytes() == (second_chain.model / weights).read_bytes()


def test_evaluate_prints_and_writes_figures(chain, world, works, tmp_path):
    done = works(
        "evaluate",
        chain.out / "outlines.gpkg",
        world.expert,
        "--raster",
        world.raster,
        "-o",
        tmp_path / "m.json",
        "--picture",
        tmp_path / "p.png",
    )
    figures = json.loads((tmp_path / "m.json").read_text())
    assert f"Dice of the pixels              {figures['dice']:.3f}" in done.stdout
    assert figures["expected"] == 36
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_takes_any_layer_of_polygons(world, works, tmp_path):
    json_file = tmp_path / "some.geojson"
    geopandas.read_file(world.some).to_crs(4326).to_file(json_file)
    for predicted in (world.some, json_file):
        lines = works("evaluate", predicted, world.expert, "--raster", world.raster, "--ignore", world.some).stdout.splitlines()
        assert "objects found                       0" in lines
        assert "objects expected                   24" in lines
        assert "Dice of the pixels              0.000" in lines


def test_evaluate_of_nothing_found_is_a_row_of_zeros(chain, world, works, tmp_path):
    in_the_hole = "401210,3698810,401390,3698910"
    works("scan", world.raster, chain.model, "-o", tmp_path / "none", "--area", in_the_hole, "--threads", 1)
    lines = works("evaluate", tmp_path / "none/sites.gpkg", world.expert, "--raster", world.raster).stdout.splitlines()
    assert "objects found                       0" in lines
    assert "  precision                         -" in lines


@pytest.mark.parametrize("name", ["sites.geojson", "sites.fgb", "sites.gpkg"])
def test_export_writes_what_the_suffix_says(chain, works, tmp_path, name):
    done = works("export", chain.run / "sites.gpkg", "-o", tmp_path / name, "--min-score", 0.5)
    assert done.stdout == f"{tmp_path / name}\n"
    assert len(geopandas.read_file(tmp_path / name, layer="sites")) == int(done.stderr.split()[0])


def test_an_area_bounds_chips_outlines_and_sites(chain, world, works, tmp_path):
    area = shapely.box(400_300, 3_699_200, 400_900, 3_699_700)
    text = ",".join(str(int(value)) for value in area.bounds)
    works("scan", world.raster, chain.model, "-o", tmp_path / "run", "--area", text, "--threads", 1)
    sites = geopandas.read_file(tmp_path / "run/sites.gpkg", layer="sites")
    assert len(sites) > 0
    assert sites.within(area).all()
    with rasterio.open(tmp_path / "run/mask.tif") as mask:
        assert tuple(mask.bounds) == area.bounds
    works(
        "outline", world.raster, world.points, chain.model, "-o", tmp_path / "out", "--area", text, "--method", "grad-cam", "--threads", 1
    )
    assert geopandas.read_file(tmp_path / "out/outlines.gpkg", layer="outlines").within(area).all()


@pytest.mark.parametrize(("area", "windows"), [((), 37 * 43), (("--area", "400200,3699600,400400,3699800"), 8 * 8)])
def test_inspect_forecasts_the_scan_of_a_model(chain, world, works, tmp_path, area, windows):
    assert f"a scan: {windows} windows" in works("inspect", world.raster, "--model", chain.model, *area).stdout
    if area:
        works("scan", world.raster, chain.model, "-o", tmp_path / "run", *area)
        assert read_json(tmp_path / "run/run.json")["counts"]["windows"] == windows
