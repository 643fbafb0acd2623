import errno
import hashlib
import json
import resource
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from shapely import MultiPolygon, Point, Polygon, box

from geoseg.blur import blur
from geoseg.export import FORMATS, export, read_sites, write_fgb, write_geojson, write_gpkg, write_layers
from geoseg.names import FORMAT_NAMES
from segcore.errors import ConfigError, InputError, MissingExtraError, OutputError

UTM = "EPSG:32637"
X, Y = 400_000, 4_000_000


def sites(count=3, crs=UTM):
    squares = [box(X + 3000 * i, Y, X + 3000 * i + 100, Y + 100 + 10 * i) for i in range(count)]
    columns = {"id": [f"{i:012x}" for i in range(count)], "score": np.linspace(0.2, 0.9, count), "area_m2": [s.area for s in squares]}
    return gpd.GeoDataFrame(columns, geometry=squares, crs=crs)


def points():
    return gpd.GeoDataFrame({"point_id": ["a"], "reason": ["no map"]}, geometry=[Point(X, Y)], crs=UTM)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def query(path, text):
    with closing(sqlite3.connect(path)) as base:
        return base.execute(text).fetchall()


@contextmanager
def files_up_to(size):
    """The disk is full at size bytes a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_names_and_writers_agree():
    assert tuple(FORMATS) == FORMAT_NAMES
    with pytest.raises(TypeError):
        FORMATS["shp"] = write_gpkg


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "fgb"])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_round_trip(tmp_path, suffix, count):
    path = tmp_path / f"x.{suffix}"
    FORMATS[suffix](path, sites(count), "sites")
    back = pyogrio.read_dataframe(path, layer="sites")
    assert len(back) == count
    if count:
        assert back.crs == ("EPSG:4326" if suffix == "geojson" else UTM)
        same = back.to_crs(UTM).sort_values("id", ignore_index=True)
        assert same.geometry.geom_equals_exact(sites(count).geometry.normalize(), 0.02).sum() in (0, count)
        assert shapely.hausdorff_distance(same.geometry.array, sites(count).geometry.array).max() < 0.02
        assert same["score"].tolist() == pytest.approx(sites(count)["score"].tolist())
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "fgb"])
@pytest.mark.parametrize("count", [0, 30])
def test_same_layer_same_bytes(tmp_path, suffix, count):
    for name in ("one", "two"):
        FORMATS[suffix](tmp_path / f"{name}.{suffix}", sites(count), "sites")
    assert digest(tmp_path / f"one.{suffix}") == digest(tmp_path / f"two.{suffix}")


def test_geojson_is_rfc_7946(tmp_path):
    ring = Polygon([(X, Y), (X, Y + 100), (X + 100, Y + 100), (X + 100, Y)], [[(X + 20, Y + 20), (X + 40, Y + 20), (X + 40, Y + 40)]])
    write_geojson(tmp_path / "x.geojson", gpd.GeoDataFrame({"id": ["é"]}, geometry=[ring], crs=UTM))
    text = (tmp_path / "x.geojson").read_text(encoding="utf-8")
    value = json.loads(text)
    assert value["type"] == "FeatureCollection"
    assert "crs" not in value
    (feature,) = value["features"]
    assert feature["properties"] == {"id": "é"}
    shell, hole = feature["geometry"]["coordinates"]
    assert Polygon(shell).exterior.is_ccw
    assert not Polygon(hole).exterior.is_ccw
    lon, lat = np.array(shell).T
    assert (np.floor(lon).tolist(), np.floor(lat).tolist()) == ([37] * 5, [36] * 5)
    assert np.array_equal(np.round(shell, 7), shell)
    assert not np.array_equal(np.round(shell, 6), shell)


def test_geojson_without_sites_is_a_feature_collection(tmp_path):
    write_geojson(tmp_path / "x.geojson", sites(0))
    value = json.loads((tmp_path / "x.geojson").read_text())
    assert (value["type"], value["features"]) == ("FeatureCollection", [])


def test_geojson_is_cut_at_the_antimeridian(tmp_path):
    wide = gpd.GeoDataFrame(geometry=[box(800_000, 0, 900_000, 10_000)], crs="EPSG:32660")
    write_geojson(tmp_path / "x.geojson", wide)
    (feature,) = json.loads((tmp_path / "x.geojson").read_text())["features"]
    assert feature["geometry"]["type"] == "MultiPolygon"
    spans = [np.ptp(np.array(part[0])[:, 0]) for part in feature["geometry"]["coordinates"]]
    assert max(spans) < 1


def test_geopackage_facts(tmp_path):
    path = tmp_path / "sites.gpkg"
    write_layers(path, {"sites": sites(), "points": points()}, when=datetime(2026, 11, 20, 8, tzinfo=UTC))
    assert query(path, "PRAGMA user_version") == [(10200,)]
    assert query(path, "PRAGMA journal_mode") == [("delete",)]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(path, "SELECT DISTINCT last_change FROM gpkg_contents") == [("2026-11-20T08:00:00.000Z",)]
    assert query(path, "SELECT table_name, data_type FROM gpkg_contents ORDER BY 1") == [
        ("layer_styles", "attributes"),
        ("points", "features"),
        ("sites", "features"),
    ]
    assert pyogrio.list_layers(path).tolist()[:2] == [["sites", "Polygon"], ["points", "Point"]]
    assert pyogrio.read_info(path, layer="sites")["crs"] == UTM


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        ([box(0, 0, 1, 1)], "Polygon"),
        ([box(0, 0, 1, 1), MultiPolygon([box(0, 0, 1, 1), box(2, 2, 3, 3)])], "MultiPolygon"),
        ([], "Polygon"),
    ],
    ids=["single", "mixed", "empty"],
)
@pytest.mark.parametrize("writer", [write_gpkg, write_fgb])
def test_a_layer_has_one_geometry_type(tmp_path, shapes, kind, writer):
    path = tmp_path / ("x.gpkg" if writer is write_gpkg else "x.fgb")
    writer(path, gpd.GeoDataFrame(geometry=shapes, crs=UTM), "sites")
    assert pyogrio.read_info(path, layer="sites")["geometry_type"] == kind


def test_an_empty_points_layer_is_of_points(tmp_path):
    write_layers(tmp_path / "x.gpkg", {"outlines": sites(0), "points": points().iloc[:0]})
    assert pyogrio.read_info(tmp_path / "x.gpkg", layer="points")["geometry_type"] == "Point"


def test_every_layer_has_a_default_style(tmp_path):
    path = tmp_path / "x.gpkg"
    write_layers(path, {"outlines": sites(), "points": points()}, styles={"points": "<qgis/>"})
    rows = query(path, "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles ORDER BY 1")
    assert [row[:3] for row in rows] == [("outlines", "geom", 1), ("points", "geom", 1)]
    style = ElementTree.fromstring(rows[0][3])
    assert (style.findtext("layerGeometryType"), style.find(".//symbol").get("type")) == ("2", "fill")
    options = {option.get("name"): option.get("value") for option in style.iter("Option") if option.get("name")}
    assert options["style"] == "no"
    red, green, blue, _ = map(int, options["outline_color"].split(","))
    assert blue > red
    assert blue > green
    assert rows[1][3] == "<qgis/>"


def test_points_are_markers(tmp_path):
    write_layers(tmp_path / "x.gpkg", {"points": points()})
    ((text,),) = query(tmp_path / "x.gpkg", "SELECT styleQML FROM layer_styles")
    style = ElementTree.fromstring(text)
    assert (style.findtext("layerGeometryType"), style.find(".//symbol").get("type")) == ("0", "marker")


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "fgb"])
def test_a_full_disk_leaves_the_old_file(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    FORMATS[suffix](path, sites(600), "sites")
    size, before = path.stat().st_size, digest(path)
    for missing in (1, 200, 5000, size // 2, size - 100):
        with files_up_to(size - missing), pytest.raises(OutputError, match="Free space or choose another -o"):
            FORMATS[suffix](path, sites(600), "sites")
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
        assert digest(path) == before


def test_no_space_left_is_said(tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pyogrio, "write_dataframe", full)
    with pytest.raises(OutputError, match=r"disk of .* is full"):
        write_fgb(tmp_path / "x.fgb", sites())
    assert list(tmp_path.iterdir()) == []


def test_a_layer_needs_a_crs(tmp_path):
    for writer in FORMATS.values():
        with pytest.raises((InputError, MissingExtraError)):
            writer(tmp_path / "x", sites(crs=None), "sites")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_pyarrow_names_the_extra(tmp_path):
    with pytest.raises(MissingExtraError, match=r"geocellseg\[parquet\]"):
        export_of(tmp_path, "x.parquet")


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet_round_trip(tmp_path):
    export_of(tmp_path, "x.parquet")
    assert gpd.read_parquet(tmp_path / "x.parquet").geometry.tolist() == sites().geometry.tolist()


def export_of(tmp_path, name, frame=None, **options):
    source = tmp_path / "run.gpkg"
    write_layers(source, {"windows": sites(1), "sites": sites() if frame is None else frame})
    return export(source, tmp_path / name, **options)


def test_export_filters_and_reprojects(tmp_path):
    assert export_of(tmp_path, "x.fgb", crs=32638, min_score=0.5) == 2
    back = pyogrio.read_dataframe(tmp_path / "x.fgb")
    assert back.crs == "EPSG:32638"
    assert sorted(back["score"]) == pytest.approx([0.55, 0.9])


def test_export_leaves_out_rows_without_score_or_geometry(tmp_path):
    frame = sites()
    frame.loc[2, "score"] = np.nan
    frame.loc[0, "geometry"] = None
    assert export_of(tmp_path, "x.gpkg", frame, min_score=0.1) == 1
    assert read_sites(tmp_path / "x.gpkg")[0] == "sites"


def test_export_refuses_what_it_cannot_do(tmp_path):
    with pytest.raises(ConfigError, match=r"one of \.gpkg, \.geojson, \.fgb, \.parquet; got x\.shp"):
        export_of(tmp_path, "x.shp")
    with pytest.raises(ConfigError, match="WGS84 by its standard"):
        export_of(tmp_path, "x.geojson", crs=32637)
    with pytest.raises(ConfigError, match="EPSG"):
        export_of(tmp_path, "x.gpkg", crs="nowhere")
    with pytest.raises(InputError, match="column score"):
        export_of(tmp_path, "x.gpkg", sites().drop(columns="score"), min_score=0.5)
    export_of(tmp_path, "x.geojson", crs=4326)
    with pytest.raises(OutputError, match="exists"):
        export_of(tmp_path, "x.geojson")
    assert export_of(tmp_path, "x.geojson", overwrite=True) == 3


def test_export_reads_runs_only(tmp_path):
    (tmp_path / "text.gpkg").write_text("hello")
    write_layers(tmp_path / "other.gpkg", {"fields": sites()})
    with pytest.raises(InputError, match="must be a GeoPackage"):
        read_sites(tmp_path / "text.gpkg")
    with pytest.raises(InputError, match="needs a layer sites or outlines; it has fields"):
        read_sites(tmp_path / "other.gpkg")
    with pytest.raises(InputError, match="is not there"):
        read_sites(tmp_path / "none.gpkg")
    with pytest.raises(InputError, match="is an address"):
        read_sites("https://example.org/sites.gpkg")


def test_export_blurs(tmp_path):
    export_of(tmp_path, "x.geojson", blur_metres=2000)
    features = json.loads((tmp_path / "x.geojson").read_text())["features"]
    assert [set(feature["properties"]) for feature in features] == [{"id", "score", "area_m2"}] * 3
    assert blur(sites(0), 100).empty
