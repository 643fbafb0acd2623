"""A picture of several slices with the outlines of their objects, one colour a class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellseg.image import CellImage
from segcore.errors import ConfigError, ShapeError
from segcore.files import fresh_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = "#ffd600", "#00c8ff", "#ff5fa2", "#7dff6b"
"""Outlines of the classes, in the order of their names; more classes begin again."""
EDGE = 640
"""Longest edge of a slice, in pixels of the picture."""

_DPI, _GAP, _TITLE, _FOOT = 100, 8, 20, 34
_LIMITS = 0.5, 99.8
"""Percentiles of a slice that are drawn black and white."""


def montage(path: Path | str, images: Sequence[CellImage], *, columns: int = 3, outlines: bool = True) -> Path:
    """Write a PNG of images side by side; the same input makes the same bytes.

    Args:
        path: the picture; replaced where it exists.
        images: 2-D, of one size or several; the first channel is shown. `list(volume.slices())[::20]` shows a volume.
        columns: images in a row.
        outlines: draw each object's outline in the colour of its class.

    Returns:
        The path.

    Raises:
        ConfigError: no image, or less than one column.
        ShapeError: a volume among the images.
        OutputError: the folder is closed or the disk is full.
    """
    _require(images, columns)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(columns, len(images))
    rows = ceil(len(images) / columns)
    wide, high = _cell(images)
    width, height = columns * (wide + _GAP) + _GAP, rows * (high + _TITLE + _GAP) + _FOOT
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    classes = sorted({image.class_of(own) for image in images for own in image.ids})
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(classes)}
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        left, top = _GAP + column * (wide + _GAP), _TITLE + row * (high + _TITLE + _GAP)
        axes = figure.add_axes((left / width, 1 - (top + high) / height, wide / width, high / height))
        _show(axes, image, colours if outlines else {})
    if outlines and classes:
        _legend(figure, colours)
    with fresh_file(Path(path)) as scratch:
        figure.savefig(scratch, format="png", metadata={"Software": None})
    return Path(path)


def outline(instances: NDArray[np.int32], own: int) -> Iterator[NDArray[np.float64]]:
    """Closed lines around an object of (H, W), each (N, 2) of (row, col) halfway to the pixels outside."""
    from skimage.measure import find_contours

    rows, cols = np.nonzero(instances == own)
    if not len(rows):
        return
    top, left = int(rows.min()), int(cols.min())
    box = instances[top : rows.max() + 1, left : cols.max() + 1] == own
    find: Any = find_contours
    for line in find(np.pad(box, 1).astype(np.float32), 0.5):
        yield line + np.array([top - 1, left - 1])


def _require(images: Sequence[CellImage], columns: int) -> None:
    if not images or columns < 1:
        raise ConfigError(f"a montage has at least one image and one column, got {len(images)} and {columns}.")
    for image in images:
        if image.instances.ndim != 2:
            raise ShapeError(f"a montage shows slices, {image.name} is a volume. Give it some of image.slices().")


def _cell(images: Sequence[CellImage]) -> tuple[int, int]:
    """Width and height of a place of the picture, in its pixels."""
    high, wide = (max(image.instances.shape[axis] for image in images) for axis in (0, 1))
    scale = EDGE / max(high, wide)
    return max(1, round(wide * scale)), max(1, round(high * scale))


def _show(axes: Axes, image: CellImage, colours: dict[str, str]) -> None:
    height, width = image.instances.shape
    low, high = np.percentile(image.pixels[0], _LIMITS)
    axes.imshow(image.pixels[0], cmap="gray", vmin=low, vmax=max(high, low + 1), interpolation="antialiased")
    for own in image.ids if colours else ():
        for line in outline(image.instances, int(own)):
            axes.plot(line[:, 1], line[:, 0], color=colours[image.class_of(own)], linewidth=0.9)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.set_title(image.name, fontsize=9, pad=3, parse_math=False)
    axes.set_axis_off()


def _legend(figure: Any, colours: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=colour, linewidth=3, label=name) for name, colour in colours.items()]
    legend = figure.legend(handles=lines, loc="lower center", ncols=len(lines), frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)
