"""geoseg explain: one place under several networks and methods."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segcli import options
from segcli.console import Console, pass_console

if TYPE_CHECKING:
    from geoseg.scene import RasterOptions


class At(click.ParamType[tuple[float, float]]):
    """A place as x,y."""

    name = "at"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Text to two finite numbers; a tuple passes."""
        if isinstance(value, tuple):
            return value
        try:
            x, y = (float(part) for part in value.split(","))
        except ValueError:
            x = y = math.nan
        if not (math.isfinite(x) and math.isfinite(y)):
            self.fail(f"a place is two numbers parted by a comma; got {value!r}; write it like 411250,3698400.", param, ctx)
        return x, y


@click.command("explain")
@options.path_argument("raster", "RASTER")
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MODEL...")
@options.output("PANEL.png")
@click.option("--at", required=True, type=At(), metavar="X,Y", help="The place, in the CRS of the raster.")
@options.methods
@click.option("--expert", type=click.Path(path_type=Path), metavar="FILE", help="Expert outlines, drawn in red.")
@options.raster_options
@options.device
@options.threads
@options.overwrite
@options.speech_options
@pass_console
def command(console: Console, /, raster: Path, out: Path, reading: RasterOptions, **wanted: Any) -> None:
    """Draw one place of RASTER as each MODEL sees it: networks below each other, methods side by side."""
    from geoseg.recipe import explain

    explain(raster, out=out, options=reading, progress=console.progress, **wanted)
    console.result(out)
