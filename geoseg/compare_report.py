"""What a comparison leaves behind: compare.csv, compare.md, compare.png and run.json."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from math import isnan, nan
from pathlib import Path
from statistics import mean, variance
from typing import Any

from geoseg.compare_figure import draw_comparison
from geoseg.comparison import ENSEMBLE, Cell, Comparison, Tally
from segcore.files import fresh_file, write_json
from segcore.markdown import escaped, table_lines
from segcore.provenance import collect

HEADER = ("model", "arch", "network", "method", "layer", "dice", "median_dice", "sites")
"""Columns of compare.csv; one row for each network and map, the control last."""
DISCS = "discs"
"""The control's name in the column `method`."""

Figure = Callable[[Tally], float]


def write_report(
    folder: Path, comparison: Comparison, *, scene: str, expert: str, inputs: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """Fill a folder with the four files. scene, expert: names of the raster and of the expert's layer; the rest: see write_run."""
    write_csv(folder / "compare.csv", comparison)
    write_markdown(folder / "compare.md", comparison, scene=scene, expert=expert)
    draw_comparison(folder / "compare.png", comparison)
    write_run(folder / "run.json", comparison, scene=scene, inputs=inputs, config=config)


def write_csv(path: Path, comparison: Comparison) -> None:
    """One row a model, network and map; shares with six digits, empty where there is no site."""
    rows: list[tuple[object, ...]] = []
    for cell in comparison.cells:
        who = comparison.names[cell.view], comparison.archs[cell.view], cell.network
        rows.append((*who, *str(cell.choice).split("@"), *_figures(cell.tally)))
    if comparison.discs is not None:
        rows.append(("", "", "", DISCS, "", *_figures(comparison.discs)))
    with fresh_file(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([HEADER, *rows])


def write_markdown(path: Path, comparison: Comparison, *, scene: str, expert: str) -> None:
    """Both tables and how they were measured. scene, expert: names of the raster and of the expert's layer."""
    text = "\n".join(_page(comparison, scene=scene, expert=expert))
    with fresh_file(path) as scratch:
        scratch.write_text(text + "\n", encoding="utf-8", newline="\n")


def write_run(path: Path, comparison: Comparison, *, scene: str, inputs: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Settings, times, counts and provenance. inputs: name -> digest; config: what was asked for."""
    sites = comparison.sites
    record = {
        "kind": "compare",
        "scene": scene,
        "counts": {"sites": len(sites), "unseen_by_all": sites.unseen, "left_out": dict(sites.left_out)},
        "halves": {"rule": sites.rule, "sites": [int((sites.half == h).sum()) for h in (0, 1)]},
        "chosen_on_sites": comparison.sites.enough,
        "fits": list(_fits(comparison)),
        "disc_radius_m": None if comparison.radii is None else list(comparison.radii),
    }
    write_json(path, {**record, **collect(config, inputs)})


def table(comparison: Comparison, figure: Figure) -> list[list[str]]:
    """Rows of text like Table 5.2 of the thesis: networks by maps, the last row mean (variance) over the networks.

    The variance is that of a sample (n - 1), as in the thesis. The best map of an ensemble is bold.
    """
    titles = [column.title for column in comparison.columns]
    rows = [["network", *titles, DISCS, "sites"]]
    control = nan if comparison.discs is None else figure(comparison.discs)
    for view, (name, arch) in enumerate(zip(comparison.names, comparison.archs, strict=True)):
        for network, cells in _networks(comparison, view).items():
            values = [figure(cells[c].tally) if c in cells else nan for c in range(len(titles))]
            sites = str(max(len(cell.tally.hits) for cell in cells.values()))
            ensemble = network == ENSEMBLE
            label = f"{escaped(name)} ({escaped(arch)})" if ensemble else f"- network {network}"
            best = max((value for value in values if not isnan(value)), default=nan) if ensemble else nan
            shown = [f"**{_digits(value)}**" if value == best else _digits(value) for value in values]
            rows.append([label, *shown, _digits(control) if ensemble else "", sites])
    spread = [_mean_variance(comparison.over_networks(c, figure)) for c in range(len(titles))]
    return [*rows, ["mean (variance)", *spread, "", ""]]


def _page(comparison: Comparison, *, scene: str, expert: str) -> Iterator[str]:
    sites = comparison.sites
    yield from (f"# Outlines compared: {escaped(scene)}", "")
    yield f"Outlines of {len(sites)} sites against those of {escaped(expert)}, on the pixels of the raster."
    seen = len(sites) - sites.unseen
    yield (
        f"{sites.unseen} of the {len(sites)} sites lie on ground that no network learnt from; "
        f"the other {seen} are explained only by networks that did not learn from them."
        if seen
        else f"No network learnt from any of the {len(sites)} sites."
    )
    yield "The thesis (Vădineanu, Leiden, ch. 5, Table 5.2) measured on chips that its networks were trained on: an easier task."
    yield from ("", "## Dice", "", "All sites pooled: 2 x pixels that both mark / (pixels found + pixels of the expert).", "")
    yield from table_lines(table(comparison, lambda tally: tally.dice))
    yield from ("", "## Median Dice of a site", "", "A site without an outline counts 0.", "")
    yield from table_lines(table(comparison, lambda tally: tally.median))
    yield from ("", "![Dice of each network and map](compare.png)", "", "## How it was measured", "")
    yield from (f"- {line}" for line in _method(comparison))


def _method(comparison: Comparison) -> Iterator[str]:
    sites = comparison.sites
    yield "Each expert outline is a site, one of several parts is one; one window is centred on it, at its centroid or a point inside."
    yield "The map becomes an outline as `geoseg outline` makes it, from one window and without a CRF; neighbours share ground by nearness."
    if comparison.sites.enough:
        yield (
            "Smoothing, prior and cut are chosen for each model and map on one half of the sites by the mean of median and mean Dice, and "
            f"judged on the other, both ways: {sites.rule}. `run.json` has them."
        )
        yield "Discs are the control: one radius for all sites, chosen by median Dice on one half and judged on the other in the same way."
    else:
        yield "With so few sites no settings are chosen: each model's own are used for all of its maps, and there is no control with discs."
    several = len(comparison.names) > 1
    yield (
        "The row of a model is the mean map of its networks. Below it stands each network alone, with the settings of that mean, "
        "at the sites that it did not learn from."
    )
    over = "the models" if several else "the networks of the model"
    yield f"Last row: mean and sample variance over {over}. Bold: the best map of a model."
    for column in comparison.columns:
        keys = {str(choice) for choice in column.choices if choice is not None}
        if len(keys) > 1:
            named = (f"{key} in {name}" for key, name in zip(column.choices, comparison.names, strict=True) if key is not None)
            yield f"{column.title}: {', '.join(named)}."
    left = "; ".join(f"{count} {escaped(reason)}" for reason, count in sites.left_out.items())
    yield f"Outlines of the file that are left out: {left or 'none'}."


def _networks(comparison: Comparison, view: int) -> dict[str, dict[int, Cell]]:
    """Network -> column -> cell, of one model."""
    rows: dict[str, dict[int, Cell]] = {}
    for cell in comparison.cells:
        if cell.view == view:
            rows.setdefault(cell.network, {})[cell.column] = cell
    return rows


def _fits(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Settings per half as JSON; lengths in pixels."""
    for own in comparison.fits:
        settings = (
            {"smooth": round(each.refining.smooth, 6), "prior": round(each.prior, 6), "cut": each.refining.threshold}
            for each in own.settings
        )
        yield {
            "model": comparison.names[own.view],
            "map": str(own.settings[0].choice),
            "settings": list(settings),
            "seconds_per_window": round(own.seconds, 4),
        }


def _figures(tally: Tally) -> tuple[str, str, int]:
    return _plain(tally.dice), _plain(tally.median), len(tally.hits)


def _plain(value: float) -> str:
    return "" if isnan(value) else f"{value:.6f}"


def _digits(value: float) -> str:
    return "" if isnan(value) else f"{round(value, 6):.3f}"


def _mean_variance(values: list[float]) -> str:
    if not values:
        return ""
    spread = "-" if len(values) < 2 else f"{variance(values):.4f}"
    return f"{mean(values):.2f} ({'<0.0001' if spread == '0.0000' else spread})"
