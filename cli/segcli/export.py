"""geoseg export: sites in another format."""

from __future__ import annotations

from pathlib import Path

import click

from segcli import options
from segcli.console import Console, pass_console


@click.command("export")
@options.path_argument("sites", "SITES.gpkg")
@options.output("FILE")
@click.option("--crs", metavar="EPSG", help="Write in this CRS, such as EPSG:32638.  [default: that of the layer; GeoJSON is WGS84]")
@click.option("--blur", type=float, metavar="METRES", help="Only squares of this edge in which sites lie; shapes and ids go.")
@click.option("--min-score", type=float, metavar="S", help="Leave out sites with a lower score.")
@options.overwrite
@options.speech_options
@pass_console
def command(
    console: Console, sites: Path, out: Path, crs: str | None, blur: float | None, min_score: float | None, overwrite: bool
) -> None:
    """Write the sites of SITES.gpkg as .geojson, .gpkg, .fgb or .parquet."""
    from geoseg.export import export

    count = export(sites, out, crs=crs, blur_metres=blur, min_score=min_score, overwrite=overwrite)
    console.progress.say(f"{count} sites")
    console.result(out)
