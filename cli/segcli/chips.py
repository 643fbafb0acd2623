"""geoseg chips: labelled crops around known sites, and where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segcli import options
from segcli.console import Console, pass_console

if TYPE_CHECKING:
    from geoseg.scene import RasterOptions


class Negatives(click.ParamType[int | Path]):
    """How many places without a site, or a layer of them."""

    name = "negatives"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Path:
        """Whole numbers count, all else is a file."""
        try:
            return int(value)
        except ValueError:
            return Path(value)


@click.command("chips")
@options.path_argument("raster", "RASTER")
@options.path_argument("points", "POINTS")
@options.output("CHIPS")
@options.points_crs
@click.option("--negatives", type=Negatives(), metavar="N|FILE", help="Places without a site: how many, or a layer. [default: as sites]")
@options.ignore
@click.option("--window", type=int, default=400, show_default=True, metavar="PX", help="What a network sees: 2.5 to 4 site diameters.")
@click.option("--chip", type=int, metavar="PX", help="Edge of a chip.  [default: 2.5 windows]")
@click.option("--min-distance", type=float, metavar="M", help="From a negative window to any site, in metres.  [default: 1/6 window]")
@click.option("--jitter", type=float, metavar="M", help="Extra random shift in training, in metres.  [default: 1/16 window]")
@click.option(
    "--stretch", type=click.Choice(["scene", "chip"]), default="scene", show_default=True, help="One contrast for all, or each chip's."
)
@options.seed
@options.raster_options
@options.overwrite
@options.speech_options
@pass_console
def command(
    console: Console,
    /,
    raster: Path,
    points: Path,
    out: Path,
    points_crs: str | None,
    negatives: int | Path | None,
    ignore: Path | None,
    overwrite: bool,
    reading: RasterOptions,
    **cut: Any,
) -> None:
    """Cut labelled chips of RASTER around POINTS, and as many where no site is known."""
    from geoseg.chips import ChipConfig
    from geoseg.recipe import chips

    chips(
        raster,
        points,
        out,
        ChipConfig(negatives=negatives if isinstance(negatives, int) else None, **cut),
        options=reading,
        points_crs=points_crs,
        negatives=negatives if isinstance(negatives, Path) else None,
        ignore=ignore,
        overwrite=overwrite,
        progress=console.progress,
    )
    console.result(out, f"look at {out / 'contact.png'}, and at {out / 'points.gpkg'} in QGIS")
