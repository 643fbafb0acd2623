"""Where found and expected cells agree, over the image; the same arrays make the same PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from cellseg.image import IGNORE, CellImage
from segcore.errors import ShapeError
from segcore.files import fresh_file

AGREEMENT: Mapping[str, str] = MappingProxyType({"both": "#00a651", "missed": "#ffe100", "too many": "#ff7f0e"})
"""Pixels that both sides mark (true positive), that only the reference (false negative) or only the prediction marks (false positive)."""
MAX_EDGE = 1600
"""Longest edge of the image in a picture, in pixels; of larger ones every nth row and column is drawn."""

_DPI, _MIN_EDGE, _HEAD, _FOOT = 100, 480, 24, 34
_FILL, _RIM = 0.45, 0.9
"""Weight of the colour inside a cell and on its rim."""


def draw_agreement(path: Path, found: CellImage, expected: CellImage, *, target: str | None = None, all_found: bool = False) -> None:
    """Draw agreement green, missed cells yellow, invented ones orange; rims of cells are stronger, unknown pixels stay bare.

    Of a volume the plane with most marked pixels is drawn; the title says which.

    Args:
        path: the picture; replaced where it exists.
        found: the prediction.
        expected: the reference, whose pixels are shown.
        target: draw this class alone.
        all_found: the prediction knows no classes: all of it is of the target.

    Raises:
        ShapeError: the sides differ in shape.
        OutputError: the folder is closed or the disk is full.
    """
    if found.instances.shape != expected.instances.shape:
        raise ShapeError(f"a picture compares labels of one shape, got {found.instances.shape} and {expected.instances.shape}.")
    unknown = (found.instances == IGNORE) | (expected.instances == IGNORE)
    ours = np.where(found.mask(None if all_found else target) & ~unknown, found.instances, 0)
    theirs = np.where(expected.mask(target) & ~unknown, expected.instances, 0)
    pixels, text = expected.pixels, expected.name
    if ours.ndim == 3:
        plane = int(np.argmax(np.count_nonzero((ours > 0) | (theirs > 0), axis=(1, 2))))
        ours, theirs, pixels, text = ours[plane], theirs[plane], pixels[:, plane], f"{text}, plane {plane}"
    step = ceil(max(ours.shape) / MAX_EDGE)
    canvas = _backdrop(pixels[:, ::step, ::step])
    _paint(canvas, ours[::step, ::step], theirs[::step, ::step])
    _write(path, canvas.round().astype(np.uint8), text)


def _backdrop(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """RGB (h, w, 3), 0..255: three channels as they are, else the first as grey; other types than uint8 are stretched."""
    shown = (pixels if len(pixels) == 3 else pixels[:1].repeat(3, axis=0)).transpose(1, 2, 0).astype(np.float32)
    if pixels.dtype == np.uint8:
        return shown
    known = shown[np.isfinite(shown)]
    low, high = np.percentile(known, (0.5, 99.5)) if known.size else (0.0, 0.0)
    return np.asarray(np.clip((np.nan_to_num(shown) - low) / max(high - low, 1e-12), 0, 1) * 255, dtype=np.float32)


def _paint(canvas: NDArray[np.float32], found: NDArray[np.int32], expected: NDArray[np.int32]) -> None:
    """Tint the canvas (h, w, 3) in place."""
    ours, theirs = found > 0, expected > 0
    weight = np.where(_rims(found) | _rims(expected), _RIM, _FILL).astype(np.float32)[..., None]
    for colour, where in zip(AGREEMENT.values(), (ours & theirs, theirs & ~ours, ours & ~theirs), strict=True):
        tint = np.frombuffer(bytes.fromhex(colour[1:]), dtype=np.uint8).astype(np.float32)
        canvas[where] += weight[where] * (tint - canvas[where])


def _rims(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels of objects with another id to the right or below, or to the left or above."""
    rims = np.zeros(labels.shape, dtype=bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    rims[1:] |= down
    rims[:-1] |= down
    rims[:, 1:] |= right
    rims[:, :-1] |= right
    return rims & (labels > 0)


def _write(path: Path, image: NDArray[np.uint8], text: str) -> None:
    """The image (h, w, 3) on whole pixels, a title above and the legend below."""
    height, width = image.shape[:2]
    zoom = ceil(_MIN_EDGE / max(height, width))
    wide, tall = max(width * zoom, _MIN_EDGE), height * zoom + _HEAD + _FOOT
    figure = Figure(figsize=(wide / _DPI, tall / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(((wide - width * zoom) / 2 / wide, _FOOT / tall, width * zoom / wide, height * zoom / tall))
    axes.imshow(image, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    figure.text(0.5, 1 - _HEAD / 2 / tall, text, ha="center", va="center", fontsize=10, parse_math=False)
    handles = [Patch(color=colour, label=label) for label, colour in AGREEMENT.items()]
    figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=9)
    with fresh_file(path) as scratch:
        figure.savefig(scratch, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 3})
