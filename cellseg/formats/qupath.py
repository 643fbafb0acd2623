"""QuPath's GeoJSON: cells as polygons with a class, one file beside each image; read and written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cellseg.formats.classes import ClassNames, names_of_keys
from cellseg.formats.documents import listed, read_document, ring_of
from cellseg.formats.imported import Imported, ImportOptions, Odd, assemble
from cellseg.formats.outlines import Outline, outlined
from cellseg.formats.overlap import OUTSIDE, note_overlap
from cellseg.formats.paint import Ring, paint, polygons_region
from cellseg.formats.pictures import labelled, plane_of, read_pixels
from cellseg.formats.sources import beside, paired, stem_of
from cellseg.image import CELL, IGNORE, CellImage
from segcore.errors import InputError, ShapeError
from segcore.files import fresh_file

IGNORED_CLASS = "Ignore*"
"""QuPath's own class for regions that do not count."""
INSTANCE = "instance"
"""Measurement that keeps an object's number in the dataset."""
OTHER = "QuPath objects that are no cells (points, lines, tiles, cores, regions around cells), left out"
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """One object of a file."""

    key: str | int | None
    """Its id in QuPath."""
    kind: str
    """Its objectType."""
    name: str
    """Its class; "cell" where it has none."""
    number: int | None
    """Its number in the dataset that it was exported from."""
    polygons: list[list[Ring]]


def read(source: Path, options: ImportOptions) -> Imported:
    """Read images beside files NAME.geojson, in one folder or in images/ and labels/, or one such file beside its image.

    Cells are the detections and cells of a file; where it has none, its annotations. Regions of class "Ignore*" become
    unknown pixels. Objects keep the number under which write_qupath wrote them, else they are numbered in order. Overlaps go
    to the smaller object, of equals to the later one. Keys of --classes are the names of QuPath's classes.

    Raises:
        InputError: the file is no such JSON, its objects have no ids or one twice, or it belongs to no image.
    """
    odd = Odd()
    images, files = beside(source, (".geojson", ".json"))
    files = {stem_of(Path(name)) or name: path for name, path in files.items()}
    pairs = paired(images, files, source, allow_missing=options.allow_missing, odd=odd)
    found = {cell.name for _, _, path in pairs for cell in read_cells(path, Odd()) if cell.name != IGNORED_CLASS}
    names = names_of_keys(options.classes, found or {CELL}, str(source))
    return assemble(source, options, _images(pairs, names, options, odd), count=len(pairs), classes=names.classes, odd=odd)


def read_cells(path: Path, odd: Odd) -> list[Cell]:
    """The cells of a GeoJSON file, regions to ignore among them.

    Raises:
        InputError: as read.
    """
    document = read_document(path)
    features = document.get("features", [document]) if isinstance(document, dict) else document
    found = [cell for one in listed(features, f"{path}, features,") if (cell := _cell(one, path)) is not None]
    plain = any(cell.kind in ("detection", "cell") for cell in found)
    cells = [cell for cell in found if cell.kind != "annotation" or cell.name == IGNORED_CLASS or not plain]
    keys = [cell.key for cell in cells if cell.key is not None]
    if len(set(keys)) < len(cells):
        raise InputError(
            f"each object of a QuPath file has an id of its own; {path} has {len(cells)} objects and {len(set(keys))} ids. "
            "Export it again, as GeoJSON from QuPath 0.4 or newer."
        )
    odd[OTHER] += len(features) - len(cells)
    return cells


def write_qupath(image: CellImage, path: Path) -> None:
    """Write the cells of an image (H, W) as GeoJSON that QuPath opens: a detection each, with id, class and number.

    Outlines follow the edges of the pixels, so reading them gives the same labels. Unknown pixels become an annotation of
    class "Ignore*". The same image gives the same bytes.

    Raises:
        ShapeError: the image is a volume.
        OutputError: the folder is closed or the disk is full.
    """
    if image.instances.ndim != 2:
        raise ShapeError(f"QuPath's outlines lie in a plane; {image.name} is a volume. Write each of image.slices().")
    with fresh_file(path) as scratch, scratch.open("w", encoding="utf-8") as out:
        out.write('{"type": "FeatureCollection", "features": [')
        for place, (number, polygons) in enumerate(outlined(image.instances)):
            out.write(",\n" if place else "\n")
            json.dump(_feature(image, number, polygons), out, ensure_ascii=False)
        out.write("\n]}\n")


