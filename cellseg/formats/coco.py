"""COCO instance annotations: one JSON file and its images; polygons and run lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellseg.formats.classes import ClassNames, class_names, require_class
from cellseg.formats.documents import listed, read_document, ring_of
from cellseg.formats.imported import Imported, ImportOptions, Odd, assemble
from cellseg.formats.overlap import OUTSIDE, note_overlap
from cellseg.formats.paint import Region, paint, polygons_region
from cellseg.formats.pictures import labelled, plane_of, read_pixels
from cellseg.formats.rle import rle_region, unpack_counts
from cellseg.formats.sources import UNPAIRED, inside, stem_of
from cellseg.image import CellImage
from segcore.errors import InputError

EMPTY = "images without a single object"
Key = int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One image of the file and its annotations."""

    name: str
    path: Path
    annotations: list[dict[str, Any]]


def read(source: Path, options: ImportOptions) -> Imported:
    """Read a COCO file, or a folder that holds one, with its images beside it, in images/, or where file_name says.

    Pixel (row, col) belongs to a polygon if (col + 0.5, row + 0.5) lies inside; run lengths are taken as they are, crowds too.
    Overlaps go to the smaller object, of equals to the later one. An image without annotations is an image without objects.
    Keys of --classes are the names of the categories.

    Raises:
        InputError: the file is no such JSON, names unknown images or categories or a path outside its folder, or an image
            is missing.
    """
    path, folder = _find(source)
    document = read_document(path)
    if not isinstance(document, dict):
        raise InputError(f"a COCO file is a JSON object with images, annotations and categories; {path} is not. Export it again.")
    images, annotations, categories = (listed(document.get(key), f"{path}, {key},") for key in ("images", "annotations", "categories"))
    odd = Odd()
    kinds = {_key(one, "id", path): require_class(_text(one, "name", path), str(path)) for one in categories}
    if not kinds:
        raise InputError(f"a COCO file names its categories; {path} has none. Export it again.")
    names = class_names(options.classes, {name: name for name in kinds.values()})
    entries = list(_entries(images, annotations, path, folder, options, odd))
    return assemble(source, options, _images(entries, kinds, names, path, options, odd), count=len(entries), classes=names.classes, odd=odd)


def _find(source: Path) -> tuple[Path, Path]:
    """The JSON file and the folder that file names start from."""
    if source.is_file():
        return source, source.parent
    found = sorted([*source.glob("*.json"), *source.glob("annotations/*.json")])
    if len(found) != 1:
        raise InputError(f"a COCO data set is one JSON file with its images; {source} has {len(found)} of them. Name the file itself.")
    return found[0], source


def _entries(
    images: list[dict[str, Any]], annotations: list[dict[str, Any]], path: Path, folder: Path, options: ImportOptions, odd: Odd
) -> Iterator[Entry]:
    by_image: dict[Key, list[dict[str, Any]]] = {_key(one, "id", path): [] for one in images}
    for one in annotations:
        owner = _key(one, "image_id", path)
        if owner not in by_image:
            raise InputError(f"an annotation belongs to an image of the file; {path} has one of image {owner!r:.40}, which is not there.")
        by_image[owner].append(one)
    if len(by_image) < len(images):
        raise InputError(f"images have different ids; {path} has one twice. Export it again.")
    for one in images:
        text = _text(one, "file_name", path)
        places = inside(folder, text, path), inside(folder, f"images/{text}", path)
        image = next((place for place in places if place.exists()), None)
        if image is None and not options.allow_missing:
            raise InputError(f"each image of the file is there; {path} names {text!r:.80}, which is not. Add it, or pass --allow-missing.")
        if image is None:
            odd[UNPAIRED] += 1
            continue
        found = by_image[_key(one, "id", path)]
        odd[EMPTY] += not found
        yield Entry(name=_stem(image, path), path=image, annotations=found)


def _images(
    entries: list[Entry], kinds: Mapping[Key, str], names: ClassNames, path: Path, options: ImportOptions, odd: Odd
) -> Iterator[CellImage]:
    for entry in entries:
        pixels, size = read_pixels(entry.path, options.axes, odd)
        shape = plane_of(entry.name, pixels)
        where = f"{path}, {entry.name},"
        painted = paint(shape, ((number, _region(one, shape, where)) for number, one in enumerate(entry.annotations, 1)))
        odd[OUTSIDE] += painted.outside
        note_overlap(painted, odd)
        classes = {number: _class_of(one, kinds, names, path) for number, one in enumerate(entry.annotations, 1)}
        yield labelled(entry.name, pixels, painted.instances, classes, size)


def _class_of(annotation: dict[str, Any], kinds: Mapping[Key, str], names: ClassNames, path: Path) -> str:
    category = _key(annotation, "category_id", path)
    if category not in kinds:
        raise InputError(f"an annotation has a category of the file; {path} has one of category {category!r:.40}, which is not there.")
    return names.of(kinds[category], str(path))


def _region(annotation: dict[str, Any], shape: tuple[int, int], where: str) -> Region | None:
    shown = annotation.get("segmentation")
    if isinstance(shown, list) and shown and all(isinstance(part, list) and len(part) % 2 == 0 for part in shown):
        pairs = ([list(corner) for corner in zip(part[0::2], part[1::2], strict=True)] for part in shown)
        return polygons_region([[ring_of(part, where)] for part in pairs], shape)
    if isinstance(shown, dict) and shown.get("size") == list(shape):
        counts = shown.get("counts")
        try:
            return rle_region(unpack_counts(counts) if isinstance(counts, str) else counts if isinstance(counts, list) else [-1], shape)
        except ValueError as error:
            raise InputError(f"run lengths describe an object; in {where} {error}. Export it again.") from None
    raise InputError(f"a segmentation is polygons or run lengths of size {list(shape)}; {where} has {shown!s:.60}. Export it again.")


def _key(one: dict[str, Any], field: str, path: Path) -> Key:
    value = one.get(field)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InputError(f"a COCO entry has a number as {field}; {path} has {value!r:.40}. Export it again.")
    return value


def _text(one: dict[str, Any], field: str, path: Path) -> str:
    value = one.get(field)
    if not isinstance(value, str):
        raise InputError(f"a COCO entry has text as {field}; {path} has {value!r:.40}. Export it again.")
    return value


def _stem(image: Path, path: Path) -> str:
    stem = stem_of(image)
    if stem is None:
        raise InputError(f"images are PNG, JPEG, TIFF or Zarr; {path} names {image.name!r:.80}. Convert it.")
    return stem
