"""The tables of a report as grids of cells, and grids as Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import isnan

from cellseg.study.plan import CLEAN
from cellseg.study.statistics import Point, Versus, points, versus
from cellseg.study.table import Row
from segcore.markdown import escaped, table_lines
from segcore.metrics.compare import Interval

Grid = list[list[str]]
"""Rows of cells; the first is the head."""


def dice_grid(rows: Sequence[Row]) -> Grid:
    """A row for each level: mean ± standard deviation of each method."""
    found = points(rows)
    nets = list(dict.fromkeys(point.net for point in found))
    cells: dict[tuple[str, float], dict[str, Point]] = {}
    for point in found:
        cells.setdefault((point.perturbation, point.level), {})[point.net] = point
    titles = [titled(net, rows) for net in nets]
    return [["labels", *titles], *([level_name(*key), *(_spread(own.get(net)) for net in nets)] for key, own in cells.items())]


def run_grid(rows: Sequence[Row]) -> Grid:
    """A row for each method and level: runs, mean, deviation, interval, restarts, seconds, the share of cells that was reached."""
    head = ["labels", "method", "runs", "Dice", "deviation", "95 % interval", "restarts", "seconds a run", "reached"]
    return [head, *(_line(point, rows) for point in points(rows))]


def versus_grid(rows: Sequence[Row]) -> Grid:
    """A row for each two networks under each perturbation."""
    head = ["labels", "networks", "pairs", "gain in Dice", "95 % interval", "p (Wilcoxon)", "p (Holm)", "least p (Holm)"]
    return [head, *(_comparison(own) for own in versus(rows))]


def markdown(grid: Grid, *, left: int = 1) -> str:
    """A table of Markdown; so many columns to the left, all others to the right."""
    return "\n".join(table_lines([[escaped(cell) for cell in row] for row in grid], left=left))


def html(grid: Grid) -> str:
    """A table of HTML."""
    head, *rest = grid
    rows = [_html_row(head, "th"), *(_html_row(row, "td") for row in rest)]
    return "\n".join(["<table>", *rows, "</table>"])


def level_name(perturbation: str, level: float) -> str:
    """What a level is called: omission 30 %, bias 6 px, clean."""
    if perturbation == CLEAN:
        return CLEAN
    return f"bias {level:g} px" if perturbation == "bias" else f"{perturbation} {100 * level:g} %"


def titled(net: str, rows: Iterable[Row]) -> str:
    """A method, with its depth where it has one."""
    depths = sorted({row.depth for row in rows if row.net == net and row.depth})
    return f"{net} (depth {', '.join(map(str, depths))})" if depths else net


def digits(value: float, form: str = ".3f") -> str:
    """A figure; what nobody knows is a dash."""
    return "-" if isnan(value) else f"{value:{form}}"


def interval(own: Interval, form: str = ".3f") -> str:
    """Two figures, or a dash."""
    return "-" if isnan(own.low) else f"{own.low:{form}} to {own.high:{form}}"


def _spread(point: Point | None) -> str:
    if point is None:
        return "-"
    return digits(point.mean) if isnan(point.deviation) else f"{digits(point.mean)} ± {digits(point.deviation)}"


def _line(point: Point, rows: Sequence[Row]) -> list[str]:
    named = [level_name(point.perturbation, point.level), titled(point.net, rows), str(len(point.dices))]
    reached = "-" if isnan(point.reached) else f"{100 * point.reached:.1f} %"
    figures = [digits(point.mean), digits(point.deviation), interval(point.interval)]
    return [*named, *figures, str(point.restarts), f"{point.seconds:.1f}", reached]


def _comparison(own: Versus) -> list[str]:
    named = [own.perturbation, f"{own.one} - {own.other}", str(own.test.pairs)]
    chances = (own.test.p, own.adjusted, own.least)
    return [*named, f"{own.gain:+.3f}", interval(own.interval, "+.3f"), *(f"{p:.3f}" for p in chances)]


def _html_row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
