"""geoseg train: chips to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from segcli import options
from segcli.console import Console, pass_console
from segcore.cam.names import DEAR

EPOCHS = {"full": 40, "small": 12}
"""Default of --epochs for each --budget."""


@click.command("train")
@options.path_argument("chips", "CHIPS")
@options.output("MODEL")
@click.option("--arch", default="resnet34", show_default=True, metavar="NAME", help="A convolutional classifier of timm.")
@click.option("--members", type=int, default=5, show_default=True, metavar="N", help="Networks in the ensemble.")
@click.option("--split", type=click.Choice(["spatial", "random"]), default="spatial", show_default=True, help="How sites are held back.")
@click.option("--weights", default="none", show_default=True, metavar="none|imagenet|FILE", help="Where the networks start.")
@click.option("--epochs", type=int, metavar="N", help="At most so many.  [default: 40, with --budget small 12]")
@click.option("--patience", type=int, default=10, show_default=True, metavar="N", help="Stop after so many epochs without progress.")
@click.option(
    "--budget", type=click.Choice(list(EPOCHS)), default="full", show_default=True, help="small: a quick look, with short epochs."
)
@click.option("--augment", type=click.Choice(["rotate", "flip"]), default="rotate", show_default=True, help="flip: where the sun is fixed.")
@click.option("--outlines", type=click.Path(path_type=Path), metavar="FILE", help="Expert outlines of some sites; they tune what follows.")
@click.option("--calibrate", type=options.Names(DEAR), default=(), metavar="A,B", help=f"Slow maps to offer too: {', '.join(DEAR)}.")
@options.device
@options.precision
@options.seed
@options.overwrite
@options.speech_options
@pass_console
def command(
    console: Console,
    /,
    chips: Path,
    out: Path,
    epochs: int | None,
    patience: int,
    budget: Any,
    outlines: Path | None,
    device: Any,
    precision: Any,
    seed: int,
    overwrite: bool,
    **training: Any,
) -> None:
    """Train site / no-site classifiers on CHIPS."""
    from geoseg.recipe import train
    from geoseg.train import SiteTraining
    from segcore.train.loop import TrainConfig

    loop = TrainConfig(
        epochs=EPOCHS[budget] if epochs is None else epochs, patience=patience, precision=precision, device=device, seed=seed
    )
    how = SiteTraining(budget=budget, seed=seed, **training)
    metrics = train(chips, out, how, loop, outlines=outlines, overwrite=overwrite, progress=console.progress)
    for number, member in enumerate(metrics["validation"], 1):
        held = f"{member['sites']} sites and {member['negatives']} negatives held back"
        console.result(f"network {number}: AUC {member['auc']:.3f} on {held}, best epoch {member['best_epoch']} of {member['epochs']}")
    console.result(f"settings: {'defaults' if outlines is None else f'tuned on {outlines.name}'}", out)
