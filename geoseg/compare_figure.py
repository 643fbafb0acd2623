"""A comparison as one picture; the same input makes the same PNG bytes."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from geoseg.comparison import ENSEMBLE, Comparison
from segcore.files import fresh_file

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which people who see colours differently can tell apart."""
MARKS = "osD^vPX"
_DPI, _HIGH, _LEAST, _COLUMN, _MARGIN = 150, 4.6, 6.0, 1.1, 1.4
"""Dots and sizes in inches: a column of the table is 1.1 wide."""


def draw_comparison(path: Path, comparison: Comparison) -> None:
    """Dice 0..1 against the maps: a dot for each model, small and hollow its networks, a bar their mean, a dashed line the discs.

    Raises:
        OutputError: the folder is closed or the disk is full.
    """
    wide = max(_LEAST, _MARGIN + _COLUMN * len(comparison.columns))
    figure = Figure(figsize=(wide, _HIGH), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    handles = [_dots(axes, comparison, view) for view in range(len(comparison.names))]
    if any(cell.network != ENSEMBLE for cell in comparison.cells):
        handles.append(Line2D([], [], linestyle="", marker="o", markersize=4, mfc="none", mec="#555555", label="one network alone"))
    handles += [_means(axes, comparison), *_control(axes, comparison)]
    _frame(axes, comparison)
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=min(3, len(handles)), frameon=False, fontsize=9)
    for text in [*legend.get_texts(), *axes.get_xticklabels()]:
        text.set_parse_math(False)
    with fresh_file(path) as scratch:
        figure.savefig(scratch, format="png", metadata={"Software": None})


def _dots(axes: Axes, comparison: Comparison, view: int) -> Line2D:
    """The values of one model, beside those of the others; its legend entry."""
    colour, mark = COLOURS[view % len(COLOURS)], MARKS[view % len(MARKS)]
    step = min(0.16, 0.6 / len(comparison.names))
    aside = step * (view - (len(comparison.names) - 1) / 2)
    own = [cell for cell in comparison.cells if cell.view == view and not isnan(cell.tally.dice)]
    for network in dict.fromkeys(cell.network for cell in own):
        cells = [cell for cell in own if cell.network == network]
        size, fill, where = (7, colour, aside) if network == ENSEMBLE else (3.5, "none", aside + step / 2)
        _plot(axes, [cell.column + where for cell in cells], [cell.tally.dice for cell in cells], mark, size, fill, colour)
    label = f"{comparison.names[view]} ({comparison.archs[view]})"
    return Line2D([], [], linestyle="", marker=mark, markersize=7, color=colour, label=label)


def _plot(axes: Axes, x: Sequence[float], y: Sequence[float], mark: str, size: float, fill: str, edge: str) -> None:
    axes.plot(x, y, linestyle="", marker=mark, markersize=size, mfc=fill, mec=edge, mew=0.9, zorder=3 if fill == "none" else 4)


def _means(axes: Axes, comparison: Comparison) -> Line2D:
    """A bar at the mean that the last row of the table has; its legend entry."""
    for column in range(len(comparison.columns)):
        values = comparison.over_networks(column, lambda tally: tally.dice)
        if values:
            axes.hlines(sum(values) / len(values), column - 0.32, column + 0.32, color="#555555", linewidth=1.6, zorder=2)
    over = "models" if len(comparison.names) > 1 else "networks"
    return Line2D([], [], color="#555555", linewidth=1.6, label=f"mean over the {over}")


def _control(axes: Axes, comparison: Comparison) -> list[Any]:
    if comparison.discs is None:
        return []
    style: dict[str, Any] = {"color": "#999999", "linewidth": 1.2, "linestyle": "--"}
    axes.axhline(comparison.discs.dice, zorder=1, **style)
    return [Line2D([], [], label=f"discs of one size ({comparison.discs.dice:.2f})", **style)]


def _frame(axes: Axes, comparison: Comparison) -> None:
    titles = [column.title.replace("@", "\n", 1) for column in comparison.columns]
    axes.set_xticks(
        range(len(titles)), titles, fontsize=8, rotation=25 if len(titles) > 4 else 0, ha="right" if len(titles) > 4 else "center"
    )
    axes.set_xlim(-0.6, len(titles) - 0.4)
    axes.set_ylim(0, 1)
    axes.set_ylabel("Dice, all sites pooled")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    unseen, total = comparison.sites.unseen, len(comparison.sites)
    title = f"Outlines of {total} sites{'' if unseen == total else f', {unseen} of them'} on ground that no network learnt from"
    axes.set_title(title, fontsize=10, loc="left")
