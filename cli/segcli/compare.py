"""geoseg compare: models and activation maps by the outlines that they give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segcli import options
from segcli.console import Console, pass_console

if TYPE_CHECKING:
    from geoseg.scene import RasterOptions

FILES = ("compare.csv", "compare.md", "compare.png", "run.json")


@click.command("compare")
@options.path_argument("raster", "RASTER")
@options.path_argument("expert", "EXPERT")
@click.argument("models", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="MODEL [MODEL ...]")
@options.output("DIR")
@options.methods
@options.ignore
@options.raster_options
@options.device
@options.threads
@options.overwrite
@options.speech_options
@pass_console
def command(
    console: Console,
    /,
    raster: Path,
    expert: Path,
    models: tuple[Path, ...],
    out: Path,
    reading: RasterOptions,
    **wanted: Any,
) -> None:
    """Compare MODELs and their maps on RASTER by Dice with the outlines of EXPERT."""
    from geoseg.recipe import compare

    compare(raster, expert, models, out, options=reading, progress=console.progress, **wanted)
    console.result(*(out / name for name in FILES))
