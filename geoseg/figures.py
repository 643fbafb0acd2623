"""Pictures of a scene with outlines on it; the same input makes the same PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, hypot, log10
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import shapely
from affine import Affine
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from rasterio.features import rasterize

from geoseg.grid import GeoGrid, metres_per_unit
from segcore.errors import ConfigError, ShapeError
from segcore.files import fresh_file
from segcore.io.protocol import ImageSource
from segcore.windows import Window

MAX_EDGE = 1600
"""Longest edge of a picture of a scene, in pixels; larger scenes are averaged down."""

Kind = Literal["expert", "found", "ignore", "points"]

COLOURS: Mapping[Kind, str] = MappingProxyType({"expert": "#e02020", "found": "#1f5aff", "ignore": "#00c8d7", "points": "#ffd600"})
"""What each kind of layer is drawn in: red, blue and dotted cyan lines, small yellow crosses."""

AGREEMENT: Mapping[str, str] = MappingProxyType({"both": "#00a651", "expert only": "#ffe100", "found only": "#ff7f0e"})
"""Pixels that both sides mark (true positive), that were missed (false negative), that are too many (false positive)."""

_DPI = 100
_MIN_EDGE = 640
_FOOT = 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Shapes to draw, and what the legend calls them."""

    kind: Kind
    """Chooses colour and mark."""
    shapes: Any
    """Polygons or points in the map coordinates of the picture, (N,)."""
    label: str
    """Text of the legend."""


def thumbnail(source: ImageSource, *, region: Window | None = None, limit: int = MAX_EDGE) -> tuple[NDArray[np.uint8], int]:
    """First band of a uint8 source, averaged down until its longer edge is at most limit: (image (h, w), factor).

    region: the part of the source that is wanted, by default all of it.

    Read strip by strip, so memory holds one strip and the result. A pixel of the image covers factor x factor
    pixels of the source; the last row and column may cover fewer.

    Raises:
        ShapeError: the source is not uint8; stretch it first.
        ConfigError: the limit is not positive.
    """
    if source.dtype != np.uint8:
        raise ShapeError(f"a picture is made of uint8 pixels, got {source.dtype}. Stretch the source first.")
    whole = region or Window(0, 0, *source.shape[1:])
    factor = _factor((whole.height, whole.width), limit)
    rows = range(whole.row, whole.row + whole.height, factor)
    heights = [min(factor, whole.row + whole.height - row) for row in rows]
    strips = [_averaged(source.read(Window(row, whole.col, high, whole.width))[0], factor) for row, high in zip(rows, heights, strict=True)]
    return np.concatenate(strips), factor


def overlay(
    path: Path, image: NDArray[np.uint8], transform: Affine, layers: Sequence[Layer], *, metres_per_unit: float = 1.0, title: str = ""
) -> None:
    """Draw layers over a grey image and write a PNG with legend and scale bar.

    Args:
        path: the picture; replaced where it exists.
        image: (H, W), 0..255; averaged down to at most 1600 pixels.
        transform: from (col, row) of the image to the map coordinates of the layers.
        layers: drawn in order.
        metres_per_unit: of the map, for the scale bar.
        title: a line above the picture.

    Raises:
        ShapeError: the image is not (H, W) uint8.
        OutputError: the folder is closed or the disk is full.
    """
    image, transform = _decimate(image, transform)
    figure, axes = _canvas(image, title)
    handles = [draw_layer(axes, layer, transform) for layer in layers]
    _finish(path, figure, axes, handles, metres=_pixel_size(transform) * metres_per_unit, width=image.shape[1])


