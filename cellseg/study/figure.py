"""Dice against the level of a perturbation, a line for each method; the same rows make the same PNG bytes."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from cellseg.study.grids import level_name, titled
from cellseg.study.names import BASELINE_NAMES
from cellseg.study.plan import CLEAN, KINDS
from cellseg.study.statistics import Point, points
from cellseg.study.table import Row
from segcore.files import fresh_file
from segcore.nets.names import NET_NAMES

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which people who see colours differently can tell apart; a method keeps its colour in all figures."""
MARKS = "osD^vPX"
_DPI, _WIDE, _HIGH = 120, 5.6, 3.9
_ALL = (*NET_NAMES, *BASELINE_NAMES)
_WORDS = {"omission": "cells left out", "inclusion": "other cells taken for the target", "bias": "most pixels that outlines move"}


def perturbations(rows: Sequence[Row]) -> list[str]:
    """Perturbations that rows have, in order: one figure each."""
    return [kind for kind in KINDS if kind != CLEAN and any(row.perturbation == kind for row in rows)]


def draw_perturbation(path: Path, rows: Sequence[Row], perturbation: str, *, title: str) -> None:
    """Lines: mean over the runs, clean labels at 0; bands: standard deviation. Methods without a network are dashed.

    Raises:
        OutputError: the folder is closed or the disk is full.
    """
    figure = Figure(figsize=(_WIDE, _HIGH), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    found = [point for point in points(rows) if point.perturbation in (CLEAN, perturbation)]
    for net in sorted({point.net for point in found}, key=_ALL.index):
        _line(axes, [point for point in found if point.net == net], titled(net, rows))
    _frame(axes, sorted({point.level for point in found}), perturbation, title)
    axes.title.set_parse_math(False)
    with fresh_file(path) as scratch:
        figure.savefig(scratch, format="png", metadata={"Software": None})


def _line(axes: Axes, own: list[Point], label: str) -> None:
    place = _ALL.index(own[0].net)
    colour, network = COLOURS[place], own[0].net in NET_NAMES
    levels, means = [point.level for point in own], [point.mean for point in own]
    spreads = [0.0 if isnan(point.deviation) else point.deviation for point in own]
    style = {"linewidth": 1.8, "markersize": 5} if network else {"linewidth": 1.0, "markersize": 3, "linestyle": "--"}
    axes.plot(levels, means, marker=MARKS[place], color=colour, label=label, **style)
    low, high = ([mean + sign * own for mean, own in zip(means, spreads, strict=True)] for sign in (-1, 1))
    axes.fill_between(levels, low, high, color=colour, alpha=0.18, linewidth=0)


def _frame(axes: Axes, levels: list[float], perturbation: str, title: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(f"{level_name(perturbation, 0).split()[0]}: {_WORDS[perturbation]}", fontsize=9)
    axes.set_ylabel("Dice on clean labels", fontsize=9)
    axes.set_xticks(levels)
    if perturbation != "bias":
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.set_ylim(-0.02, 1.02)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for text in axes.legend(loc="best", frameon=False, fontsize=8).get_texts():
        text.set_parse_math(False)
