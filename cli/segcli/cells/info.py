"""cellseg info: what a dataset holds, and what is odd about it."""

from __future__ import annotations

from pathlib import Path

import click

from segcli import options
from segcli.console import Console, pass_console


@click.command("info")
@options.path_argument("dataset", "DATASET")
@click.option("--contact", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw up to 24 images with their outlines.")
@options.overwrite
@options.speech_options
@pass_console
def command(console: Console, /, dataset: Path, contact: Path | None, overwrite: bool) -> None:
    """Say what DATASET holds: objects of each class, sizes, and problems."""
    from cellseg.info import inspect_dataset

    info = inspect_dataset(dataset, contact=contact, overwrite=overwrite, progress=console.progress)
    console.result(*info.lines(), *([] if contact is None else [contact]))
