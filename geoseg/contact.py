"""A contact sheet: many chips on one page, to be checked by eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

_COLUMNS, _PER_CLASS = 12, 48
_CELL, _HEAD, _GAP = 104, 12, 6
"""Edge of a chip, height of its title, and distance between chips on the page, in pixels."""


def contact_sheet(chips: NDArray[np.uint8], labels: Sequence[int], ids: Sequence[str], path: Path, *, window: int) -> None:
    """Draw up to 48 chips (N, C, S, S) of each class with their ids as a PNG; the window in the middle is framed.

    Sites are framed blue, negatives orange; the first band is shown.
    """
    chosen = [i for label in (1, 0) for i in _spread([i for i, own in enumerate(labels) if own == label])]
    width, height = _COLUMNS * (_CELL + _GAP), -(-len(chosen) // _COLUMNS) * (_CELL + _HEAD + _GAP)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    frame = window / chips.shape[-1] * _CELL
    for place, i in enumerate(chosen):
        left, top = place % _COLUMNS * (_CELL + _GAP), place // _COLUMNS * (_CELL + _HEAD + _GAP) + _HEAD
        extent = (left, left + _CELL, top + _CELL, top)
        axes.imshow(chips[i][0], cmap="gray", vmin=0, vmax=255, interpolation="nearest", extent=extent, aspect="auto")
        corner = left + (_CELL - frame) / 2, top + (_CELL - frame) / 2
        axes.add_patch(Rectangle(corner, frame, frame, fill=False, lw=0.8, ec="tab:blue" if labels[i] else "tab:orange"))
        axes.text(left + _CELL / 2, top - 2, ids[i], fontsize=6, ha="center", va="bottom", parse_math=False)
    axes.set(xlim=(0, width), ylim=(height, 0))
    figure.savefig(path, metadata={"Software": None})


def _spread(indices: list[int]) -> list[int]:
    """At most _PER_CLASS of them, evenly spread."""
    if len(indices) <= _PER_CLASS:
        return indices
    return [indices[i] for i in np.linspace(0, len(indices) - 1, _PER_CLASS).round().astype(int)]
