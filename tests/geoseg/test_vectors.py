from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely

from geoseg.grid import GeoGrid
from geoseg.vectors import rasterise, rasterise_ids, read_points, read_polygons
from segcore.errors import ConfigError, InputError
from segcore.windows import Window

WriteLayer = Callable[..., Path]
XY = np.array([[400_010.0, 3_699_990.0], [400_100.0, 3_699_900.0], [400_239.0, 3_699_821.0]])
FAR = np.array([[500_000.0, 3_600_000.0]])
LONLAT = np.column_stack(pyproj.Transformer.from_crs(32638, 4326, always_xy=True).transform(*XY.T))


def _geojson(path: Path, coordinates: list[Any], ids: list[Any] | None = None) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": {} if ids is None else {"id": ids[number]},
            "geometry": None if place is None else {"type": "Point", "coordinates": place},
        }
        for number, place in enumerate(coordinates)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.mark.parametrize("name", ["a.gpkg", "a.shp", "a.geojson", "a.fgb", "a.gpx"])
def test_every_format_gives_the_same_points(write_layer: WriteLayer, grid: GeoGrid, name: str) -> None:
    degrees = name.endswith((".gpx", ".geojson"))
    column = "name" if name.endswith(".gpx") else "id"
    points = read_points(
        write_layer(LONLAT if degrees else XY, name, crs=4326 if degrees else 32638, columns={column: ["u", "v", "w"]}), grid
    )
    order = np.argsort(points.ids)
    assert [points.ids[i] for i in order] == ["u", "v", "w"]
    np.testing.assert_allclose(points.xy[order], XY, atol=1e-3)
    assert points.crs.equals(pyproj.CRS.from_epsg(32638))
    assert (points.outside, points.labels, len(points)) == (0, None, 3)
    assert any("reprojected from EPSG:4326 to EPSG:32638" in note for note in points.notes) == degrees


def test_kml_takes_its_names(write_layer: WriteLayer, grid: GeoGrid) -> None:
    path = write_layer(LONLAT, "a.kml", crs=4326, columns={"Name": ["u", "v", "w"]}, driver="KML")
    assert read_points(path, grid).ids == ("u", "v", "w")


