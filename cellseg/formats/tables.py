"""Tables that give each object a class, as CSV: one line per object."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from segcore.errors import InputError

ID, CLASS, IMAGE = ("id", "instance"), ("type", "class"), ("image",)
"""Names that a column can have; case does not matter, other columns are left alone."""
LONGEST_ID = 9
"""Digits of an object id: it fits 32 bits."""


def read_types(path: Path) -> dict[int, str]:
    """Class of each object of one image: the columns id and type.

    Raises:
        InputError: the table lacks a column, or an id is no number from 1 or is there twice.
    """
    types: dict[int, str] = {}
    for line, (number, kind) in _rows(path, (ID, CLASS)):
        _add(types, number, kind, f"{path}, line {line}")
    return types


def read_image_types(path: Path) -> dict[str, dict[int, str]]:
    """Class of each object of many images: the columns image, instance and class.

    Raises:
        InputError: as read_types.
    """
    types: dict[str, dict[int, str]] = {}
    for line, (image, number, kind) in _rows(path, (IMAGE, ID, CLASS)):
        _add(types.setdefault(image, {}), number, kind, f"{path}, line {line}")
    return types


def _add(types: dict[int, str], number: str, kind: str, where: str) -> None:
    if not (number.isdecimal() and number.isascii() and len(number) <= LONGEST_ID and int(number) > 0) or not kind:
        raise InputError(f"a table of classes gives each object's id, from 1, a class; {where} has {number!r:.40}, {kind!r:.40}. Mend it.")
    if int(number) in types:
        raise InputError(f"a table of classes names an object once; {where} has {number} again. Remove one of the lines.")
    types[int(number)] = kind


def _rows(path: Path, columns: tuple[tuple[str, ...], ...]) -> Iterator[tuple[int, list[str]]]:
    """(line, values) of the wanted columns, stripped."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            names = _found(path, reader.fieldnames or (), columns)
            for row in reader:
                yield reader.line_num, [(row[name] or "").strip() for name in names]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"a table is CSV in UTF-8; {path} cannot be read as such ({error}). Save it again.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from None


def _found(path: Path, header: Sequence[str | None], columns: tuple[tuple[str, ...], ...]) -> list[str]:
    present = {name.strip().lower(): name for name in header if name}
    names = [next((present[name] for name in wanted if name in present), None) for wanted in columns]
    missing = [wanted[0] for name, wanted in zip(names, columns, strict=True) if name is None]
    if missing:
        raise InputError(f"a table of classes has the columns {', '.join(w[0] for w in columns)}; {path} lacks {missing[0]}. Add it.")
    return [name for name in names if name is not None]
