"""A panel of activation maps: networks below each other, methods side by side, one colour scale for all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

from geoseg.figures import COLOURS, Layer, draw_layer, scale_bar
from segcore.errors import ConfigError, ShapeError
from segcore.files import fresh_file

EDGE = 240, 480
"""Least and largest edge of a cell, in pixels of the picture."""
OPACITY = 0.8
"""Of a map where it is 1."""

_DPI = 100
_LABEL, _GAP, _MARGIN = 158, 10, 12
_LARGE, _SMALL = 10.0, 8.5
_LINE = 16
"""Height of a line of text, in pixels; font sizes are points."""
_FOOT = 58
_GREY = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What stands above a column of maps."""

    title: str
    note: str = ""
    """A second line in small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One map."""

    values: NDArray[np.float32]
    """(h, w) in 0..1, of the size of the row's image."""
    text: str
    """A line below it."""
    note: str = ""
    """A second line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One window, and the maps of it."""

    label: tuple[str, ...]
    """Lines of text beside the row; the first one is bold."""
    image: NDArray[np.uint8]
    """(h, w)."""
    valid: NDArray[np.bool_]
    """(h, w): pixels that hold data; the others stay white."""
    transform: Affine
    """From (col, row) of the image to the map coordinates of the expert's outlines."""
    metres: float
    """Width of a pixel of the image."""
    cells: tuple[Cell | None, ...]
    """One for each column; None where there is no map."""


def _palette() -> ListedColormap:
    """Viridis, transparent at 0 and OPACITY at 1; faint values stay faint and the eye can rank them."""
    colours = colormaps["viridis"](np.linspace(0, 1, 256))
    colours[:, 3] = OPACITY * np.linspace(0, 1, 256) ** 0.75
    return ListedColormap(colours)


PALETTE = _palette()
"""The one colour scale, for values 0..1."""


def draw_panel(
    path: Path, columns: Sequence[Column], rows: Sequence[Row], *, caption: str = "", remark: str = "", expert: Any = (), absent: str = ""
) -> None:
    """Write a PNG: for each row its image alone, then one cell a column.

    Args:
        path: the picture; replaced where it exists.
        columns: of maps; the column of images comes before them.
        rows: at least one.
        caption: a line above all.
        remark: a line beside the colour scale.
        expert: polygons (N,), drawn in red on every cell.
        absent: what is written where a row has no map.

    Raises:
        ShapeError: a row has another number of cells than there are columns, or a map another size than its image.
        ConfigError: there is no row.
        OutputError: the folder is closed or the disk is full.
    """
    _require_fitting(columns, rows)
    page = _Page.for_content(columns, rows)
    page.write(page.left, _MARGIN, caption, size=_LARGE)
    page.write_titles([Column(title="image"), *columns])
    shown = 0
    for number, row in enumerate(rows):
        shapes = _near(expert, row)
        shown += len(shapes)
        page.write_label(number, row.label)
        for place, cell in enumerate([None, *row.cells]):
            axes = page.cell(number, place)
            if place and cell is None:
                _leave_empty(axes, absent)
                continue
            _show(axes, row, cell.values if cell else None, shapes)
            page.write_below(number, place, [cell.text, cell.note] if cell else [])
    page.write_key(remark, ("red: expert outline" if shown else "no expert outline here") if len(expert) else "")
    page.save(path)


