"""Found cells against expected ones: pixels, objects, classes, images.

Objects are matched one to one, best IoU first (at thresholds of 0.5 and above that is also the largest matching).
Precision, recall, F1 and AP = TP / (TP + FP + FN) are those of StarDist (Schmidt et al. 2018, sec. 3), whose AP is called
average precision in the Data Science Bowl 2018 (Caicedo et al. 2019); where neither side has a cell they are nan, not 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.evaluate_names import Images, NamedImages, has_classes, named, paired
from cellseg.evaluate_overlap import Crossing, Side, cross
from cellseg.evaluate_scores import THRESHOLDS, Scores, checked_thresholds
from cellseg.evaluate_table import Row, Table
from cellseg.image import CELL, IGNORE, CellImage
from segcore.errors import ConfigError, InputError, ShapeError
from segcore.progress import Progress, Silent

Labels = CellImage | NDArray[Any]
"""An image with its objects, or plain instance ids (H, W) or (D, H, W): 0 = background, IGNORE = unknown."""

_SILENT = Silent()


def evaluate(found: Labels, expected: Labels, *, target: str | None = None, thresholds: Iterable[float] = THRESHOLDS) -> Scores:
    """Score the cells of one image or volume; a volume counts as a whole, its cells in 3-D.

    Pixels that either side calls unknown are taken out of both. An object that loses more than half of its pixels by
    that is no object of either count.

    Args:
        found: the prediction.
        expected: the reference, of the same shape.
        target: score this class alone; without it all cells, whatever their class. A prediction none of whose cells has
            a class is one of the target.
        thresholds: IoUs, above 0 to 1, at which a pair counts as matched.

    Raises:
        ShapeError: the shapes differ.
        InputError: labels are no integers, or below IGNORE.
        ConfigError: neither side has a cell of the target, or a threshold is no IoU.
    """
    limits = checked_thresholds(thresholds)
    ours, theirs = _as_image(found, "found"), _as_image(expected, "expected")
    if target is not None:
        there = {each.class_of(own) for each in (ours, theirs) for own in each.ids}
        if there and target not in there:
            raise ConfigError(f"the target is a class of the cells; got {target!r}, there is {', '.join(sorted(there))}. Choose one.")
    blind = {ours.class_of(own) for own in ours.ids} <= {CELL}
    return _score(_cross(ours, theirs), ours, theirs, target, blind=blind, thresholds=limits)


def evaluate_datasets(
    found: Images,
    expected: Images,
    target: str | None = None,
    *,
    thresholds: Iterable[float] = THRESHOLDS,
    progress: Progress = _SILENT,
) -> Table:
    """Score many images, paired by name; two of them are in memory at a time where the sides are datasets.

    Args:
        found: the predictions.
        expected: the references.
        target: score this class alone. Without it there is a row for all cells, whatever their class, and, where both
            sides know classes, one for each class of the reference. Predictions none of which has a class are ones of the target.
        thresholds: as in evaluate.
        progress: hears of each image.

    Raises:
        InputError: names do not pair, or one comes twice; the text names them.
        ConfigError: the target is no class of the reference, or one that the predictions do not know.
        ShapeError: the shapes of an image differ.
    """
    limits = checked_thresholds(thresholds)
    ours, theirs = named(found), named(expected)
    names = paired(ours, theirs)
    blind = not has_classes(ours)
    targets = _targets(ours, theirs, target, blind=blind)
    rows: list[Row] = []
    for done, name in enumerate(names, start=1):
        one, other = ours[name], theirs[name]
        crossing = _cross(one, other)
        for each in targets:
            rows.append(Row(image=name, target=each, scores=_score(crossing, one, other, each, blind=blind, thresholds=limits)))
        progress.step("evaluate", done, len(names))
    return Table(rows=tuple(rows), targets=targets, thresholds=limits)


def _targets(found: NamedImages, expected: NamedImages, target: str | None, *, blind: bool) -> tuple[str | None, ...]:
    """The classes to score; None stands for all cells."""
    known = tuple(expected.classes)
    if target is None:
        return (None, *known) if len(known) > 1 and not blind else (None,)
    if target not in known:
        raise ConfigError(f"the target is a class of the reference; got {target!r}, there is {', '.join(known) or 'none'}. Choose one.")
    if not blind and target not in found.classes:
        there = ", ".join(found.classes)
        raise ConfigError(f"the target is a class of both sides; got {target!r}, the predictions know {there}. Rename the class.")
    return (target,)


def _score(
    crossing: Crossing, found: CellImage, expected: CellImage, target: str | None, *, blind: bool, thresholds: tuple[float, ...]
) -> Scores:
    """Scores of a class; blind: found has no classes, so all of it is of the target."""
    ours = _of(crossing.found, found, None if blind else target)
    return crossing.scores(ours, _of(crossing.expected, expected, target), thresholds)


def _of(side: Side, image: CellImage, target: str | None) -> NDArray[np.bool_]:
    """Which objects of a side are of a class; (N,)."""
    if target is None:
        return np.ones(len(side.ids), dtype=bool)
    return np.fromiter((image.class_of(own) == target for own in side.ids.tolist()), dtype=bool, count=len(side.ids))


def _cross(found: CellImage, expected: CellImage) -> Crossing:
    if found.instances.shape != expected.instances.shape:
        raise ShapeError(
            f"labels are compared pixel by pixel; {expected.name} is {found.instances.shape} where found and "
            f"{expected.instances.shape} where expected. Crop or resample one of them."
        )
    return cross(found.instances, expected.instances)


def _as_image(labels: Labels, name: str) -> CellImage:
    """Plain ids as an image whose pixels nobody looks at."""
    if isinstance(labels, CellImage):
        return labels
    given = np.asarray(labels)
    if given.dtype.kind not in "iu":
        way = "Number a mask first: scipy.ndimage.label(mask)[0]."
        raise InputError(f"labels are integer ids, 0 = background; {name} is {given.dtype}. {way}")
    if given.size and not IGNORE <= int(given.min()) <= int(given.max()) <= np.iinfo(np.int32).max:
        got = f"{name} has {given.min()} to {given.max()}"
        raise InputError(f"labels are {IGNORE} (unknown), 0 (background) or ids up to 2147483647; {got}. Renumber them.")
    instances = given.astype(np.int32, copy=False)
    return CellImage(name=name, pixels=np.broadcast_to(np.uint8(0), (1, *instances.shape)), instances=instances)
