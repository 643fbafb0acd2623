"""Which images a dataset holds: its folders listed, nothing opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cellseg.facts import require_name
from cellseg.store import SUFFIXES
from segcore.errors import ConfigError, InputError

_PASSED_OVER = frozenset({"thumbs.db", "desktop.ini"})
"""What file managers leave behind; names that begin with a dot are passed over too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where one image lies."""

    image: Path | None
    """None where the dataset holds labels alone."""
    labels: Path
    """The image itself where it is an OME-Zarr that holds its labels."""


def list_files(folder: Path, *, labels_only: bool = False) -> dict[str, Files]:
    """The images of a dataset by name, in alphabetical order; no file is opened.

    labels_only: the dataset says that there are labels without images; the folder images is not looked at.

    Raises:
        InputError: a folder is missing, an image has no labels or the reverse, two files have one name, or a file is of an
            unknown kind.
    """
    labels = _list(folder / "labels")
    if labels_only:
        if not labels:
            raise InputError(f"a dataset holds at least one label file; {folder / 'labels'} is empty. Make it again.")
        return {name: Files(image=None, labels=labels[name]) for name in sorted(labels)}
    images = _list(folder / "images")
    for name, path in images.items():
        if name not in labels and path.suffix.lower() == ".zarr" and (path / "labels").is_dir():
            labels[name] = path
    for one, other, words in ((images, labels, "image has labels"), (labels, images, "label file has an image")):
        alone = sorted(one.keys() - other.keys())
        if alone:
            more = f", nor have {len(alone) - 1} more" if len(alone) > 1 else ""
            raise InputError(f"every {words} of the same name; {one[alone[0]]} has none{more}. Add or remove files.")
    if not images:
        raise InputError(f"a dataset holds at least one image; {folder / 'images'} is empty. Make it again with 'cellseg import'.")
    return {name: Files(image=images[name], labels=labels[name]) for name in sorted(images)}


def _list(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    try:
        entries = sorted(entry.name for entry in os.scandir(folder))
    except OSError as error:
        raise InputError(f"a dataset has the folders images and labels; {folder} cannot be read ({error.strerror}).") from None
    for entry in entries:
        if entry.startswith(".") or entry.casefold() in _PASSED_OVER:
            continue
        name, dot, suffix = entry.rpartition(".")
        if f"{dot}{suffix}".lower() not in SUFFIXES:
            raise InputError(f"a dataset holds {', '.join(SUFFIXES)}; {folder / entry} is none of them. Convert it with 'cellseg import'.")
        try:
            require_name(name, "image")
        except ConfigError as error:
            raise InputError(f"{folder / entry} cannot be used: {error}") from None
        if name in found:
            raise InputError(f"an image is one file; {found[name]} and {entry} have one name. Remove or rename one.")
        found[name] = folder / entry
    return found