def soften(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half the contrast around middle grey, so that a colour over it is read alike in shadow and sun; same shape."""
    return np.asarray(image // 2 + _GREY // 2, dtype=np.uint8)


def _require_fitting(columns: Sequence[Column], rows: Sequence[Row]) -> None:
    if not rows:
        raise ConfigError("a panel has at least one row, got none.")
    for row in rows:
        if len(row.cells) != len(columns):
            raise ShapeError(f"a row has one cell a column, {len(columns)}, got {len(row.cells)}.")
        for array in (row.valid, *(cell.values for cell in row.cells if cell)):
            if row.image.ndim != 2 or array.shape != row.image.shape:
                raise ShapeError(f"image, mask and maps of a row share one size (h, w), got {row.image.shape} and {array.shape}.")


def _near(expert: Any, row: Row) -> NDArray[np.object_]:
    """The outlines that reach into the image of a row."""
    shapes = np.asarray(expert, dtype=object)
    height, width = row.image.shape
    corners = [row.transform @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]
    return np.asarray(shapes[shapely.intersects(shapes, shapely.Polygon(corners))], dtype=object)


def _show(axes: Axes, row: Row, values: NDArray[np.float32] | None, expert: NDArray[np.object_]) -> None:
    """The image with its nodata white, a map over it, outlines over both."""
    height, width = row.image.shape
    fit: dict[str, Any] = {"extent": (0, width, height, 0), "aspect": "auto"}
    grey = row.image if values is None else soften(row.image)
    axes.imshow(np.where(row.valid, grey, 255), cmap="gray", vmin=0, vmax=255, **fit)
    if values is None:
        scale_bar(axes, row.metres, width)
    else:
        axes.imshow(values, cmap=PALETTE, vmin=0, vmax=1, **fit)
    draw_layer(axes, Layer(kind="expert", shapes=expert, label="expert outline"), row.transform)


def _leave_empty(axes: Axes, words: str) -> None:
    axes.set_facecolor("#f0f0f0")
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=_SMALL, color="#606060", transform=axes.transAxes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """The figure and where things lie on it, in pixels from its upper left corner."""

    figure: Figure
    wide: int
    tall: int
    edge: int
    """Of a cell."""
    top: int
    """Upper edge of the first row."""
    below: int
    """Height of the text below a cell."""

    left = _MARGIN + _LABEL
    """Left edge of the first column."""

    @classmethod
    def for_content(cls, columns: Sequence[Column], rows: Sequence[Row]) -> _Page:
        """A page with room for all; a pixel of the largest image becomes a whole number of pixels where it can."""
        largest = max(max(row.image.shape) for row in rows)
        edge = min(largest * ceil(EDGE[0] / largest), EDGE[1])
        notes = max((len(wrapped(column.note, edge, _SMALL)) for column in columns), default=0)
        below = _LINE * (1 + max((len(wrapped(cell.note, edge, _SMALL)) for row in rows for cell in row.cells if cell), default=0))
        top = _MARGIN + _LINE * (3 + notes)
        wide = cls.left + (edge + _GAP) * (1 + len(columns)) - _GAP + _MARGIN
        tall = top + (edge + below + _GAP) * len(rows) + _FOOT
        figure = Figure(figsize=(wide / _DPI, tall / _DPI), dpi=_DPI, facecolor="white")
        FigureCanvasAgg(figure)
        return cls(figure=figure, wide=wide, tall=tall, edge=edge, top=top, below=below)

    def axes(self, x: int, y: int, width: int, height: int) -> Axes:
        """Empty axes, with a thin frame."""
        axes = self.figure.add_axes((x / self.wide, 1 - (y + height) / self.tall, width / self.wide, height / self.tall))
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(linewidth=0.6, color="#808080")
        return axes

    def cell(self, row: int, column: int) -> Axes:
        """The place of an image or a map."""
        return self.axes(self._x(column), self._y(row), self.edge, self.edge)

    def write(self, x: float, y: float, text: str, *, size: float, centred: bool = False, **style: Any) -> None:
        """A line whose upper edge is y; x is its left edge, or its middle."""
        ha = "center" if centred else "left"
        self.figure.text(x / self.wide, 1 - y / self.tall, text, ha=ha, va="top", fontsize=size, parse_math=False, **style)

    def write_titles(self, columns: Sequence[Column]) -> None:
        """Names above the columns, the first lines at one height."""
        for place, column in enumerate(columns):
            lines = wrapped(column.note, self.edge, _SMALL)
            middle, low = self._x(place) + self.edge / 2, self.top - 4
            notes = (self.top - _MARGIN) // _LINE - 3
            self.write(middle, low - _LINE * (notes + 1), column.title, size=_LARGE, centred=True, weight="bold")
            for number, line in enumerate(lines):
                self.write(middle, low - _LINE * (notes - number), line, size=_SMALL, centred=True)

    def write_label(self, row: int, lines: Sequence[str]) -> None:
        """Lines left of a row, in its middle; long ones are broken."""
        pieces = [(part, not number) for number, line in enumerate(lines) for part in wrapped(line, _LABEL - _GAP, _LARGE, bold=not number)]
        start = self._y(row) + (self.edge - _LINE * len(pieces)) / 2
        for number, (part, bold) in enumerate(pieces):
            self.write(_MARGIN, start + _LINE * number, part, size=_LARGE, weight="bold" if bold else "normal")

    def write_below(self, row: int, column: int, lines: Sequence[str]) -> None:
        """Lines below a cell."""
        pieces = [part for line in lines for part in wrapped(line, self.edge, _SMALL)]
        for number, part in enumerate(pieces):
            self.write(self._x(column) + self.edge / 2, self._y(row) + self.edge + 3 + _LINE * number, part, size=_SMALL, centred=True)

    def write_key(self, remark: str, expert: str) -> None:
        """The colour scale over middle grey, and what else needs words."""
        y = self.tall - _FOOT + 8
        axes = self.axes(self.left, y, self.edge, 14)
        axes.imshow(np.full((1, 1), _GREY), cmap="gray", vmin=0, vmax=255, extent=(0, 1, 0, 1), aspect="auto")
        axes.imshow(np.linspace(0, 1, 256)[None], cmap=PALETTE, vmin=0, vmax=1, extent=(0, 1, 0, 1), aspect="auto")
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"], fontsize=_SMALL)
        axes.tick_params(length=3, width=0.6, pad=2)
        for number, line in enumerate(["activation; one scale for all maps", remark]):
            self.write(self._x(1), y + _LINE * number - 1, line, size=_SMALL)
        self.write(_MARGIN, y - 1, expert, size=_SMALL, color=COLOURS["expert"])

    def save(self, path: Path) -> None:
        """Write the file."""
        with fresh_file(path) as scratch:
            self.figure.savefig(scratch, format="png", metadata={"Software": None})

    def _x(self, column: int) -> int:
        return self.left + (self.edge + _GAP) * column

    def _y(self, row: int) -> int:
        return self.top + (self.edge + self.below + _GAP) * row


def wrapped(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """Text broken into lines of at most width pixels: after / + - _ . or a blank where it can, else anywhere."""
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    canvas: Any = FigureCanvasAgg(Figure(dpi=_DPI))  # untyped in matplotlib
    renderer = canvas.get_renderer()
    lines = [""]
    for part in re.findall(r"(?:[^/+\-_. ]|\.(?=\d))*[/+\-_. ]?", text):
        for piece in [part] if _fits(part, width, font, renderer) else part:
            if _fits((lines[-1] + piece).rstrip(), width, font, renderer):
                lines[-1] += piece
            else:
                lines.append(piece)
    return [line.strip() for line in lines] if text else []


def _fits(text: str, width: float, font: FontProperties, renderer: Any) -> bool:
    return bool(renderer.get_text_width_height_descent(text, font, False)[0] <= width)
