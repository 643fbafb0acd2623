"""geoseg evaluate: found polygons against an expert's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segcli import options
from segcli.console import Console, pass_console

if TYPE_CHECKING:
    from geoseg.scene import RasterOptions

FIGURES = (
    ("dice", "Dice of the pixels"),
    ("pixel_precision", "  precision"),
    ("pixel_recall", "  recall"),
    ("object_f1", "F1 of the objects"),
    ("object_precision", "  precision"),
    ("object_recall", "  recall"),
    ("median_dice", "median Dice of matched objects"),
    ("found", "objects found"),
    ("expected", "objects expected"),
    ("matched", "objects matched"),
)
"""(key of metrics.json, words), in the order shown."""


@click.command("evaluate")
@options.path_argument("predicted", "PREDICTED")
@options.path_argument("expert", "EXPERT")
@click.option("--raster", required=True, type=click.Path(path_type=Path), metavar="RASTER", help="The raster whose pixels are counted.")
@options.ignore
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write all figures as JSON.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE", help="Draw hits, misses and false alarms as PNG.")
@options.raster_options
@options.overwrite
@options.speech_options
@pass_console
def command(
    console: Console,
    /,
    predicted: Path,
    expert: Path,
    raster: Path,
    reading: RasterOptions,
    **wanted: Any,
) -> None:
    """Compare the polygons of PREDICTED with those of EXPERT."""
    from geoseg.recipe import judge

    figures = judge(predicted, expert, raster, options=reading, progress=console.progress, **wanted).as_dict()
    console.result(*(f"{words:<32}{shown(figures[key])}" for key, words in FIGURES))
    console.result(*(path for path in (wanted["out"], wanted["picture"]) if path is not None))


def shown(value: float | int | None) -> str:
    """A figure in five characters; a share of nothing is a dash."""
    return f"{'-':>5}" if value is None else f"{value:5d}" if isinstance(value, int) else f"{value:5.3f}"