def preview(
    image: ImageSource, grid: GeoGrid, region: Window, path: Path, *, found: Any, points: Any = (), expert: Any = (), ignore: Any = ()
) -> None:
    """Draw a region of a stretched scene with found outlines blue, expert outlines red, points as yellow crosses.

    found, expert and ignore: polygons (N,); points: (N,) points; all in the map coordinates of grid.
    """
    grey, factor = thumbnail(image, region=region)
    given: tuple[tuple[Kind, Any, str], ...] = (
        ("ignore", ignore, "ignored"),
        ("expert", expert, "expert outline"),
        ("found", found, "found outline"),
        ("points", points, "known point"),
    )
    layers = [Layer(kind=kind, shapes=shapes, label=label) for kind, shapes, label in given if len(shapes)]
    transform = grid.window_transform(region) @ Affine.scale(factor)
    overlay(path, grey, transform, layers, metres_per_unit=metres_per_unit(grid.crs))


def confusion_overlay(
    path: Path,
    image: NDArray[np.uint8],
    transform: Affine,
    predicted: Any,
    expert: Any,
    *,
    ignore: Any = (),
    metres_per_unit: float = 1.0,
    title: str = "",
) -> None:
    """Draw where found and expert polygons agree: green, missed: yellow, too many: orange; with both outlines.

    Arguments are those of overlay; predicted, expert and ignore are polygons (N,). Ground under ignore is not tinted.

    Raises:
        ShapeError: the image is not (H, W) uint8.
        OutputError: the folder is closed or the disk is full.
    """
    image, transform = _decimate(image, transform)
    figure, axes = _canvas(image, title)
    found, truth, under = (_mask(shapes, image.shape, transform) for shapes in (predicted, expert, ignore))
    tints = zip(AGREEMENT.values(), (found & truth, truth & ~found, found & ~truth), strict=True)
    for colour, mask in tints:
        _tint(axes, mask & ~under, colour)
    handles: list[Any] = [Patch(color=colour, alpha=0.6, label=label) for label, colour in AGREEMENT.items()]
    layers = [Layer(kind="expert", shapes=expert, label="expert outline"), Layer(kind="found", shapes=predicted, label="found outline")]
    if len(ignore):
        layers.insert(0, Layer(kind="ignore", shapes=ignore, label="ignored"))
    handles += [draw_layer(axes, layer, transform) for layer in layers]
    _finish(path, figure, axes, handles, metres=_pixel_size(transform) * metres_per_unit, width=image.shape[1])


def _decimate(image: NDArray[np.uint8], transform: Affine) -> tuple[NDArray[np.uint8], Affine]:
    """The image at a size that can be looked at, and its transform."""
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ShapeError(f"a picture is drawn on a (H, W) uint8 image, got {image.shape} {image.dtype}. Stretch it and take one band.")
    factor = _factor(image.shape, MAX_EDGE)
    a, b, c, d, e, f = transform[:6]
    return _averaged(image, factor), Affine(a * factor, b * factor, c, d * factor, e * factor, f)


def _factor(shape: tuple[int, ...], limit: int) -> int:
    if limit < 1:
        raise ConfigError(f"a picture is at least 1 pixel wide, got {limit}.")
    return max(1, ceil(max(shape) / limit))


