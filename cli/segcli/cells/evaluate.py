"""cellseg evaluate: found cells against expected ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from segcli import options
from segcli.console import Console, pass_console

FIGURES = (
    ("dice", "Dice of the pixels"),
    ("pixel_precision", "  precision"),
    ("pixel_recall", "  recall"),
    ("object_f1", "F1 of the cells"),
    ("object_precision", "  precision"),
    ("object_recall", "  recall"),
    ("ap_0.50", "AP at IoU 0.5"),
    ("ap_0.75", "AP at IoU 0.75"),
    ("median_dice", "median Dice of matched cells"),
    ("found", "cells found"),
    ("expected", "cells expected"),
    ("matched", "cells matched"),
    ("ignored", "pixels ignored"),
)
"""(key of the figures, words), in the order shown."""


@click.command("evaluate")
@options.path_argument("found", "OUT")
@options.path_argument("expected", "DATASET")
@click.option("--target", metavar="CLASS", help="The class to score.  [default: each, and all cells together]")
@click.option(
    "-o",
    "--out",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write all figures as .json, .csv or .md, or a chart as .png; may be given more than once.",
)
@click.option("--picture", type=click.Path(path_type=Path), metavar="DIR", help="Draw hits, misses and false alarms, a PNG an image.")
@options.overwrite
@options.speech_options
@pass_console
def command(console: Console, /, found: Path, expected: Path, outputs: tuple[Path, ...], **wanted: Any) -> None:
    """Compare the cells of OUT with those of DATASET; images pair by name."""
    from cellseg.evaluate_files import judge
    from cellseg.evaluate_table import title

    table = judge(found, expected, outputs=outputs, progress=console.progress, **wanted)
    classes = [(title(target), table.pooled(target).as_dict()) for target in table.targets]
    widths = [max(9, len(name) + 2) for name, _ in classes]
    console.result(" " * 32 + "".join(f"{name:>{width}}" for (name, _), width in zip(classes, widths, strict=True)))
    for key, words in FIGURES:
        console.result(f"{words:<32}" + "".join(f"{_shown(own[key]):>{width}}" for (_, own), width in zip(classes, widths, strict=True)))
    console.result(*outputs, *(() if wanted["picture"] is None else (wanted["picture"],)))


def _shown(value: float | int | None) -> str:
    """A figure; a share of nothing is a dash."""
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"
