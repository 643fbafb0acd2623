"""geoseg inspect: what a raster is, and what a scan of it will cost."""

from __future__ import annotations

from pathlib import Path

import click

from segcli import options
from segcli.console import Console, pass_console


@click.command("inspect")
@options.path_argument("raster", "RASTER")
@click.option("--model", type=click.Path(path_type=Path), metavar="MODEL", help="Predict the scan with this model.")
@options.reading_options
@options.speech_options
@pass_console
def command(
    console: Console, raster: Path, model: Path | None, bands: tuple[int, ...] | None, nodata: float | None, allow_remote: bool
) -> None:
    """Say what RASTER is, what is wrong with it, and the windows, memory, disk and hours of a scan."""
    from geoseg.inspect import inspect_raster
    from segcore.train.bundle import load_bundle

    model_facts = {} if model is None else load_bundle(model, "site-classifier").facts
    scan = {key: model_facts[key] for key in ("window", "pixel_size") if key in model_facts}
    facts = inspect_raster(raster, bands=bands, nodata=nodata, allow_remote=allow_remote, **scan)
    console.result(*facts.lines())
