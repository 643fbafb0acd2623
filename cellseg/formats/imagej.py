"""ImageJ's regions of interest: X.zip or X.roi beside each image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cellseg.formats.archive import member_bytes, zip_members
from cellseg.formats.classes import ClassNames, names_of_keys
from cellseg.formats.documents import ring_of
from cellseg.formats.imported import Imported, ImportOptions, Odd, assemble
from cellseg.formats.overlap import OUTSIDE, note_overlap
from cellseg.formats.paint import Region, ellipse_region, paint, polygon_region
from cellseg.formats.pictures import labelled, plane_of, read_pixels
from cellseg.formats.sources import beside, paired
from cellseg.image import CELL, CellImage
from segcore.errors import InputError, MissingExtraError

ENDINGS = ("_rois", "_roiset", "-rois", "-roiset")
OTHER = "ImageJ selections that have no area (points, lines, angles) or are text or pictures, left out"
NO_GROUP = "0"
MOST_BYTES = 1 << 26
"""Of one region."""


def read(source: Path, options: ImportOptions) -> Imported:
    """Read images beside X.zip (also X_rois.zip, X_RoiSet.zip) or X.roi, in one folder or in images/ and labels/.

    Polygons, freehand and traced areas, rectangles, ovals and composites count; pixel (row, col) belongs to one if
    (col + 0.5, row + 0.5) lies inside. Overlaps go to the smaller object, of equals to the later one. The group of a region
    is its class, and the key of --classes; group 0 is none, class "cell".

    Raises:
        InputError: a file is damaged, leads outside its folder, or belongs to no image.
        MissingExtraError: roifile is not installed.
    """
    odd = Odd()
    images, files = beside(source, (".zip", ".roi"))
    files = {_plain(name): path for name, path in files.items()}
    if len(images) == len(files) == 1:
        files = dict(zip(images, files.values(), strict=True))
    pairs = paired(images, files, source, allow_missing=options.allow_missing, odd=odd)
    groups = {str(roi.group) for _, _, path in pairs for roi in read_rois(path)} or {NO_GROUP}
    names = _names(options, groups, source)
    return assemble(source, options, _images(pairs, names, options, odd), count=len(pairs), classes=names.classes, odd=odd)


def read_rois(path: Path) -> Iterator[Any]:
    """The regions of a .zip or .roi file, in the order of the file.

    Raises:
        InputError: as read.
        MissingExtraError: roifile is not installed.
    """
    if path.suffix.lower() == ".roi":
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"a region of ImageJ has at most {MOST_BYTES >> 20} MB; {path} has more. Is it something else?")
        yield _roi(path.read_bytes(), str(path))
        return
    with zip_members(path) as (archive, members):
        for member in members:
            if member.filename.lower().endswith(".roi") and member.file_size <= MOST_BYTES:
                yield _roi(member_bytes(path, archive, member), f"{path}, {member.filename!r:.80}")


def roi_region(roi: Any, shape: tuple[int, int], where: str) -> Region | None:
    """The pixels of a region in an image (H, W); None if it has none there.

    Raises:
        InputError: its coordinates are not those of a shape.
    """
    if roi.roitype.name == "OVAL":
        return ellipse_region(_box(roi), shape)
    if roi.roitype.name == "RECT" and not roi.composite:
        left, top, right, bottom = _box(roi)
        return polygon_region([np.array([[left, top], [right, top], [right, bottom], [left, bottom]])], shape)
    return polygon_region([ring_of(part.tolist(), where) for part in roi.coordinates(multi=True) if len(part) > 2], shape)


def _names(options: ImportOptions, groups: set[str], source: Path) -> ClassNames:
    if options.classes is not None:
        return names_of_keys({NO_GROUP: CELL, **options.classes}, groups, str(source))
    names = names_of_keys(None, groups - {NO_GROUP}, str(source))
    return ClassNames(names={**({NO_GROUP: CELL} if NO_GROUP in groups else {}), **names.names}, given=False)


def _images(pairs: list[tuple[str, Path, Path]], names: ClassNames, options: ImportOptions, odd: Odd) -> Iterator[CellImage]:
    for name, image, path in pairs:
        pixels, size = read_pixels(image, options.axes, odd)
        shape = plane_of(name, pixels)
        rois = list(read_rois(path))
        areas = [roi for roi in rois if _has_area(roi)]
        odd[OTHER] += len(rois) - len(areas)
        painted = paint(shape, ((number, roi_region(roi, shape, str(path))) for number, roi in enumerate(areas, 1)))
        odd[OUTSIDE] += painted.outside
        note_overlap(painted, odd)
        classes = {number: names.of(str(roi.group), str(path)) for number, roi in enumerate(areas, 1)}
        yield labelled(name, pixels, painted.instances, classes, size)


def _roi(data: bytes, where: str) -> Any:
    try:
        from roifile import ImagejRoi
    except ImportError:
        raise MissingExtraError("regions of ImageJ need the package roifile, which is not installed. Run 'pip install roifile'.") from None
    try:
        return ImagejRoi.frombytes(data)
    except Exception as error:  # the reader raises many kinds on damaged files
        raise InputError(f"{where} must be a region of ImageJ, but cannot be read as such ({error}). Save it again.") from None


def _has_area(roi: Any) -> bool:
    if roi.roitype.name in ("POLYGON", "FREEHAND", "TRACED"):
        return bool(roi.n_coordinates > 2)
    return roi.roitype.name in ("RECT", "OVAL") and roi.subtype.name not in ("TEXT", "IMAGE")


def _box(roi: Any) -> tuple[float, float, float, float]:
    """Its edges (left, top, right, bottom)."""
    if roi.subpixelrect:
        return roi.xd, roi.yd, roi.xd + roi.widthd, roi.yd + roi.heightd
    return roi.left, roi.top, roi.right, roi.bottom


def _plain(name: str) -> str:
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]
