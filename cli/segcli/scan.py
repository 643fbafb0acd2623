"""geoseg scan: a whole raster to site polygons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segcli import options
from segcli.console import Console, pass_console
from segcli.crf import crf_options

if TYPE_CHECKING:
    from geoseg.scene import RasterOptions

FILES = ("sites.gpkg", "sites.geojson", "sites.fgb", "activation.tif", "mask.tif", "preview.png", "run.json")


@click.command("scan")
@options.path_argument("raster", "RASTER")
@options.path_argument("model", "MODEL")
@options.output("RUN")
@options.method
@click.option("--overlap", type=float, default=0.5, show_default=True, metavar="SHARE", help="Of a window that its neighbour sees too.")
@click.option("--threshold", type=float, metavar="T", help="Activation from which ground is site, 0 to 1.  [default: the model's]")
@crf_options
@options.raster_options
@options.device
@options.threads
@options.resume
@click.option("--keep-work", is_flag=True, help="Keep RUN/.work, the parts of the run.")
@options.overwrite
@options.speech_options
@pass_console
def command(
    console: Console,
    /,
    raster: Path,
    model: Path,
    out: Path,
    reading: RasterOptions,
    device: str,
    threads: int | None,
    resume: bool,
    keep_work: bool,
    overwrite: bool,
    **scanning: Any,
) -> None:
    """Search all of RASTER for sites with MODEL, and outline them."""
    from geoseg.recipe import scan
    from geoseg.scan import ScanOptions

    scan(
        raster,
        model,
        out,
        ScanOptions(**scanning),
        options=reading,
        device=device,
        threads=threads,
        resume=resume,
        overwrite=overwrite,
        keep_work=keep_work,
        progress=console.progress,
    )
    console.result(*(out / name for name in FILES))
