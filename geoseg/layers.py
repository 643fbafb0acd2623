"""Vector files and tables as geometries with at most a few named columns; every other attribute is dropped unread."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import geopandas
import numpy as np
import pandas
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from geoseg.trust import check_layer, local_file
from segcore.errors import ConfigError, InputError, MissingExtraError

Kind = Literal["points", "polygons"]

_SHAPES: dict[Kind, tuple[str, ...]] = {"points": ("Point", "MultiPoint"), "polygons": ("Polygon", "MultiPolygon")}
_CRS_HINT: dict[Kind, str] = {
    "points": "Pass their CRS with --points-crs, such as EPSG:4326 for longitude and latitude or EPSG:32638 for metres.",
    "polygons": "Save it with its CRS as GeoPackage (QGIS: Layer > Set CRS, then Export).",
}
_DEGREES = (("lon", "lat"), ("longitude", "latitude"), ("long", "lat"), ("lng", "lat"))
_METRES = (("x", "y"), ("easting", "northing"))
_TABLES = (".csv", ".tsv", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Geometries of one kind, in the CRS of their file."""

    frame: geopandas.GeoDataFrame
    """Geometries of that kind only, none missing or empty; the index is the place in the file, from 0."""
    crs: pyproj.CRS
    """What the coordinates mean."""
    notes: tuple[str, ...]
    """One line for each thing the user should know."""


def read_layer(
    path: Path | str, kind: Kind, columns: Sequence[str], *, crs: str | None = None, layer: str | None = None, prefer: str = ""
) -> Layer:
    """Read one layer; of its attributes only those named in columns (any case) are loaded.

    crs: what the coordinates mean, instead of what the file says. layer: its name, by default the one called prefer,
    else the first of that kind.

    Raises:
        InputError: the file is missing or unreadable, has no such layer, is empty, holds other geometries, has no
            CRS, or its coordinates cannot be degrees although its CRS says so.
        ConfigError: crs is no CRS.
        MissingExtraError: a Parquet file without pyarrow.
    """
    text = Path(local_file(path, what="a layer"))
    check_layer(text)
    asked = None if crs is None else parse_crs(crs)
    if text.suffix.lower() in _TABLES:
        found = _read_table(text, kind, columns, asked)
    elif text.suffix.lower() in (".parquet", ".geoparquet"):
        found = _read_parquet(text, columns), ()
    else:
        found = _read_ogr(text, kind, columns, layer, prefer)
    return _checked(text, kind, *found, asked)


def parse_crs(text: str) -> pyproj.CRS:
    """A CRS from what a user writes, such as EPSG:32638.

    Raises:
        ConfigError: PROJ does not know it.
    """
    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError:
        raise ConfigError(f"a CRS is written like EPSG:32638, got {text}.") from None


def name_crs(crs: pyproj.CRS) -> str:
    """EPSG:n where the CRS has such a code, else its name."""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.name)


def _checked(path: Path, kind: Kind, frame: geopandas.GeoDataFrame, notes: tuple[str, ...], asked: pyproj.CRS | None) -> Layer:
    """Keep whole geometries of the kind, settle what their coordinates mean."""
    if len(frame) == 0:
        raise InputError(f"a layer of {kind} needs at least one feature; {path.name} has none. Check the file in QGIS.")
    kept, more = _of_kind(path, kind, frame.reset_index(drop=True))
    own = None if frame.crs is None else pyproj.CRS.from_user_input(frame.crs)
    crs = asked or own
    if crs is None:
        raise InputError(f"a layer needs a CRS; {path.name} has none. {_CRS_HINT[kind]}")
    if asked is not None and own is not None and not own.equals(asked, ignore_axis_order=True):
        more = (*more, f"{path.name} says {name_crs(own)}; it is read as {name_crs(asked)}, as asked.")
    _require_degrees(path, kind, kept, crs)
    return Layer(frame=kept.set_crs(crs, allow_override=True), crs=crs, notes=(*notes, *more))


