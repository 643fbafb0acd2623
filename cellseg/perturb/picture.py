"""A picture of what a perturbation did to an annotation; the same input makes the same PNG bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.image import CellImage
from cellseg.perturb.changes import changed_ids, marked
from segcore.files import fresh_file

OMITTED, INCLUDED, BIAS = "omitted", "included", "bias"
COLOURS = MappingProxyType({OMITTED: (255, 140, 0), INCLUDED: (225, 25, 25), BIAS: (225, 0, 225), "kept": (20, 150, 60)})
"""Orange: objects that are gone. Red: objects that are in the annotation and do not belong there. Magenta: pixels between an old
outline and the new one. Green: outlines as they are now."""

DETAIL = 250
"""Edge of the part that is shown larger, in pixels of the image."""

_EDGE = 900
_LINE = 3
"""Most pixels of the picture that an outline is wide."""
_DPI = 100
_GAP, _HEAD, _FOOT = 16, 30, 40
_KEY = 880
"""Width of the key, in pixels of the picture."""

Colour = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marks:
    """What is drawn on a plane, each (H, W)."""

    omitted: NDArray[np.bool_]
    included: NDArray[np.bool_]
    bias: NDArray[np.bool_]
    kept: NDArray[np.int32]
    """Objects of the annotation as they are now."""


def draw_changes(path: Path, before: CellImage, after: CellImage, *, target: str | None = None) -> Path:
    """Draw an image, or the plane of a volume where most has changed, and beside a large one its busiest part enlarged.

    Args:
        path: the PNG file; replaced where it exists.
        before: the image with its own labels.
        after: the same with worse ones.
        target: class whose annotation is drawn; None = all objects.

    Raises:
        ShapeError: the two have other sizes.
        OutputError: the folder is closed or the disk is full.
    """
    grey, marks = _busiest(before, after, target)
    rows, cols = _detail(marks)
    backdrop, shape = _backdrop(grey), grey.shape[:2]
    whole = _enlarged(backdrop, marks, ceil(_EDGE / max(shape)))
    title = before.name if target is None else f"{before.name}: {target}"
    if max(shape) <= DETAIL:
        _save(path, [whole], None, title)
        return path
    part = Marks(
        omitted=marks.omitted[rows, cols], included=marks.included[rows, cols], bias=marks.bias[rows, cols], kept=marks.kept[rows, cols]
    )
    detail = _enlarged(backdrop[rows, cols], part, max(whole.shape[:2]) // max(part.kept.shape))
    factor = whole.shape[0] // shape[0]
    frame = cols.start * factor, rows.start * factor, part.kept.shape[1] * factor, part.kept.shape[0] * factor
    _save(path, [whole, detail], frame, title)
    return path


def _busiest(before: CellImage, after: CellImage, target: str | None) -> tuple[NDArray[Any], Marks]:
    """Pixels (H, W, C) and marks of the plane with most changed pixels."""
    old, new, pixels = before.instances, after.instances, before.pixels
    mine, now = _mine(before, target), _mine(after, target)
    moved = np.intersect1d(np.intersect1d(changed_ids(before, after), now), before.ids)
    marks = {
        "omitted": marked(old, np.setdiff1d(mine, after.ids)),
        "included": marked(new, np.setdiff1d(now, mine)),
        "bias": marked(old, moved) ^ marked(new, moved),
        "kept": np.where(marked(new, now), new, 0),
    }
    if old.ndim == 3:
        changed = marks["omitted"] | marks["included"] | marks["bias"]
        number = int(changed.sum((1, 2)).argmax())
        marks, pixels = {key: value[number] for key, value in marks.items()}, pixels[:, number]
    return np.moveaxis(pixels, 0, -1), Marks(**marks)


def _mine(image: CellImage, target: str | None) -> NDArray[np.int32]:
    return image.ids if target is None else image.ids_of(target)


def _backdrop(pixels: NDArray[Any]) -> Colour:
    """Pixels (H, W, C) as (H, W, 3) for the eye, stretched between their 0.5th and 99.8th percentile; other than three channels: grey."""
    values = pixels if pixels.shape[-1] == 3 else pixels.mean(-1, keepdims=True)
    values = np.nan_to_num(values.astype(np.float64))
    low, high = np.percentile(values, [0.5, 99.8])
    shown = ((values - low) / max(high - low, 1e-12)).clip(0, 1) * 255
    if pixels.dtype == np.uint8 and pixels.shape[-1] == 3:
        shown = values
    return np.broadcast_to(shown, (*shown.shape[:2], 3)).astype(np.uint8)


def _detail(marks: Marks) -> tuple[slice, slice]:
    """The square of DETAIL pixels with much of each kind of change, kept inside the plane."""
    from scipy.ndimage import uniform_filter

    kinds = (marks.omitted, marks.included, marks.bias)
    busy = sum(np.sqrt(uniform_filter(kind.astype(np.float64), DETAIL, mode="constant").clip(0)) for kind in kinds)
    centre = np.unravel_index(int(busy.argmax()), busy.shape)
    start = [int(np.clip(c - DETAIL // 2, 0, max(size - DETAIL, 0))) for c, size in zip(centre, busy.shape, strict=True)]
    return slice(start[0], start[0] + DETAIL), slice(start[1], start[1] + DETAIL)


def _enlarged(backdrop: Colour, marks: Marks, factor: int) -> Colour:
    """The plane with its marks, each pixel factor x factor; outlines stay thin."""
    image = backdrop.astype(np.float32)
    for key, opacity in ((OMITTED, 0.55), (INCLUDED, 0.45), (BIAS, 0.75)):
        where = getattr(marks, key)
        image[where] = (1 - opacity) * image[where] + opacity * np.array(COLOURS[key], dtype=np.float32)
    large: Colour = image.round().astype(np.uint8).repeat(factor, 0).repeat(factor, 1)
    _outline(large, np.where(marks.included, 0, marks.kept), COLOURS["kept"], factor)
    _outline(large, np.where(marks.included, marks.kept, 0), COLOURS[INCLUDED], factor)
    return large


def _outline(large: Colour, objects: NDArray[np.int32], colour: tuple[int, int, int], factor: int) -> None:
    """Draw where objects end, on their own pixels."""
    labels = objects.repeat(factor, 0).repeat(factor, 1)
    edge = np.zeros(labels.shape, dtype=np.bool_)
    for step in range(1, min(max(1, factor // 2), _LINE) + 1):
        edge[step:] |= labels[step:] != labels[:-step]
        edge[:-step] |= labels[:-step] != labels[step:]
        edge[:, step:] |= labels[:, step:] != labels[:, :-step]
        edge[:, :-step] |= labels[:, :-step] != labels[:, step:]
    large[edge & (labels > 0)] = colour


def _save(path: Path, pictures: Sequence[Colour], frame: tuple[int, int, int, int] | None, title: str) -> None:
    """Pictures side by side, a frame (x, y, width, height) in the first, the key below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    wide = max(sum(picture.shape[1] + _GAP for picture in pictures) + _GAP, _KEY)
    tall = max(picture.shape[0] for picture in pictures) + _HEAD + _FOOT
    figure = Figure(figsize=(wide / _DPI, tall / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    left = _GAP
    for picture in pictures:
        high, broad = picture.shape[:2]
        axes = figure.add_axes((left / wide, 1 - (_HEAD + high) / tall, broad / wide, high / tall))
        axes.imshow(picture, interpolation="nearest", aspect="auto", extent=(0, broad, high, 0))
        axes.set(xticks=[], yticks=[])
        if picture is pictures[0] and frame is not None:
            for width, colour in ((4.0, "white"), (1.5, "black")):
                axes.add_patch(Rectangle(frame[:2], *frame[2:], fill=False, linewidth=width, edgecolor=colour))
        left += broad + _GAP
    figure.text(_GAP / wide, 1 - _HEAD / 2 / tall, title, va="center", fontsize=11, weight="bold", parse_math=False)
    words = {
        OMITTED: "omitted, or eroded to nothing",
        INCLUDED: "included",
        BIAS: "gained or lost by bias",
        "kept": "annotation as it is now",
    }
    keys = [Patch(facecolor="#{:02x}{:02x}{:02x}".format(*COLOURS[key]), label=text) for key, text in words.items()]
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (_GAP / wide, 0), "borderaxespad": 0.4, "borderpad": 0}
    figure.legend(handles=keys, ncols=4, frameon=False, fontsize=10, **place)
    with fresh_file(path) as scratch:
        figure.savefig(scratch, format="png", metadata={"Software": None})