def _averaged(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Means of factor x factor pixels, of what is there at the lower and right edge."""
    if factor == 1:
        return image
    starts = [np.arange(0, length, factor) for length in image.shape]
    sums = np.add.reduceat(np.add.reduceat(image, starts[0], axis=0, dtype=np.uint64), starts[1], axis=1)
    rows, cols = (np.diff(np.append(start, length)) for start, length in zip(starts, image.shape, strict=True))
    return np.asarray(np.rint(sums / np.outer(rows, cols)), dtype=np.uint8)


def _pixel_size(transform: Affine) -> float:
    """Width of a pixel in map units."""
    return hypot(transform.a, transform.d)


def _canvas(image: NDArray[np.uint8], title: str) -> tuple[Figure, Axes]:
    """A figure on which a pixel of the image is a whole number of pixels, with room for a title and a legend."""
    height, width = image.shape
    zoom = ceil(_MIN_EDGE / max(height, width))
    head = 24 if title else 0
    wide, tall = max(width * zoom, _MIN_EDGE), height * zoom + head + _FOOT
    figure = Figure(figsize=(wide / _DPI, tall / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(((wide - width * zoom) / 2 / wide, _FOOT / tall, width * zoom / wide, height * zoom / tall))
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest", extent=(0, width, height, 0), aspect="auto")
    axes.set_axis_off()
    if title:
        figure.text(0.5, 1 - head / 2 / tall, title, ha="center", va="center", fontsize=10, parse_math=False)
    return figure, axes


def draw_layer(axes: Axes, layer: Layer, transform: Affine) -> Line2D:
    """Draw a layer in pixel coordinates; its legend entry."""
    colour = COLOURS[layer.kind]
    shapes = np.asarray(layer.shapes, dtype=object)
    shapes = _in_pixels(shapes[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))], transform)
    if layer.kind == "points":
        axes.plot(*shapely.get_coordinates(shapes).T, "+", color=colour, markersize=6, markeredgewidth=1.2, scalex=False, scaley=False)
        return Line2D([], [], linestyle="", marker="+", color=colour, markersize=7, markeredgewidth=1.6, label=layer.label)
    style: Literal["dotted", "solid"] = "dotted" if layer.kind == "ignore" else "solid"
    rings = shapely.get_rings(shapes) if shapes.size else []
    outlines = [Outline(shapely.get_coordinates(ring), closed=True) for ring in rings]
    axes.add_collection(PathCollection(outlines, facecolors="none", edgecolors=colour, linewidths=1.2, linestyles=style), autolim=False)
    return Line2D([], [], color=colour, linewidth=1.8, linestyle=style, label=layer.label)


def _in_pixels(shapes: NDArray[np.object_], transform: Affine) -> NDArray[np.object_]:
    """Shapes in (x = column, y = row) of the image."""
    a, b, c, d, e, f = (~transform)[:6]
    return np.asarray(shapely.transform(shapes, lambda xy: xy @ np.array([[a, d], [b, e]]) + (c, f)), dtype=object)


def _mask(shapes: Any, size: tuple[int, int], transform: Affine) -> NDArray[np.bool_]:
    """Pixels (H, W) whose centre lies in any of the polygons."""
    if not len(shapes):
        return np.zeros(size, dtype=bool)
    return np.asarray(rasterize(shapes, out_shape=size, transform=transform, dtype=np.uint8), dtype=bool)


def _tint(axes: Axes, mask: NDArray[np.bool_], colour: str) -> None:
    """Lay a transparent colour over the pixels of a mask."""
    pixels = np.zeros((*mask.shape, 4), dtype=np.uint8)
    pixels[mask] = (*bytes.fromhex(colour[1:]), 140)
    axes.imshow(pixels, interpolation="nearest", extent=(0, mask.shape[1], mask.shape[0], 0), aspect="auto")


def _finish(path: Path, figure: Figure, axes: Axes, handles: Sequence[Any], *, metres: float, width: int) -> None:
    """Add scale bar and legend, and write the file. metres: width of an image pixel."""
    scale_bar(axes, metres, width)
    legend = figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)
    with fresh_file(path) as scratch:
        figure.savefig(scratch, format="png", metadata={"Software": None})


def scale_bar(axes: Axes, metres: float, width: int) -> None:
    """A bar of a round length, at most a quarter of the picture, in its lower left corner."""
    length = round_length(width * metres / 4)
    bar, height = length / metres, axes.get_ylim()[0]
    left, low, thick = 0.03 * width, 0.97 * height, 0.008 * max(height, width)
    box: dict[str, Any] = {"facecolor": "white", "edgecolor": "black", "linewidth": 0.8, "zorder": 10}
    axes.add_patch(Rectangle((left, low - thick), bar, thick, **box))
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    frame = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5}
    axes.text(left, low - 1.6 * thick, text, fontsize=9, va="bottom", ha="left", color="black", bbox=frame, zorder=10)


def round_length(limit: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above limit."""
    power = 10.0 ** floor(log10(limit))
    return max(step * power for step in (1, 2, 5) if step * power <= limit * (1 + 1e-9))
