"""Folders of images and instance ids: images/ beside labels/, or X.png beside X_inst.png."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cellseg.formats.classes import ClassNames, class_names, names_of_keys
from cellseg.formats.imported import Imported, ImportOptions, Odd, assemble
from cellseg.formats.pictures import ids_of, labelled, majority, read_labels, read_pixels, read_types
from cellseg.formats.sources import files_in, paired, require_folder, stem_of
from cellseg.formats.tables import read_image_types
from cellseg.formats.tables import read_types as read_type_table
from cellseg.image import CELL, CellImage
from segcore.errors import InputError

INST, TYPE, TYPES, MASK = "_inst", "_type", "_types", "_mask"
TABLE = "instances.csv"
STRAY, UNTYPED = "class rows without an object, left out", "objects without a class, called cell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Types:
    """Where the classes of objects stand."""

    tables: Mapping[str, Mapping[int, str]]
    """Image -> object -> class in the source."""
    maps: Mapping[str, Path]
    """Image -> a file with a class number per pixel; for images without table."""


def read(source: Path, options: ImportOptions) -> Imported:
    """Read images/NAME beside labels/NAME (and instances.csv: image, instance, class), or X beside X_inst.

    Beside X_inst the classes stand in X_types.csv (id, type) or X_type.png (a number per pixel; an object takes its most
    frequent one); X_mask is not needed. Labels: 0 = background, -1 or 65535 of 16 bits = unknown.

    Raises:
        InputError: there are no such files, they do not fit together, or a class table names objects that are not there.
    """
    require_folder(source)
    odd = Odd()
    images, labels, types = _split(source) if (source / "images").is_dir() and (source / "labels").is_dir() else _suffixed(source)
    pairs = paired(images, labels, source, allow_missing=options.allow_missing, odd=odd)
    _require_known(types, images, source, options)
    if types.tables or types.maps:
        names = names_of_keys(options.classes, _keys(types, options), str(source))
        classes = tuple(dict.fromkeys([*names.classes, CELL])) if options.allow_missing else names.classes or (CELL,)
    else:
        names = class_names(options.classes, {"1": CELL})
        classes = names.classes
    return assemble(source, options, _images(pairs, types, names, options, odd), count=len(pairs), classes=classes, odd=odd)


def suffixed(source: Path, ending: str) -> tuple[dict[str, Path], dict[str, Path]]:
    """(images, labels) of a folder where the labels of X are X + ending; both by the name of the image."""
    files = files_in(source)
    labels = {name.removesuffix(ending): path for name, path in files.items() if name.endswith(ending)}
    return {name: path for name, path in files.items() if not name.endswith((INST, TYPE, MASK))}, labels


def _split(source: Path) -> tuple[dict[str, Path], dict[str, Path], Types]:
    tables = read_image_types(source / TABLE) if (source / TABLE).exists() else {}
    return files_in(source / "images"), files_in(source / "labels"), Types(tables=tables, maps={})


def _suffixed(source: Path) -> tuple[dict[str, Path], dict[str, Path], Types]:
    images, labels = suffixed(source, INST)
    if not labels:
        raise InputError(
            f"a folder to import has images/ and labels/, or files like X.png and X{INST}.png; {source} has neither. "
            f"For binary masks (X{MASK}.png) use --format masks."
        )
    tables = {name.removesuffix(TYPES): path for name, path in files_in(source, (".csv",)).items() if name.endswith(TYPES)}
    maps = {name.removesuffix(TYPE): path for name, path in files_in(source).items() if name.endswith(TYPE)}
    maps = {name: path for name, path in maps.items() if name not in tables}
    return images, labels, Types(tables={name: read_type_table(path) for name, path in tables.items()}, maps=maps)


def _require_known(types: Types, images: Mapping[str, Path], source: Path, options: ImportOptions) -> None:
    lone = [name for name in [*types.tables, *types.maps] if name not in images and stem_of(Path(name)) not in images]
    if lone and not options.allow_missing:
        raise InputError(f"a class table belongs to an image; {source} has classes of {lone[0]!r:.80}, which has none. Remove them.")


def _keys(types: Types, options: ImportOptions) -> Iterator[str]:
    """Every class that the source uses."""
    for table in types.tables.values():
        yield from table.values()
    for path in types.maps.values():
        array = read_types(path, options.axes)
        yield from (str(kind) for kind in set(array.ravel().tolist()) if kind > 0)


def _images(pairs: list[tuple[str, Path, Path]], types: Types, names: ClassNames, options: ImportOptions, odd: Odd) -> Iterator[CellImage]:
    for name, image, labels in pairs:
        pixels, size = read_pixels(image, options.axes, odd)
        plain = labelled(name, pixels, read_labels(labels, options.axes, odd), {}, size)
        yield plain.with_labels(plain.instances, _classes(plain, image, types, names, options, odd))


def _classes(image: CellImage, path: Path, types: Types, names: ClassNames, options: ImportOptions, odd: Odd) -> dict[int, str]:
    ids = list(ids_of(image.instances))
    if not types.tables and not types.maps:
        return dict.fromkeys(ids, names.classes[0])
    kinds = dict(types.tables.get(image.name) or types.tables.get(path.name) or {})
    if image.name in types.maps:
        found = read_types(types.maps[image.name], options.axes)
        if found.shape != image.instances.shape:
            raise InputError(f"labels and classes have one size; {types.maps[image.name]} is {found.shape}, not {image.instances.shape}.")
        kinds = {own: str(kind) for own, kind in majority(image.instances, found).items() if kind}
    known = set(ids)
    stray, bare = [own for own in kinds if own not in known], [own for own in ids if own not in kinds]
    if (stray or bare) and not options.allow_missing:
        text = f"rows for {len(stray)} unknown ids (id {stray[0]})" if stray else f"{len(bare)} objects without class (id {bare[0]})"
        raise InputError(f"each object has one class and the reverse; {image.name} has {text}. Mend the table, or pass --allow-missing.")
    odd[STRAY] += len(stray)
    odd[UNTYPED] += len(bare)
    return {own: names.of(kinds[own], image.name) if own in kinds else CELL for own in ids}