def _of_kind(path: Path, kind: Kind, frame: geopandas.GeoDataFrame) -> tuple[geopandas.GeoDataFrame, tuple[str, ...]]:
    shapes = frame.geometry.geom_type
    present = frame.geometry.notna() & ~frame.geometry.is_empty
    fitting = present & shapes.isin(_SHAPES[kind])
    if not fitting.any():
        came = ", ".join(sorted(set(shapes[present]))) or "nothing but features without geometry"
        hint = "Take points of them first (QGIS: Vector > Geometry > Centroids)." if kind == "points" else "Pass a layer of outlines."
        raise InputError(f"a layer of {kind} is needed; {path.name} holds {came}. {hint}")
    notes = []
    if not present.all():
        notes.append(f"{(~present).sum()} of {len(frame)} features of {path.name} have no geometry and are left out.")
    if (present & ~fitting).any():
        notes.append(f"{(present & ~fitting).sum()} of {len(frame)} features of {path.name} are no {kind} and are left out.")
    return frame[fitting], tuple(notes)


def _require_degrees(path: Path, kind: Kind, frame: geopandas.GeoDataFrame, crs: pyproj.CRS) -> None:
    """Coordinates in a geographic CRS must be degrees; GeoJSON without a CRS often holds metres."""
    minx, miny, maxx, maxy = (float(value) for value in shapely.total_bounds(frame.geometry.to_numpy()))
    if not np.isfinite([minx, miny, maxx, maxy]).all():
        raise InputError(f"coordinates must be numbers; {path.name} holds infinite ones. Repair the layer in QGIS.")
    if crs.is_geographic and (max(-minx, maxx) > 180.000001 or max(-miny, maxy) > 90.000001):
        far = f"{max(abs(minx), maxx):.7g} {max(abs(miny), maxy):.7g}"
        raise InputError(f"coordinates in {name_crs(crs)} are degrees; {path.name} holds values up to {far}. {_CRS_HINT[kind]}")


def _read_ogr(
    path: Path, kind: Kind, columns: Sequence[str], layer: str | None, prefer: str
) -> tuple[geopandas.GeoDataFrame, tuple[str, ...]]:
    try:
        chosen, notes = _choose_layer(path, kind, layer, prefer)
        info = pyogrio.read_info(path, layer=chosen)
        wanted = _wanted([field for field in info["fields"] if field != "id" or "KML" not in info["driver"]], columns)
        fid = bool(info["fid_column"]) and "fid" in columns and not wanted  # a GeoPackage's own numbers, for want of better ids
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            frame = pyogrio.read_dataframe(path, layer=chosen, columns=wanted, fid_as_index=fid)
    except (DataSourceError, DataLayerError) as error:
        came = _short(error, path)
        raise InputError(f"a layer must be a file GDAL can read, such as GeoPackage; {path} is not ({came}). Save it again.") from None
    notes = (*notes, *dict.fromkeys(f"{path.name}: {warning.message}" for warning in heard))
    return geopandas.GeoDataFrame(frame.reset_index(names="fid") if fid else frame), notes


def _choose_layer(path: Path, kind: Kind, asked: str | None, prefer: str) -> tuple[str, tuple[str, ...]]:
    """The layer asked for, else of those whose declared geometry may be of the kind the preferred or the first."""
    layers = [(str(name), shape) for name, shape in pyogrio.list_layers(path)]
    names = [name for name, _ in layers]
    if asked is not None and asked not in names:
        raise InputError(f"a layer is chosen by its name; {path.name} has {', '.join(names)}, got {asked}.")
    words = {"points": ("Point", "Unknown", "Geometry"), "polygons": ("Polygon", "Surface", "Unknown", "Geometry")}[kind]
    fitting = [name for name, shape in layers if shape and any(word in shape for word in words)]
    if asked is None and not fitting:
        came = ", ".join(f"{name} ({shape or 'no geometry'})" for name, shape in layers) or "no layer at all"
        hint = "Take points of them first (QGIS: Vector > Geometry > Centroids)." if kind == "points" else "Pass a layer of outlines."
        raise InputError(f"a layer of {kind} is needed; {path.name} has {came}. {hint}")
    chosen = asked or (prefer if prefer in fitting else fitting[0])
    notes = () if asked or len(fitting) == 1 else (f"{path.name} has the layers {', '.join(fitting)}; {chosen} is read.",)
    return chosen, notes


