"""Polygons as files that maps open: GeoPackage, GeoJSON, FlatGeobuf, GeoParquet; whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS

from geoseg.blur import blur
from geoseg.layers import parse_crs
from geoseg.names import FORMAT_NAMES
from geoseg.qml import add_styles, point_style, polygon_style
from geoseg.trust import check_layer, local_file
from segcore.errors import ConfigError, InputError, MissingExtraError, OutputError
from segcore.files import fresh_file, require_free

SITE_LAYERS = ("sites", "outlines")
"""Layers that export looks for, in this order."""

_POINT_LAYERS = frozenset({"points"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Writer = Callable[[Path, gpd.GeoDataFrame, str], None]
"""Writes one layer under a name to a file."""


def write_layers(
    path: Path, layers: Mapping[str, gpd.GeoDataFrame], *, styles: Mapping[str, str] | None = None, when: datetime = _EPOCH
) -> None:
    """Write layers to one GeoPackage 1.2, in the CRS they have, with a default QGIS style for each.

    A polygon layer is of type Polygon, or MultiPolygon where any row has parts. The file holds no time but `when`, so
    the same layers make the same bytes; it is left in journal mode DELETE.

    Args:
        path: the file; replaced where it exists.
        layers: name -> layer, the main one first. One that is named points is made of points, even when empty.
        styles: name -> QML; blue outlines and yellow dots by default.
        when: time of the last change to write down.

    Raises:
        InputError: a layer has no CRS.
        OutputError: the disk is full or the folder closed; nothing is left behind then.
    """
    stamp = when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    with _whole(path) as scratch:
        for name, frame in layers.items():
            _write(scratch, frame, name, "GPKG", **({} if scratch.exists() else {"VERSION": "1.2"}))
        with closing(sqlite3.connect(scratch)) as base, base:
            _check_index(base, layers)
            defaults = {name: point_style() if _kind(name, frame) == "Point" else polygon_style() for name, frame in layers.items()}
            add_styles(base, {**defaults, **(styles or {})}, stamp)
            base.execute("UPDATE gpkg_contents SET last_change = ?", (stamp,))


def write_gpkg(path: Path, frame: gpd.GeoDataFrame, layer: str = "sites") -> None:
    """Write one styled layer to a GeoPackage; see write_layers."""
    write_layers(path, {layer: frame})


def write_geojson(path: Path, frame: gpd.GeoDataFrame, layer: str = "sites") -> None:
    """Write RFC 7946 GeoJSON, whatever the CRS of the layer.

    WGS84 longitude and latitude with 7 decimals (about 1 cm), no crs member, shells counter-clockwise, cut at the
    antimeridian.

    Raises:
        InputError: the layer has no CRS.
        OutputError: the disk is full or the folder closed.
    """
    with _whole(path) as scratch:
        _write(scratch, frame, layer, "GeoJSON", RFC7946="YES")


def write_fgb(path: Path, frame: gpd.GeoDataFrame, layer: str = "sites") -> None:
    """Write FlatGeobuf in the CRS of the layer; rows come back in the order of its spatial index.

    Raises:
        InputError: the layer has no CRS.
        OutputError: the disk is full or the folder closed.
    """
    with _whole(path) as scratch:
        _write(scratch, frame, layer, "FlatGeobuf")


def write_parquet(path: Path, frame: gpd.GeoDataFrame, layer: str = "sites") -> None:
    """Write GeoParquet in the CRS of the layer; the format has no layer name.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise MissingExtraError("GeoParquet needs pyarrow, which is not installed. Run pip install 'geocellseg[parquet]', or write .fgb.")
    with _whole(path) as scratch:
        _with_crs(frame).to_parquet(scratch, index=False)


FORMATS: Mapping[str, Writer] = MappingProxyType(
    dict(zip(FORMAT_NAMES, (write_gpkg, write_geojson, write_fgb, write_parquet), strict=True))
)
"""Suffix without its dot -> writer."""


def export(
    sites: Path,
    out: Path,
    *,
    crs: Any = None,
    blur_metres: float | None = None,
    min_score: float | None = None,
    overwrite: bool = False,
) -> int:
    """Write the found sites of a GeoPackage in another format; returns how many were written.

    Args:
        sites: GeoPackage with a layer sites or outlines.
        out: file; its suffix chooses the format.
        crs: EPSG number or anything else that names a CRS; default: that of the layer, for GeoJSON always WGS84.
        blur_metres: hide exact places, see blur.
        min_score: leave out what has a lower value in the column score, or none.
        overwrite: whether out may exist.

    Raises:
        ConfigError: the suffix is unknown, or an option is out of range.
        InputError: the GeoPackage cannot be read, is empty of such layers, or lacks the column score.
        OutputError: out exists or cannot be written.
    """
    suffix = out.suffix.lstrip(".").lower()
    if suffix not in FORMATS:
        raise ConfigError(f"a format is chosen by the suffix, one of {', '.join(f'.{name}' for name in FORMATS)}; got {out.name}.")
    target = None if crs is None else parse_crs(crs)
    if suffix == "geojson" and target not in (None, CRS(4326)):
        raise ConfigError(f"GeoJSON is WGS84 by its standard (RFC 7946); got --crs {crs}. Write .gpkg or .fgb, or leave --crs out.")
    require_free(out, overwrite=overwrite)
    layer, frame = read_sites(sites)
    if min_score is not None:
        frame = _scoring(frame, min_score)
    if blur_metres is not None:
        frame = blur(frame, blur_metres)
    if target is not None:
        frame = frame.to_crs(target)
    FORMATS[suffix](out, frame, layer)
    return len(frame)