def test_attributes_are_never_loaded(write_layer: WriteLayer, grid: GeoGrid, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else a layer says of its sites does not even reach the process."""
    loaded: list[str] = []
    read = pyogrio.read_dataframe

    def spy(*args: Any, **options: Any) -> Any:
        frame = read(*args, **options)
        loaded.extend(frame.columns)
        return frame

    monkeypatch.setattr(pyogrio, "read_dataframe", spy)
    columns = {"id": [5, 6, 7], "diam_m": [51.0, 80.0, 120.0], "kind": ["tell", "tell", "mound"], "name": ["x", "y", "z"]}
    points = read_points(write_layer(XY, columns=columns), grid, label="KIND")
    assert set(loaded) == {"id", "name", "kind", "geometry"}
    assert points.ids == ("5", "6", "7")
    assert points.labels == ("tell", "tell", "mound")


def test_attributes_of_tables_and_outlines_are_never_loaded(write_layer: WriteLayer, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("lon,lat,diam_m\n44,33,not read\n")
    assert read_points(tmp_path / "a.csv", None).ids == ("p0001",)
    path = write_layer([shapely.box(0, 0, 1, 1)], "a.gpkg", columns={"diam_m": [3.0], "ID": ["q"]})
    assert list(read_polygons(path, "EPSG:32638").columns) == ["id", "geometry"]


def test_ids_must_tell_points_apart(write_layer: WriteLayer, grid: GeoGrid) -> None:
    doubled = read_points(write_layer(XY, columns={"id": ["a", "a", "b"]}), grid)
    assert doubled.ids == ("p0001", "p0002", "p0003")
    assert any("id of points.gpkg is not unique" in note for note in doubled.notes)
    assert read_points(write_layer(XY, "b.gpkg", columns={"ID": ["a", "a", "b"], "Name": ["x", "y", "z"]}), grid).ids == ("x", "y", "z")
    assert read_points(write_layer(XY, "c.gpkg", columns={"id": [1000.0, 2.5, 3.0]}), grid).ids == ("1000", "2.5", "3")
    assert read_points(write_layer(XY, "d.gpkg", columns={"diam_m": [1, 2, 3]}), grid).ids == ("1", "2", "3")  # the GeoPackage's own
    assert read_points(write_layer(XY, "e.geojson", columns={"diam_m": [1, 2, 3]}), grid).ids == ("p0001", "p0002", "p0003")


def test_points_outside_are_counted_and_left_out(write_layer: WriteLayer, grid: GeoGrid) -> None:
    points = read_points(write_layer(np.vstack([FAR, XY]), columns={"diam_m": [0, 1, 2, 3]}, name="a.geojson"), grid)
    assert points.outside == 1
    assert points.ids == ("p0002", "p0003", "p0004")
    assert "1 of 4 points of a.geojson lie outside the raster." in points.notes
    with pytest.raises(InputError, match=r"all 1 of b\.gpkg are at x 500000 to 500000.*Check the CRS"):
        read_points(write_layer(FAR, "b.gpkg"), grid)


def test_swapped_axes_are_recognised(tmp_path: Path, grid: GeoGrid) -> None:
    path = _geojson(tmp_path / "a.geojson", LONLAT[:, ::-1].tolist())
    with pytest.raises(InputError, match="With x and y swapped 3 would"):
        read_points(path, grid)


def test_places_that_the_raster_cannot_name_are_outside(tmp_path: Path, grid: GeoGrid) -> None:
    path = _geojson(tmp_path / "a.geojson", [*LONLAT.tolist(), [-135.0, 0.0], [180.0, -90.0]])
    assert read_points(path, grid).outside == 2


def test_repeated_places_and_missing_geometries(tmp_path: Path, grid: GeoGrid) -> None:
    path = _geojson(tmp_path / "a.geojson", [*LONLAT.tolist(), None, LONLAT[0].tolist()], ids=["a", "b", "c", "d", "e"])
    points = read_points(path, grid)
    assert points.ids == ("a", "b", "c")
    assert "1 of 5 features of a.geojson have no geometry and are left out." in points.notes
    assert "1 of 4 points of a.geojson repeat another; each place is kept once." in points.notes


def test_without_a_raster_points_stay_where_they_are(write_layer: WriteLayer) -> None:
    points = read_points(write_layer(np.vstack([XY, FAR])), None)
    np.testing.assert_array_equal(points.xy, np.vstack([XY, FAR]))
    assert points.outside == 0


def test_a_missing_crs(write_layer: WriteLayer, grid: GeoGrid) -> None:
    path = write_layer(XY, "a.shp")
    path.with_suffix(".prj").unlink()
    with pytest.raises(InputError, match=r"needs a CRS; a\.shp has none\. Pass their CRS with --points-crs"):
        read_points(path, grid)
    np.testing.assert_array_equal(read_points(path, grid, crs="EPSG:32638").xy, XY)
    with pytest.raises(ConfigError, match="written like EPSG:32638, got nonsense"):
        read_points(path, grid, crs="nonsense")


def test_geojson_that_holds_metres(tmp_path: Path, grid: GeoGrid) -> None:
    path = _geojson(tmp_path / "a.geojson", XY.tolist())
    with pytest.raises(InputError, match=r"EPSG:4326 are degrees; a\.geojson holds values up to 400239 3699990"):
        read_points(path, grid)
    points = read_points(path, grid, crs="EPSG:32638")
    np.testing.assert_array_equal(points.xy, XY)
    assert points.notes[0] == "a.geojson says EPSG:4326; it is read as EPSG:32638, as asked."


@pytest.mark.parametrize(
    "shapes",
    [[shapely.LineString([(0, 0), (1, 1)])], [shapely.box(0, 0, 1, 1)], [shapely.MultiPoint([(0, 0), (1, 1)])]],
    ids=["line", "polygon", "multipoint"],
)
def test_other_geometries_are_no_points(write_layer: WriteLayer, shapes: list[Any]) -> None:
    with pytest.raises(InputError, match=r"a layer of points is needed|one feature is one point"):
        read_points(write_layer(shapes), None)


def test_single_members_are_points_and_lines_beside_points_are_left_out(write_layer: WriteLayer, grid: GeoGrid) -> None:
    np.testing.assert_array_equal(read_points(write_layer([shapely.MultiPoint([xy]) for xy in XY]), grid).xy, XY)
    mixed = read_points(write_layer([*shapely.points(XY), shapely.LineString(XY)], "a.geojson", crs=32638), grid)
    assert len(mixed) == 3
    assert "1 of 4 features of a.geojson are no points and are left out." in mixed.notes


def test_heights_are_ignored(write_layer: WriteLayer, grid: GeoGrid) -> None:
    path = write_layer([shapely.Point(x, y, 250.0) for x, y in XY])
    np.testing.assert_array_equal(read_points(path, grid).xy, XY)


def test_the_first_layer_with_points_is_read(write_layer: WriteLayer, tmp_path: Path, grid: GeoGrid) -> None:
    path = write_layer([shapely.box(0, 0, 1, 1)], "a.gpkg", layer="fields")
    write_layer(XY, "a.gpkg", layer="sites", mode="a")
    assert read_points(path, grid).notes == ()
    write_layer(FAR, "a.gpkg", layer="others", mode="a")
    assert read_points(path, grid).notes == ("a.gpkg has the layers sites, others; sites is read.",)
    assert len(read_polygons(path, "EPSG:32638")) == 1
    with pytest.raises(InputError, match="has fields, sites, others, got tells"):
        read_polygons(path, "EPSG:32638", layer="tells")


def test_files_that_are_no_layers(tmp_path: Path, write_layer: WriteLayer, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="is not there"):
        read_points(tmp_path / "none.gpkg", None)
    (tmp_path / "junk.geojson").write_text('{"type": "FeatureColl')
    path = write_layer(XY)
    path.write_bytes(path.read_bytes()[:20_000])
    for broken in (tmp_path / "junk.geojson", path):
        with pytest.raises(InputError, match="a file GDAL can read"):
            read_points(broken, None)
    with pytest.raises(InputError, match="needs at least one feature"):
        read_points(_geojson(tmp_path / "empty.geojson", []), None)
    with pytest.raises(InputError, match="nothing but features without geometry"):
        read_points(_geojson(tmp_path / "null.geojson", [None]), None)
    assert capfd.readouterr() == ("", "")


def test_a_label_must_be_there(write_layer: WriteLayer, grid: GeoGrid) -> None:
    with pytest.raises(InputError, match=r"points\.gpkg has no kind"):
        read_points(write_layer(XY), grid, label="kind")


def test_outlines_come_valid_and_in_the_crs_asked_for(write_layer: WriteLayer) -> None:
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    line = shapely.LineString([(0, 0), (1, 1)])
    path = write_layer([bow, shapely.box(0, 0, 1, 1), line, None], "a.geojson", crs=32638, columns={"id": ["a", "b", "c", "d"]})
    found = read_polygons(path, rasterio.CRS.from_epsg(32637))
    assert found.crs == pyproj.CRS.from_epsg(32637)
    assert list(found["id"]) == ["a", "b"]
    assert found.is_valid.all()
    assert set(found.geom_type) <= {"Polygon", "MultiPolygon"}
    np.testing.assert_allclose(read_polygons(path, "EPSG:32638").area, [50, 1], rtol=1e-9)


def test_outlines_without_area_or_of_another_kind(write_layer: WriteLayer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="outlines need an area"):
        read_polygons(write_layer([shapely.Polygon([(0, 0), (1, 1), (2, 2)])]), "EPSG:32638")
    with pytest.raises(InputError, match="a layer of polygons is needed"):
        read_polygons(write_layer(XY, "b.gpkg"), "EPSG:32638")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(InputError, match="outlines come from a layer"):
        read_polygons(tmp_path / "a.csv", "EPSG:32638")


def test_pixels_whose_centre_lies_inside(grid: GeoGrid) -> None:
    square = shapely.box(400_005.0, 3_699_985.0, 400_015.0, 3_699_995.0)  # 10 m: edges run through pixel centres and rims
    window = Window(-2, -3, 30, 40)
    rows, cols = np.mgrid[:30, :40]
    centres = grid.to_map(np.column_stack([rows.ravel() - 2 + 0.5, cols.ravel() - 3 + 0.5]))
    near = shapely.box(400_005.01, 3_699_985.01, 400_015.01, 3_699_995.01)
    expected = shapely.contains_xy(near, *centres.T).reshape(30, 40)
    np.testing.assert_array_equal(rasterise([near], grid, window), expected)
    assert rasterise([square], grid, window).sum() * 4 == pytest.approx(square.area, abs=24)
    assert expected.sum() == 25


def test_numbers_of_geometries_count_from_one(grid: GeoGrid) -> None:
    boxes = geopandas.GeoSeries([shapely.box(0, 0, 1, 1), shapely.box(400_000, 3_699_980, 400_010, 3_700_000), shapely.Polygon()])
    ids = rasterise_ids(boxes, grid, Window(0, 0, 20, 20))
    assert ids.dtype == np.int32
    assert np.unique(ids).tolist() == [0, 2]
    assert (ids == 2).sum() == 50
    assert not rasterise([], grid, Window(0, 0, 4, 4)).any()
