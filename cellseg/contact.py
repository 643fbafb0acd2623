"""A contact sheet: small pictures of images with the outlines of their objects, in one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.image import CELL, IGNORE, CellImage
from segcore.errors import ConfigError
from segcore.files import fresh_file

EDGE = 240
"""Edge of a picture, in pixels of the sheet."""
COLUMNS, MOST = 6, 24
"""Pictures in a row, and on a sheet."""
COLOURS = ("#ffd400", "#00c8ff", "#ff5ac8", "#5aff5a", "#ff8c1e", "#b48cff")
"""Outlines of the classes in their order; they repeat from the seventh on."""
IGNORED = 0.35
"""Brightness of unknown pixels, as a share of their own."""

_DPI, _MARGIN, _GAP, _LINE = 100, 12, 10, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One picture of the sheet."""

    title: str
    note: str
    picture: NDArray[np.uint8]
    """(h, w, 3), at most EDGE each way."""


def make_tile(image: CellImage, classes: Sequence[str]) -> Tile:
    """A picture of an image, or of the middle plane of a volume, with outlines in the colours of the classes.

    Three channels are shown as red, green, blue, else the first one in grey; stretched from the 1st to the 99.8th percentile
    unless they are of 8 bits.
    """
    planes = list(image.slices()) if image.instances.ndim == 3 else [image]
    plane = planes[len(planes) // 2]
    height, width = plane.instances.shape
    rows, cols = _places(height, width)
    channels = plane.pixels if len(plane.pixels) == 3 else plane.pixels[:1]
    picture = np.stack([_grey(channel[np.ix_(rows, cols)]) for channel in channels], axis=2)
    small = plane.instances[np.ix_(rows, cols)]
    shown = _outlined(np.broadcast_to(picture, (*small.shape, 3)), small, plane, classes)
    size = " x ".join(map(str, image.instances.shape))
    count = len(image.ids)
    return Tile(title=image.name, note=f"{size} px, {count} object{'' if count == 1 else 's'}", picture=shown)


def draw_contact(path: Path, tiles: Sequence[Tile], classes: Sequence[str]) -> None:
    """Write a PNG of at most MOST tiles, with the colour of each class below; the same tiles give the same bytes.

    Raises:
        ConfigError: no tile, or more than MOST.
        OutputError: the folder is closed or the disk is full.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not 1 <= len(tiles) <= MOST:
        raise ConfigError(f"a contact sheet shows 1 to {MOST} images, got {len(tiles)}.")
    across = min(COLUMNS, len(tiles))
    down = -(-len(tiles) // across)
    step = EDGE + _GAP, EDGE + 2 * _LINE + _GAP
    wide, tall = 2 * _MARGIN + across * step[0] - _GAP, 2 * _MARGIN + down * step[1] + _LINE * -(-len(classes) // across)
    figure = Figure(figsize=(wide / _DPI, tall / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    sheet = np.full((tall, wide, 3), 255, dtype=np.uint8)
    for number, tile in enumerate(tiles):
        x, y = _MARGIN + number % across * step[0], _MARGIN + number // across * step[1]
        high, broad = tile.picture.shape[:2]
        sheet[y : y + high, x : x + broad] = tile.picture
        for line, (text, colour) in enumerate(((_short(tile.title), "black"), (tile.note, "#606060"))):
            _write(figure, x, y + high + 2 + _LINE * line, text, colour)
    figure.figimage(sheet, zorder=-1)
    for number, name in enumerate(classes):
        x, y = _MARGIN + number % across * step[0], _MARGIN + down * step[1] + number // across * _LINE
        _write(figure, x, y, "\u25a0", COLOURS[number % len(COLOURS)], edge=True)
        _write(figure, x + _LINE, y, _short(name), "black")
    with fresh_file(path) as scratch:
        figure.savefig(scratch, format="png", metadata={"Software": None})


def _places(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns to show: a whole number of times each where the image is small, else evenly left out."""
    scale = EDGE / max(height, width)
    scale = float(int(scale)) if scale >= 1 else scale
    size = max(1, round(height * scale)), max(1, round(width * scale))
    rows, cols = (((np.arange(count) + 0.5) * length / count).astype(np.intp) for count, length in zip(size, (height, width), strict=True))
    return rows, cols


def _grey(channel: NDArray[Any]) -> NDArray[np.uint8]:
    if channel.dtype == np.uint8:
        return np.asarray(channel, dtype=np.uint8)
    values = np.nan_to_num(channel.astype(np.float64), posinf=0, neginf=0)
    low, high = np.percentile(values, (1, 99.8))
    return np.asarray(np.clip((values - low) / max(high - low, 1e-12), 0, 1) * 255, dtype=np.uint8)


def _outlined(picture: NDArray[np.uint8], small: NDArray[np.int32], plane: CellImage, classes: Sequence[str]) -> NDArray[np.uint8]:
    """Outlines lie on the outermost pixels of the objects; unknown pixels are dark."""
    from matplotlib.colors import to_rgb

    out = np.where((small == IGNORE)[..., None], picture * IGNORED, picture).astype(np.uint8)
    padded = np.pad(small, 1, mode="edge")
    neighbours = (padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1])
    rim = (small > 0) & np.any([near != small for near in neighbours], axis=0)
    for own in np.unique(small[rim]):
        name = plane.class_of(own)
        colour = COLOURS[classes.index(name) % len(COLOURS)] if name in classes else "#ffffff" if name == CELL else COLOURS[0]
        out[rim & (small == own)] = np.round(255 * np.array(to_rgb(colour))).astype(np.uint8)
    return out


def _short(text: str) -> str:
    return text if len(text) <= 34 else f"{text[:16]}...{text[-15:]}"


def _write(figure: Any, x: float, y: float, text: str, colour: str, *, edge: bool = False) -> None:
    """A line whose upper left corner is (x, y) in pixels from the upper left of the figure."""
    from matplotlib.patheffects import withStroke

    wide, tall = figure.get_size_inches() * figure.dpi
    style = {"path_effects": [withStroke(linewidth=1.2, foreground="#303030")]} if edge else {}
    figure.text(x / wide, 1 - y / tall, text, ha="left", va="top", fontsize=8.5, color=colour, parse_math=False, **style)
