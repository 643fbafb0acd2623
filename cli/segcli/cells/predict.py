"""cellseg predict: the cells of images, found by a segmenter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from segcli import options
from segcli.console import Console, pass_console


@click.command("predict")
@options.path_argument("images", "IMAGES")
@options.path_argument("model", "MODEL")
@options.output("OUT")
@click.option(
    "--format", type=click.Choice(["tiff", "zarr", "qupath"]), default="tiff", show_default=True, help="Of the labels; qupath: GeoJSON too."
)
@click.option("--threshold", type=float, default=0.5, show_default=True, metavar="T", help="Least probability of a cell's pixel.")
@click.option("--split-touching", is_flag=True, help="Cut clumps of cells at their necks.")
@options.device
@options.overwrite
@options.speech_options
@pass_console
def command(console: Console, /, images: Path, model: Path, out: Path, **wanted: Any) -> None:
    """Find the cells of IMAGES, a dataset, a folder or a file, and write them as a dataset of labels."""
    from cellseg.facts import MODEL_FILE
    from cellseg.predictions import predict_dataset
    from segcore.files import read_json

    predict_dataset(images, model, out, progress=console.progress, **wanted)
    found = read_json(out / MODEL_FILE)["objects"]
    console.result(f"{len(found)} image{'s' if len(found) != 1 else ''}, {sum(found.values())} cells", out)
