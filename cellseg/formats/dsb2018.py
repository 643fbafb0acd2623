"""The layout of the Data Science Bowl 2018 (BBBC038): ID/images/ID.png and one mask file per object in ID/masks/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cellseg.formats.classes import class_names
from cellseg.formats.imported import Imported, ImportOptions, Odd, assemble
from cellseg.formats.overlap import note_overlap
from cellseg.formats.paint import Region, mask_region, paint
from cellseg.formats.pictures import labelled, plane_of, read_mask, read_pixels, require_size
from cellseg.formats.sources import UNPAIRED, files_in, require_folder
from cellseg.image import CELL, CellImage
from segcore.errors import InputError

EMPTY = "mask files without a single pixel, left out"


def read(source: Path, options: ImportOptions) -> Imported:
    """Read folders ID with images/ID.png and masks/*.png; objects are numbered in the order of their mask files.

    Where masks overlap a pixel goes to the smaller object, of equals to the later one; a note counts such pixels.

    Raises:
        InputError: there are no such folders, one lacks its image or masks, or files do not fit together.
    """
    odd = Odd()
    folders = [path for path in sorted(require_folder(source).iterdir()) if (path / "images").is_dir() or (path / "masks").is_dir()]
    if not folders:
        raise InputError(f"this format has a folder for each image, with images/ and masks/ in it; {source} has none.")
    places = [place for place in (_place(folder, options, odd) for folder in folders) if place is not None]
    names = class_names(options.classes, {"1": CELL})
    images = _images(places, names.of("1", "a mask"), options, odd)
    return assemble(source, options, images, count=len(places), classes=names.classes, odd=odd)


def _place(folder: Path, options: ImportOptions, odd: Odd) -> tuple[str, Path, list[Path]] | None:
    """(name, image, masks) of a folder; None if it lacks one and may."""
    images = list(files_in(folder / "images").values()) if (folder / "images").is_dir() else []
    masks = list(files_in(folder / "masks").values()) if (folder / "masks").is_dir() else []
    if len(images) == 1 and masks:
        return folder.name, images[0], masks
    if not options.allow_missing or len(images) > 1:
        raise InputError(
            f"each folder has one image and masks; {folder} has {len(images)} images and {len(masks)} masks. "
            "Add what is missing, or leave such folders out with --allow-missing."
        )
    odd[UNPAIRED] += 1
    return None


def _images(places: list[tuple[str, Path, list[Path]]], target: str, options: ImportOptions, odd: Odd) -> Iterator[CellImage]:
    for name, image, masks in places:
        pixels, size = read_pixels(image, options.axes, odd)
        painted = paint(plane_of(name, pixels), enumerate((_region(mask, name, pixels) for mask in masks), 1))
        odd[EMPTY] += painted.outside
        note_overlap(painted, odd)
        yield labelled(name, pixels, painted.instances, dict.fromkeys(range(1, len(masks) + 1), target), size)


def _region(path: Path, name: str, pixels: NDArray[Any]) -> Region | None:
    mask = read_mask(path, None)
    require_size(f"{name} ({path.name})", pixels, mask.shape)
    return mask_region(mask)
