import sqlite3
from contextlib import closing
from xml.etree import ElementTree

import pytest

from geoseg.qml import MARKER, OUTLINE, add_styles, point_style, polygon_style


@pytest.mark.parametrize(
    ("qml", "kind", "symbol", "geometry", "options"),
    [(polygon_style(), "fill", "SimpleFill", "2", OUTLINE), (point_style(), "marker", "SimpleMarker", "0", MARKER)],
    ids=["polygons", "points"],
)
def test_a_style_is_one_symbol_with_its_options(qml, kind, symbol, geometry, options):
    root = ElementTree.fromstring(qml)
    assert (root.tag, root.get("styleCategories")) == ("qgis", "Symbology")
    assert root.find("renderer-v2").get("type") == "singleSymbol"
    assert root.find("renderer-v2/symbols/symbol").get("type") == kind
    assert root.find("renderer-v2/symbols/symbol/layer").get("class") == symbol
    assert root.findtext("layerGeometryType") == geometry
    assert {option.get("name"): option.get("value") for option in root.iter("Option") if option.get("name")} == dict(options)


def test_polygons_have_no_fill_and_another_colour_can_be_asked_for():
    assert OUTLINE["style"] == "no"
    assert "1,2,3,255" in polygon_style({**OUTLINE, "outline_color": "1,2,3,255"})


def test_styles_are_registered_as_attributes():
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT, identifier TEXT, last_change TEXT)")
        base.execute("CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT)")
        base.execute("INSERT INTO gpkg_geometry_columns VALUES ('sites', 'shape')")
        add_styles(base, {"sites": "<qgis/>"}, "2026-01-01T00:00:00.000Z")
        assert base.execute("SELECT * FROM gpkg_contents").fetchall() == [
            ("layer_styles", "attributes", "layer_styles", "2026-01-01T00:00:00.000Z")
        ]
        assert base.execute("SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles").fetchall() == [
            ("sites", "shape", "<qgis/>", 1)
        ]
