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


def contact_sheet(chips: NDArray[np.uint8], labels: Sequence[int], ids: Sequence[str], path: Path, *, window: int) -> None:
    """Draw up to 48 chips (N, C, S, S) of each class with their ids as a PNG; the window in the middle is framed.

    Sites are framed blue, negatives orange; the first band is shown.
    """
    chosen = [i for label in (1, 0) for i in _spread([i for i, own in enumerate(labels) if own == label])]
    rows = -(-len(chosen) // _COLUMNS)
    figure = Figure(figsize=(_COLUMNS * 1.1, rows * 1.2 + 0.1))
    FigureCanvasAgg(figure)
    start = (chips.shape[-1] - window) / 2
    for place, i in enumerate(chosen):
        axes = figure.add_subplot(rows, _COLUMNS, place + 1)
        axes.imshow(chips[i][0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.add_patch(Rectangle((start, start), window, window, fill=False, lw=0.8, ec="tab:blue" if labels[i] else "tab:orange"))
        axes.set_title(ids[i], fontsize=6, pad=1, parse_math=False)
        axes.set_axis_off()
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1 - 0.15 / (rows * 1.2 + 0.1), wspace=0.04, hspace=0.12)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _spread(indices: list[int]) -> list[int]:
    """At most _PER_CLASS of them, evenly spread."""
    if len(indices) <= _PER_CLASS:
        return indices
    return [indices[i] for i in np.linspace(0, len(indices) - 1, _PER_CLASS).round().astype(int)]
