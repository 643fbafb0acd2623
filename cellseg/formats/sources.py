"""Which files of a source are images, which belong together, and which names may be used as paths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from cellseg.formats.imported import Odd
from segcore.errors import InputError

SUFFIXES = (".ome.tiff", ".ome.tif", ".ome.zarr", ".tiff", ".tif", ".zarr", ".png", ".jpeg", ".jpg")
"""Endings of images, longest first."""
UNPAIRED = "images without labels or labels without image, left out"


def stem_of(path: Path, suffixes: tuple[str, ...] = SUFFIXES) -> str | None:
    """Name of an image without its ending; None if it is not an image, or hidden."""
    name = path.name
    ending = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), None)
    return None if ending is None or name.startswith(".") else name[: -len(ending)]


def files_in(folder: Path, suffixes: tuple[str, ...] = SUFFIXES, *, deep: bool = False, without: str = "") -> dict[str, Path]:
    """Name -> file with one of the endings, in the order of the names; deep: also in its folders but those called without.

    Raises:
        InputError: the folder cannot be read, or two files have one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(_walk(folder, without) if deep else _listed(folder)):
        stem = stem_of(path, suffixes)
        if stem is None:
            continue
        if stem in found:
            raise InputError(f"files of one kind have different names; {found[stem]} and {path} are both {stem}. Rename one.")
        found[stem] = path
    return found


def paired(
    images: Mapping[str, Path], labels: Mapping[str, Path], source: Path, *, allow_missing: bool, odd: Odd
) -> list[tuple[str, Path, Path]]:
    """(name, image, labels) of each name that has both.

    Raises:
        InputError: one has not, and that was not allowed.
    """
    bare, lone = [name for name in images if name not in labels], [name for name in labels if name not in images]
    if (bare or lone) and not allow_missing:
        text = f"{len(bare)} images without labels ({images[bare[0]].name})" if bare else ""
        text += " and " if bare and lone else ""
        text += f"{len(lone)} labels without image ({labels[lone[0]].name})" if lone else ""
        raise InputError(f"each image has labels and the reverse; {source} has {text}. Add them, or leave these out with --allow-missing.")
    odd[UNPAIRED] += len(bare) + len(lone)
    return [(name, images[name], labels[name]) for name in sorted(images) if name in labels]


def beside(source: Path, suffixes: tuple[str, ...]) -> tuple[dict[str, Path], dict[str, Path]]:
    """(images, files) of a folder, of its images/ and labels/, or of one file and the image beside it.

    Raises:
        InputError: there is nothing of that kind.
    """
    if source.is_file():
        name = stem_of(source, suffixes)
        if name is None:
            raise InputError(f"this format has files {' or '.join(suffixes)} beside images; {source} is something else.")
        images = files_in(source.parent)
        return ({name: images[name]} if name in images else {}), {name: source}
    images = files_in(source / "images" if (source / "images").is_dir() else require_folder(source))
    return images, files_in(source / "labels" if (source / "labels").is_dir() else source, suffixes)


def inside(folder: Path, name: object, where: Path) -> Path:
    """The path that a name from a file means within folder; it need not be there. Links that the user made are followed.

    Raises:
        InputError: the name is no relative path, or leads out of folder.
    """
    if isinstance(name, str) and is_relative(name):
        return folder / name
    raise InputError(f"a file name in a source stays within its folder; {where} has {name!r:.80}. Do not trust this file, or mend it.")


def is_relative(name: str) -> bool:
    """Whether a name is a plain relative path on every system, without a step up."""
    path, other = PurePosixPath(name), PureWindowsPath(name)
    return not (path.is_absolute() or other.drive or other.root or ".." in other.parts) and "\0" not in name and path.name != ""


def require_folder(source: Path) -> Path:
    """The source, if it is a folder.

    Raises:
        InputError: it is not.
    """
    if not source.is_dir():
        raise InputError(f"this format is a folder or a ZIP file of one; {source} is not there or something else.")
    return source


def _listed(folder: Path) -> Iterable[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} is needed, but cannot be read ({error.strerror}).") from None


def _walk(folder: Path, without: str) -> Iterable[Path]:
    """Files, and folders that are images (.zarr), below folder; links to folders are not followed."""
    for root, folders, files in os.walk(folder):
        images = [name for name in folders if name.lower().endswith(".zarr")]
        left_out = (*images, *(name for name in folders if name.startswith(".") or name.lower() in (without, "__macosx")))
        folders[:] = sorted(name for name in folders if name not in left_out)
        yield from (Path(root, name) for name in [*images, *files])
