"""What a raster or layer from a stranger may make GDAL do: read local files, and nothing else.

GDAL follows addresses: a path, a source inside a VRT, or a small XML file can each make it call a server. Three
doors are shut unless the caller asks for remote data: the path must be a file on this disk, in a format that only
reads files; the sources of a VRT must be such files too (its XML is read here, before GDAL sees it); and whatever
slips through finds no network, because GDAL's HTTP goes to a proxy that does not exist and /vsicurl may open no
name. The proxy is what stops formats that never use /vsicurl (WMS, WFS, ...). Side files (.msk, .ovr, .aux.xml)
stay readable, so GDAL_DISABLE_READDIR_ON_OPEN is left alone.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePath
from types import MappingProxyType

from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from segcore.errors import InputError

GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""What rasterio raises when GDAL fails; some of it under no public name."""

FILE_FORMATS = (
    "GTiff",
    "VRT",
    "HFA",
    "ENVI",
    "EHdr",
    "AAIGrid",
    "ERS",
    "NITF",
    "JP2OpenJPEG",
    "PNG",
    "JPEG",
    "SAGA",
    "RST",
    "PCIDSK",
    "GPKG",
)
"""GDAL raster drivers that read local files only; other drivers are never tried."""

_QUIET: Mapping[str, str | int] = MappingProxyType({"GDAL_CACHEMAX": 256 << 20, "GDAL_VRT_ENABLE_PYTHON": "NO"})
_OFFLINE: Mapping[str, str | int] = MappingProxyType({"GDAL_HTTP_PROXY": "127.0.0.1:9", "CPL_VSIL_CURL_ALLOWED_FILENAME": "none"})

_REMOTE = re.compile(r"^(/vsi|[a-z][a-z0-9+]+:/)", re.IGNORECASE)
_SCHEME = re.compile(r"^([a-z][a-z0-9+]+):/(?=[^/])", re.IGNORECASE)
_XML_LIMIT = 64 << 20
_ZIPPED = frozenset({".shp", ".shx", ".dbf", ".prj", ".cpg", ".qpj", ".sbn", ".sbx", ".qmd", ".qml", ".txt", ".gpkg", ".geojson", ".fgb"})


def gdal_options(*, allow_remote: bool) -> dict[str, str | int]:
    """Settings of rasterio.Env under which files are opened and read: at most 256 MB of block cache, no Python in VRTs."""
    return {**_QUIET} if allow_remote else {**_QUIET, **_OFFLINE}


def local_file(path: Path | str, *, what: str, allow_remote: bool = False) -> str:
    """The text under which GDAL opens path.

    A local path becomes absolute, so that worker processes find it from any folder.

    Raises:
        InputError: path is an address and allow_remote is off, or no such file exists.
    """
    text = _SCHEME.sub(r"\1://", str(path))
    if _REMOTE.match(text):
        if allow_remote:
            return text
        raise InputError(f"{what} is a file on this disk; {text} is an address. Download it first, or pass --allow-remote.")
    if not Path(text).exists():
        raise InputError(f"{what} is a file on this disk; {text} is not there. Check the name.")
    if not Path(text).is_file():
        raise InputError(f"{what} is one file; {text} is a folder. Name the file inside it.")
    return str(Path(text).absolute())


def check_vrt(path: Path) -> None:
    """Refuse a VRT that leads anywhere but to local raster files; other files pass.

    Raises:
        InputError: a source is an address or is missing, is a service description, or the XML is malformed.
    """
    _check_vrt(path, top=path, seen=set())


def xml_root(path: Path) -> ElementTree.Element | None:
    """The root of an XML file, None for any other file.

    Raises:
        InputError: the file starts like XML, but is not well formed or is over 64 MB.
    """
    with path.open("rb") as stream:
        head = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head.startswith(b"<"):
        return None
    if path.stat().st_size > _XML_LIMIT:
        raise InputError(f"an XML file may have 64 MB; {path} is larger. Convert it to GeoTIFF or GeoPackage.")
    try:
        return ElementTree.parse(path).getroot()  # expat >= 2.4.1 stops entity bombs and loads nothing from outside
    except ElementTree.ParseError as error:
        raise InputError(f"XML must be well formed; {path} is not ({error}). Make it again.") from None


def _check_vrt(path: Path, *, top: Path, seen: set[Path]) -> None:
    root = xml_root(path)
    if root is None or path.resolve() in seen:
        return
    if root.tag != "VRTDataset":
        raise InputError(f"only rasters and VRTs of rasters are opened; {path} is a {root.tag} description. Download the data first.")
    seen.add(path.resolve())
    for source in root.iter():
        if source.tag in ("SourceFilename", "SourceDataset"):
            _check_vrt(_source_file(source, path, top), top=top, seen=seen)
        elif source.tag != "MDI" and re.search(r"/vsi|://", source.text or "", re.IGNORECASE):
            raise _remote_source(source.text or "", top)


def _source_file(source: ElementTree.Element, path: Path, top: Path) -> Path:
    text = (source.text or "").strip()
    if _REMOTE.match(text) or "://" in text or "/vsi" in text:
        raise _remote_source(text, top)
    relative = source.get("relativeToVRT", source.get("relativetoVRT", "0")) == "1"
    target = path.parent / text if relative else Path(text)
    if not target.is_file():
        raise InputError(
            f"the sources of a VRT must be files on this disk; {top} names {text}, which is not there. Make it again with gdalbuildvrt."
        )
    return target


def _remote_source(text: str, top: Path) -> InputError:
    return InputError(
        f"the sources of a VRT must be files on this disk; {top} names {text.strip()}. Download it first, or pass --allow-remote."
    )


def check_layer(path: Path) -> None:
    """Refuse a vector file that makes GDAL read something other than itself; layers, tables and KML pass.

    Raises:
        InputError: a service or pipeline description, a GML file (its schema is fetched), or a zip of such files.
    """
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
    text = re.sub(rb"<[?!].*?>", b"", head, flags=re.DOTALL).lstrip(b"\xef\xbb\xbf \t\r\n")
    root = re.match(rb"<(?:[\w.-]+:)?([\w.-]+)", text)
    if root is not None and root[1].lower() not in (b"kml", b"gpx"):
        raise InputError(f"of XML only KML and GPX are opened; {path} is a {root[1].decode()} file. Save it as GeoPackage.")
    if b"gdal_streamed_alg" in head:
        raise InputError(f"a layer must hold its own data; {path} is a GDAL pipeline. Run it and pass its result.")
    if zipfile.is_zipfile(path) and path.suffix.lower() == ".zip":
        _check_members(path)


def _check_members(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        strange = [name for name in archive.namelist() if not name.endswith("/") and PurePath(name).suffix.lower() not in _ZIPPED]
    if strange:
        raise InputError(f"a zip must hold one Shapefile, GeoPackage, GeoJSON or FlatGeobuf; {path} holds {strange[0]}. Unpack it first.")
