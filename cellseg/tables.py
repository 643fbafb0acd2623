"""The tables of a dataset: instances.csv (image, instance, class) and splits.csv (image, split, group)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from sys import intern

from cellseg.store import MOST_ID
from segcore.errors import ConfigError, InputError
from segcore.files import fresh_file

INSTANCES_FILE, SPLITS_FILE = "instances.csv", "splits.csv"
INSTANCE_COLUMNS, SPLIT_COLUMNS = ("image", "instance", "class"), ("image", "split", "group")

ClassTable = dict[str, dict[int, str]]
Splits = dict[str, tuple[str, str]]


def read_instances(path: Path, names: Iterable[str], classes: Sequence[str]) -> ClassTable:
    """Class of the objects of each image, {image: {instance: class}}; empty where there is no such file.

    Raises:
        InputError: unreadable, an unknown image or class, an id that is no id, or one that is there twice.
    """
    known, allowed = set(names), {name: intern(name) for name in classes}
    found: ClassTable = {}
    for line, (image, instance, own) in _rows(path, INSTANCE_COLUMNS):
        where = f"line {line} of {path}"
        if image not in known:
            raise InputError(f"{INSTANCES_FILE} names images of the dataset; {where} has {image!r:.80}. Remove the line or add the image.")
        if own not in allowed:
            raise InputError(f"the classes of a dataset are {', '.join(classes)}; {where} has {own!r:.80}. Correct it or dataset.json.")
        if not (instance.isascii() and instance.isdigit() and len(instance) <= 10 and 0 < int(instance) <= MOST_ID):
            raise InputError(f"an instance is a whole number from 1; {where} has {instance!r:.80}. Correct the line.")
        ids = found.setdefault(image, {})
        if int(instance) in ids:
            raise InputError(f"an instance has one class; {where} has instance {instance} of {image} again. Remove one of the lines.")
        ids[int(instance)] = allowed[own]
    return found


def read_splits(path: Path, names: Iterable[str]) -> Splits:
    """(split, group) of each image; empty where there is no such file.

    Raises:
        InputError: unreadable, an unknown image, an image that is there twice, or a group in two splits.
    """
    known, found = set(names), dict[str, tuple[str, str]]()
    for line, (image, split, group) in _rows(path, SPLIT_COLUMNS):
        if image not in known or image in found or not split:
            reason = "unknown" if image not in known else "there twice" if image in found else "without a split"
            raise InputError(f"{SPLITS_FILE} has one split for each image; line {line} of {path} has {image!r:.80}, {reason}. Correct it.")
        found[image] = split, group
    try:
        require_whole_groups(found)
    except ConfigError as error:
        raise InputError(f"{path} cannot be used: {error}") from None
    return found


def write_instances(path: Path, rows: Iterable[tuple[str, int, str]]) -> None:
    """Write rows (image, instance, class).

    Raises:
        OutputError: the folder is closed or the disk is full.
    """
    _write(path, INSTANCE_COLUMNS, rows)


def write_splits(path: Path, splits: Mapping[str, tuple[str, str]]) -> None:
    """Write {image: (split, group)}, images in alphabetical order.

    Raises:
        OutputError: the folder is closed or the disk is full.
    """
    _write(path, SPLIT_COLUMNS, ((image, *splits[image]) for image in sorted(splits)))


def require_whole_groups(splits: Mapping[str, tuple[str, str]]) -> None:
    """Refuse a group that is in two splits; images without a group ("") are free.

    Raises:
        ConfigError: a group is split.
    """
    split_of: dict[str, str] = {}
    for split, group in splits.values():
        if group and split_of.setdefault(group, split) != split:
            raise ConfigError(f"a group is never split; {group!r} is in {split_of[group]!r} and {split!r}. Put all its images into one.")


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(number of the line, cells) of a table with these columns, in any order and with others beside them."""
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            head = next(reader, [])
            if not set(columns) <= set(head) or len(set(head)) < len(head):
                raise InputError(f"{path.name} has the columns {', '.join(columns)}; {path} has {', '.join(head)!r:.80}. Correct its head.")
            places = [head.index(column) for column in columns]
            for row in reader:
                if row and len(row) != len(head):
                    raise InputError(f"a row has {len(head)} cells; line {reader.line_num} of {path} has {len(row)}. Correct the line.")
                if row:
                    yield reader.line_num, tuple(row[place] for place in places)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a CSV table in UTF-8 ({error}). Make it again.") from None


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[str | int, ...]]) -> None:
    with fresh_file(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
