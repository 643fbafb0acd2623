"""Scores of many images as one chart; the same table makes the same PNG bytes."""

from __future__ import annotations

from math import isnan
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cellseg.evaluate_table import Table, title
from segcore.files import fresh_file

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which people who see colours differently can tell apart; they come round again after seven classes."""
_DPI, _WIDE, _HIGH = 150, 10.0, 4.4
_SPREAD = 0.3
"""Dots of one class lie at most so far from its middle; classes are 1 apart."""


def draw_table(path: Path, table: Table) -> None:
    """Left: F1 (lines) and AP (dashed) against the IoU that a match needs, pooled. Right: Dice of each image, a bar the pooled one.

    Raises:
        OutputError: the folder is closed or the disk is full.
    """
    figure = Figure(figsize=(_WIDE, _HIGH), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    handles = [_curves(left, table, place) for place in range(len(table.targets))]
    for place in range(len(table.targets)):
        _dots(right, table, place)
    handles += [
        Line2D([], [], color="#555555", linewidth=1.6, label="F1; Dice of all images pooled"),
        Line2D([], [], color="#555555", linewidth=1.6, linestyle="--", label="AP = TP / (TP + FP + FN)"),
    ]
    _frame(left, right, table)
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    for text in [*legend.get_texts(), *right.get_xticklabels()]:
        text.set_parse_math(False)
    with fresh_file(path) as scratch:
        figure.savefig(scratch, format="png", metadata={"Software": None})


def _curves(axes: Axes, table: Table, place: int) -> Line2D:
    """F1 and AP of one class; its legend entry."""
    scores, colour = table.pooled(table.targets[place]), COLOURS[place % len(COLOURS)]
    axes.plot(table.thresholds, [scores.at(own).f1 for own in table.thresholds], "-o", color=colour, markersize=4, linewidth=1.6)
    axes.plot(table.thresholds, [scores.ap(own) for own in table.thresholds], "--o", color=colour, markersize=3, linewidth=1.2)
    return Line2D([], [], color=colour, marker="o", linestyle="", label=title(table.targets[place]))


def _dots(axes: Axes, table: Table, place: int) -> None:
    """Dice of each image of one class, from worst to best, left to right."""
    target, colour = table.targets[place], COLOURS[place % len(COLOURS)]
    values = sorted(row.scores.dice for row in table.of(target) if not isnan(row.scores.dice))
    aside = [place + _SPREAD * (2 * (rank + 0.5) / len(values) - 1) for rank in range(len(values))]
    axes.plot(aside, values, linestyle="", marker="o", markersize=4, mfc=colour, mec="white", mew=0.4, zorder=3)
    pooled = table.pooled(target).dice
    if not isnan(pooled):
        axes.hlines(pooled, place - 0.4, place + 0.4, color="#555555", linewidth=1.6, zorder=2)


def _frame(left: Axes, right: Axes, table: Table) -> None:
    images = len(table.of())
    left.set_title("Whole cells", fontsize=10, loc="left")
    left.set_xlabel("IoU that a match needs")
    left.set_ylabel("F1 and AP")
    right.set_title(f"Pixels of {images} {'image' if images == 1 else 'images'}, worst to best", fontsize=10, loc="left")
    right.set_ylabel("Dice of an image")
    right.set_xticks(range(len(table.targets)), [title(target) for target in table.targets], fontsize=9)
    right.set_xlim(-0.6, len(table.targets) - 0.4)
    for axes in (left, right):
        axes.set_ylim(-0.02, 1.02)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