def _wanted(fields: Sequence[str], columns: Sequence[str]) -> list[str]:
    lower = {column.lower() for column in columns}
    return [str(field) for field in fields if str(field).lower() in lower]


def _read_parquet(path: Path, columns: Sequence[str]) -> geopandas.GeoDataFrame:
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError("Parquet files need pyarrow, which is not installed. Run: pip install 'geocellseg[parquet]'") from None
    try:
        schema = parquet.read_schema(path)
        geometry = re.search(r'"primary_column"\s*:\s*"([^"]+)"', (schema.metadata or {}).get(b"geo", b"").decode())
        name = geometry[1] if geometry else "geometry"
        return geopandas.read_parquet(path, columns=[*_wanted([field for field in schema.names if field != name], columns), name])
    except (ValueError, KeyError, OSError) as error:
        raise InputError(
            f"a layer must be a file that can be read; {path} is no GeoParquet ({_short(error, path)}). Save it again."
        ) from None


def _read_table(path: Path, kind: Kind, columns: Sequence[str], asked: pyproj.CRS | None) -> tuple[geopandas.GeoDataFrame, tuple[str, ...]]:
    """Points of a table with lon/lat or x/y columns; a comma may stand for the decimal point where it does not part columns."""
    if kind != "points":
        raise InputError(f"outlines come from a layer such as GeoPackage; {path.name} is a table. Save outlines as a layer.")
    table, delimiter = _load_table(path, columns)
    x, y, degrees = _coordinate_columns(path, table)
    numbers = table[[x, y]].apply(lambda column: column.str.strip().str.replace(",", ".") if delimiter != "," else column.str.strip())
    values = numbers.apply(pandas.to_numeric, errors="coerce")
    wrong = values.isna().any(axis=1) & numbers.notna().all(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        came = " ".join(map(str, table.loc[row, [x, y]]))
        raise InputError(f"{x} and {y} must be numbers; row {row + 2} of {path.name} has {came}. Correct the table.")
    points = np.full(len(table), None, dtype=object)
    whole = values.notna().all(axis=1).to_numpy()
    points[whole] = shapely.points(values[whole].to_numpy(dtype=np.float64))
    crs = asked or (pyproj.CRS.from_epsg(4326) if degrees else None)
    kept = table[_wanted([column for column in table.columns if column not in (x, y)], columns)]
    return geopandas.GeoDataFrame(kept, geometry=points, crs=crs), ()


def _load_table(path: Path, columns: Sequence[str]) -> tuple[pandas.DataFrame, str]:
    """Coordinate and named columns as text; the delimiter is the commonest candidate of the header."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="cp1252", errors="replace")
    header = text.partition("\n")[0]
    delimiter = max(",;\t|", key=header.count)
    wanted = {name for pair in (*_DEGREES, *_METRES) for name in pair} | {column.lower() for column in columns}
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    keep = {number: name for number, name in enumerate(names) if name.lower() in wanted}
    try:
        table = pandas.read_csv(io.StringIO(text), sep=delimiter, header=None, skiprows=1, usecols=list(keep), dtype=str, index_col=False)
    except (ValueError, pandas.errors.ParserError, pandas.errors.EmptyDataError):
        table = pandas.DataFrame({number: pandas.Series(dtype=str) for number in keep})
    return table.rename(columns=keep), delimiter


def _coordinate_columns(path: Path, table: pandas.DataFrame) -> tuple[str, str, bool]:
    by_lower: dict[str, str] = {str(column).lower(): str(column) for column in table.columns}
    for pairs, degrees in ((_DEGREES, True), (_METRES, False)):
        for x, y in pairs:
            if x in by_lower and y in by_lower:
                return by_lower[x], by_lower[y], degrees
    raise InputError(f"a table of points needs the columns lon and lat, or x and y; {path.name} has neither. Rename its columns.")


def _short(error: Exception, path: Path) -> str:
    text = " ".join(str(error).replace(f"'{path}'", "it").replace(str(path), "it").split()).split("; It might")[0].rstrip(".")
    return text if len(text) <= 120 else f"{text[:117]}..."