def _feature(image: CellImage, number: int, polygons: list[list[Outline]]) -> dict[str, Any]:
    rings = [[[list(corner) for corner in [*ring, ring[0]]] for ring in polygon] for polygon in polygons]
    shape = {"type": "Polygon", "coordinates": rings[0]} if len(rings) == 1 else {"type": "MultiPolygon", "coordinates": rings}
    ignored = number == IGNORE
    facts: dict[str, Any] = {
        "objectType": "annotation" if ignored else "detection",
        "classification": {"name": IGNORED_CLASS if ignored else image.class_of(number)},
    }
    if not ignored:
        facts["measurements"] = {INSTANCE: number}
    key = str(uuid5(NAMESPACE_URL, f"{image.name}/{number}"))
    return {"type": "Feature", "id": key, "geometry": shape, "properties": facts}


def _images(pairs: list[tuple[str, Path, Path]], names: ClassNames, options: ImportOptions, odd: Odd) -> Iterator[CellImage]:
    for name, image, path in pairs:
        pixels, size = read_pixels(image, options.axes, odd)
        shape = plane_of(name, pixels)
        cells = _numbered(read_cells(path, odd))
        painted = paint(shape, ((number, polygons_region(cell.polygons, shape)) for number, cell in cells))
        odd[OUTSIDE] += painted.outside
        note_overlap(painted, odd)
        classes = {number: names.of(cell.name, str(path)) for number, cell in cells if number != IGNORE}
        yield labelled(name, pixels, painted.instances, classes, size)


def _numbered(cells: list[Cell]) -> list[tuple[int, Cell]]:
    """Cells with their numbers, where each has one of its own; else in order from 1."""
    real = [cell for cell in cells if cell.name != IGNORED_CLASS]
    known = [cell.number for cell in real if cell.number is not None]
    numbers = iter(known if len(set(known)) == len(real) else range(1, len(real) + 1))
    return [(IGNORE if cell.name == IGNORED_CLASS else next(numbers), cell) for cell in cells]


def _cell(feature: dict[str, Any], path: Path) -> Cell | None:
    """A feature as a cell; None where it is something else."""
    shape, facts = feature.get("geometry"), feature.get("properties") or {}
    if not isinstance(shape, dict) or not isinstance(facts, dict):
        raise InputError(f"a GeoJSON feature has a geometry and properties; {path} has {feature!s:.80}. Export it again.")
    kind, key = str(facts.get("objectType", facts.get("object_type", "annotation"))).lower(), feature.get("id")
    parts = {"Polygon": [shape.get("coordinates")], "MultiPolygon": shape.get("coordinates")}.get(str(shape.get("type")))
    if parts is None or kind not in ("annotation", "detection", "cell"):
        return None
    if not isinstance(parts, list) or not parts or not all(isinstance(rings, list) and rings for rings in parts):
        raise InputError(f"a polygon is a list of rings; {path} has {parts!s:.80}. Export it again.")
    polygons = [[ring_of(ring, str(path)) for ring in rings] for rings in parts]
    known = key if isinstance(key, (str, int)) and not isinstance(key, bool) and key != "" else None
    return Cell(key=known, kind=kind, name=_class(facts, path), number=_number(facts.get("measurements")), polygons=polygons)


def _class(facts: Mapping[str, Any], path: Path) -> str:
    found = facts.get("classification")
    if found is None:
        return CELL
    name = found.get("name", found.get("names")) if isinstance(found, dict) else None
    if isinstance(name, list) and name and all(isinstance(part, str) for part in name):
        return ": ".join(name)
    if not isinstance(name, str):
        raise InputError(f"a classification of QuPath has a name; {path} has {found!s:.80}. Export it again.")
    return name


def _number(measurements: Any) -> int | None:
    """The object's number in the dataset it came from, if the file keeps it."""
    if isinstance(measurements, list):
        measurements = {str(one.get("name")): one.get("value") for one in measurements if isinstance(one, dict)}
    value = measurements.get(INSTANCE) if isinstance(measurements, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _LARGEST or value != int(value):
        return None
    return int(value)
