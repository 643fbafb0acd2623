"""geoseg outline: known points become polygons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segcli import options
from segcli.console import Console, pass_console
from segcli.crf import crf_options

if TYPE_CHECKING:
    from geoseg.crf_choice import CrfChoice
    from geoseg.scene import RasterOptions


@click.command("outline")
@options.path_argument("raster", "RASTER")
@options.path_argument("points", "POINTS")
@options.path_argument("model", "MODEL")
@options.output("OUT")
@options.points_crs
@options.method
@crf_options
@options.raster_options
@options.device
@options.threads
@options.overwrite
@options.speech_options
@pass_console
def command(
    console: Console,
    raster: Path,
    points: Path,
    model: Path,
    out: Path,
    points_crs: str | None,
    method: str | None,
    crf: CrfChoice,
    reading: RasterOptions,
    device: str,
    threads: int | None,
    overwrite: bool,
) -> None:
    """Outline the known sites at POINTS on RASTER with MODEL."""
    from geoseg.recipe import outline

    outline(
        raster,
        points,
        model,
        out,
        options=reading,
        points_crs=points_crs,
        method=method,
        crf=crf,
        device=device,
        threads=threads,
        overwrite=overwrite,
        progress=console.progress,
    )
    console.result(*(out / name for name in ("outlines.gpkg", "outlines.geojson", "preview.png", "run.json")))
