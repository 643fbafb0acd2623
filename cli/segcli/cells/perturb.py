"""cellseg perturb: annotations made worse by known amounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from segcli import options
from segcli.console import Console, pass_console


@click.command("perturb")
@options.path_argument("source", "DATASET")
@options.output("DATASET")
@click.option("--omission", type=float, metavar="R", help="Remove this share of the cells, 0 to 1.")
@click.option("--inclusion", type=float, metavar="R", help="Give this share of the cells of other classes the class of --target.")
@click.option("--bias", type=int, metavar="Q", help="Grow or shrink outlines by 1 to Q pixels.")
@click.option(
    "--unit", type=click.Choice(["cell", "image", "volume"]), default="cell", show_default=True, help="What shares one draw of --bias."
)
@click.option("--target", metavar="CLASS", help="The class whose annotation is made worse.  [default: all cells]")
@options.seed
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw the image with most changes.")
@options.overwrite
@options.speech_options
@pass_console
def command(console: Console, /, source: Path, out: Path, seed: int, picture: Path | None, overwrite: bool, **wanted: Any) -> None:
    """Make the annotation of DATASET worse: first omission, then inclusion, then bias, whatever the order of the options."""
    from cellseg.perturb.chain import chain
    from cellseg.perturb.folder import perturb_dataset

    perturb_dataset(source, chain(**wanted), out, seed=seed, picture=picture, overwrite=overwrite, progress=console.progress)
    console.result(out, *([] if picture is None else [picture]))
