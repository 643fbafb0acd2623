"""geoseg inspect: what a raster is, and what a scan of it will cost."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segcli import options
from segcli.console import Console, pass_console

if TYPE_CHECKING:
    from geoseg.scene import RasterOptions


@click.command("inspect")
@options.path_argument("raster", "RASTER")
@click.option("--model", type=click.Path(path_type=Path), metavar="MODEL", help="Predict the scan with this model.")
@options.raster_options
@options.speech_options
@pass_console
def command(console: Console, /, raster: Path, model: Path | None, reading: RasterOptions) -> None:
    """Say what RASTER is, what is wrong with it, and the windows, memory, disk and hours of a scan."""
    from geoseg.inspect import inspect_raster

    console.result(*inspect_raster(raster, **asdict(reading), **({} if model is None else scan_with(model))).lines())


def scan_with(model: Path) -> dict[str, Any]:
    """What a forecast needs to know of a model."""
    from segcore.train.bundle import load_bundle

    bundle = load_bundle(model, "site-classifier")
    return {"members": len(bundle.members), **{key: bundle.facts[key] for key in ("window", "pixel_size")}}