def read_sites(path: Path) -> tuple[str, gpd.GeoDataFrame]:
    """Read the layer of found sites: (its name, its rows with a geometry).

    Raises:
        InputError: the file cannot be read or has no layer sites or outlines.
    """
    names = _layer_names(path)
    layer = next((name for name in SITE_LAYERS if name in names), None)
    if layer is None:
        raise InputError(f"{path.name} needs a layer {' or '.join(SITE_LAYERS)}; it has {', '.join(names)}. Choose the file of a run.")
    with _readable(path):
        frame = _with_crs(pyogrio.read_dataframe(path, layer=layer))
    return layer, frame[frame.geometry.notna() & ~frame.geometry.is_empty].reset_index(drop=True)


def holds_sites(path: Path) -> bool:
    """Whether read_sites finds its layer in a file.

    Raises:
        InputError: the file cannot be read.
    """
    return not set(SITE_LAYERS).isdisjoint(_layer_names(path))


def _layer_names(path: Path) -> list[str]:
    path = Path(local_file(path, what="a layer of sites"))
    check_layer(path)
    with _readable(path):
        return [str(name) for name, _ in pyogrio.list_layers(path)]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what GDAL says of a file that it cannot read into one line."""
    try:
        yield
    except (DataSourceError, DataLayerError) as error:
        raise InputError(f"{path} must be a GeoPackage, but cannot be read as such ({_line(error)}). Choose the file of a run.") from error


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A scratch file that becomes path; what fails to write is said in one line, and nothing stays behind."""
    with fresh_file(path) as scratch:
        try:
            yield scratch
        except (DataSourceError, DataLayerError, sqlite3.Error) as error:
            reason = _line(error)
            raise OutputError(f"{path} could not be written whole ({reason}); nothing is kept. Free space or choose another -o.") from error
        finally:
            for rest in scratch.parent.glob(f"{scratch.stem}*"):
                if rest != scratch:
                    rest.unlink(missing_ok=True)


def _write(path: Path, frame: gpd.GeoDataFrame, layer: str, driver: str, **options: str) -> None:
    """Write one layer and count it again: GDAL keeps silent when the disk fills up while it closes a file."""
    kind = _kind(layer, frame)
    pyogrio.write_dataframe(
        _with_crs(frame), path, layer=layer, driver=driver, geometry_type=kind, promote_to_multi=kind == "MultiPolygon", **options
    )
    written = _count_lines(path) if driver == "GeoJSON" else len(pyogrio.read_bounds(path, layer=layer)[0])
    if written != len(frame):
        raise DataLayerError(f"{written} of {len(frame)} features of {layer}")


def _check_index(base: sqlite3.Connection, layers: Mapping[str, gpd.GeoDataFrame]) -> None:
    """Count the rows of each spatial index, for the same reason."""
    for name, frame in layers.items():
        (count,) = base.execute(f'SELECT count(*) FROM "rtree_{name}_geom"').fetchone()
        placed = int((frame.geometry.notna() & ~frame.geometry.is_empty).sum())
        if count != placed:
            raise DataLayerError(f"{count} of {placed} features in the spatial index of {name}")


def _count_lines(path: Path) -> int:
    """Features of a GeoJSON file as GDAL writes it, one a line; -1 where the last bracket is missing, which readers forgive."""
    line, count = b"", 0
    with path.open("rb") as stream:
        for line in stream:
            count += line.startswith(b'{ "type": "Feature",')
    return count if line == b"}\n" else -1


def _kind(layer: str, frame: gpd.GeoDataFrame) -> str:
    """The one geometry type of a layer."""
    if frame.empty:
        return "Point" if layer in _POINT_LAYERS else "Polygon"
    kinds = set(frame.geom_type.dropna())
    return "MultiPolygon" if kinds == {"Polygon", "MultiPolygon"} else kinds.pop() if len(kinds) == 1 else "Unknown"


def _with_crs(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    if frame.crs is None:
        raise InputError("a layer is written with its CRS; this one has none. Assign the raster's, for example in QGIS: Set Layer CRS.")
    return frame


def _scoring(frame: gpd.GeoDataFrame, min_score: float) -> gpd.GeoDataFrame:
    if "score" not in frame.columns:
        raise InputError(f"--min-score needs the column score; the layer has {', '.join(map(str, frame.columns))}. Leave --min-score out.")
    return frame[frame["score"] >= min_score].reset_index(drop=True)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
