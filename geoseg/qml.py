"""How a layer looks when QGIS opens it: hand-written symbology, understood by QGIS 3.22 and later."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from types import MappingProxyType

_STYLE = """<qgis version="3.22" styleCategories="Symbology">
 <renderer-v2 type="singleSymbol">
  <symbols>
   <symbol name="0" type="{kind}" alpha="1">
    <layer class="{symbol}" enabled="1">
     <Option type="Map">
{options}
     </Option>
    </layer>
   </symbol>
  </symbols>
 </renderer-v2>
 <layerGeometryType>{geometry}</layerGeometryType>
</qgis>
"""

_TABLE = """CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),
 f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
 useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME)"""

OUTLINE: Mapping[str, str] = MappingProxyType(
    {"style": "no", "outline_style": "solid", "outline_color": "31,90,255,255", "outline_width": "0.46", "outline_width_unit": "MM"}
)
"""Polygons: a blue line, the raster stays visible inside."""

MARKER: Mapping[str, str] = MappingProxyType(
    {"name": "circle", "size": "1.6", "size_unit": "MM", "color": "255,214,0,255", "outline_color": "35,35,35,255", "outline_width": "0.2"}
)
"""Points: a small yellow dot with a dark rim."""


def polygon_style(options: Mapping[str, str] = OUTLINE) -> str:
    """QML for a polygon layer with one simple fill."""
    return _STYLE.format(kind="fill", symbol="SimpleFill", options=_options(options), geometry=2)


def point_style(options: Mapping[str, str] = MARKER) -> str:
    """QML for a point layer with one simple marker."""
    return _STYLE.format(kind="marker", symbol="SimpleMarker", options=_options(options), geometry=0)


def add_styles(base: sqlite3.Connection, styles: Mapping[str, str], stamp: str) -> None:
    """Make each QML the default style of the layer it is named for, in an open GeoPackage without styles.

    QGIS reads them from the table layer_styles by itself and does not list that table as a layer.
    """
    base.execute(_TABLE)
    base.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, last_change) VALUES (?, ?, ?, ?)",
        ("layer_styles", "attributes", "layer_styles", stamp),
    )
    columns = dict(base.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchall())
    base.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML,"
        " useAsDefault, description, owner, update_time) VALUES ('', '', ?, ?, ?, ?, 1, '', '', ?)",
        [(layer, columns[layer], layer, style, stamp) for layer, style in styles.items()],
    )


def _options(options: Mapping[str, str]) -> str:
    return "\n".join(f'      <Option name="{name}" type="QString" value="{value}"/>' for name, value in options.items())
