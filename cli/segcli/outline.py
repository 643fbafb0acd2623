"""geoseg outline: known points become polygons."""

from __future__ import annotations

from pathlib import Path

import click

from segcli import options
from segcli.console import Console, pass_console
from segcli.crf import crf_choice, crf_options


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
    crf: str | None,
    crf_width: str | None,
    crf_weight: float | None,
    bands: tuple[int, ...] | None,
    nodata: float | None,
    area: str | None,
    allow_remote: bool,
    device: str,
    threads: int | None,
    overwrite: bool,
) -> None:
    """Outline the known sites at POINTS on RASTER with MODEL."""
    from geoseg.recipe import outline
    from geoseg.scene import RasterOptions

    outline(
        raster,
        points,
        model,
        out,
        options=RasterOptions(bands=bands, nodata=nodata, area=area, allow_remote=allow_remote),
        points_crs=points_crs,
        method=method,
        crf=crf_choice(crf, crf_width, crf_weight),
        device=device,
        threads=threads,
        overwrite=overwrite,
        progress=console.progress,
    )
    console.result(*(out / name for name in ("outlines.gpkg", "outlines.geojson", "preview.png", "run.json")))
