"""cellseg simulate: a dataset of simulated nuclei."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from segcli import options
from segcli.console import Console, pass_console


class VolumeShape(click.ParamType[tuple[int, int, int]]):
    """Planes, rows and columns, as 129,565,807."""

    name = "shape"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int, int]:
        """Text to numbers; a tuple passes."""
        if isinstance(value, tuple):
            return value
        try:
            planes, rows, columns = (int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"a shape is planes,rows,columns; got {value!r}; write it like 129,565,807.", param, ctx)
        return planes, rows, columns


@click.command("simulate")
@options.output("DATASET")
@click.option(
    "--kind",
    type=click.Choice(["hl60", "granulocyte", "combined"]),
    default="hl60",
    show_default=True,
    help="Large round nuclei, small lobed ones, or both.",
)
@click.option("--volumes", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Volumes to make.")
@click.option("--slices", type=click.IntRange(min=1), metavar="N", help="So many 2-D slices in all, spread evenly, in place of volumes.")
@click.option("--shape", type=VolumeShape(), default=(129, 565, 807), metavar="D,H,W", help="Voxels of a volume.  [default: 129,565,807]")
@click.option("--format", type=click.Choice(["tiff", "zarr"]), default="tiff", show_default=True, help="Of the images.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: one a core, at most one a volume]")
@options.seed
@options.overwrite
@options.speech_options
@pass_console
def command(console: Console, /, out: Path, kind: str, volumes: int, workers: int | None, **made: Any) -> None:
    """Make fluorescence volumes of nuclei with exact labels, or slices of them."""
    from cellseg.simulate import simulate_dataset

    workers = workers or min(os.cpu_count() or 1, volumes)
    simulate_dataset(out, kind, volumes, workers=workers, progress=console.progress, **made)
    console.result(out)
