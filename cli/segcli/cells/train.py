"""cellseg train: a dataset to a segmenter of one class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from segcli import options
from segcli.console import Console, pass_console
from segcore.nets.names import NET_NAMES

EPOCHS = {"full": 50, "small": 12}
"""Default of --epochs for each --budget."""
BUDGETS: dict[str, dict[str, Any]] = {"full": {}, "small": {"batch": 4, "per_epoch": 80}}
"""What else a --budget sets: full takes each patch about once an epoch, small 20 steps of 4."""


@click.command("train")
@options.path_argument("dataset", "DATASET")
@options.output("MODEL")
@click.option("--target", required=True, metavar="CLASS", help="The class to segment.")
@click.option("--net", type=click.Choice(NET_NAMES), default="unet", show_default=True, help="The network.")
@click.option("--depth", type=int, metavar="N", help="Poolings of unet and segnet, layers of msd.  [default: 4; msd 100]")
@click.option("--width", type=int, metavar="N", help="Maps at full size; of msd, per layer.  [default: 32; msd 1]")
@click.option("--labels", type=click.Path(path_type=Path), metavar="DATASET", help="Learn from these labels of the same images.")
@click.option("--patch", type=int, metavar="N", help="Edge of a patch in pixels.  [default: 256, or the shortest edge of the images]")
@click.option("--batch", type=int, metavar="N", help="Patches in a step.  [default: 8, with --budget small 4]")
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, metavar="RATE", help="At the start; it falls to 0.")
@click.option("--epochs", type=int, metavar="N", help="At most so many.  [default: 50, with --budget small 12]")
@click.option(
    "--budget", type=click.Choice(list(EPOCHS)), default="full", show_default=True, help="small: a quick look, with short epochs."
)
@options.device
@options.precision
@options.seed
@options.overwrite
@options.speech_options
@pass_console
def command(
    console: Console,
    /,
    dataset: Path,
    out: Path,
    net: str,
    depth: int | None,
    width: int | None,
    labels: Path | None,
    batch: int | None,
    learning_rate: float,
    epochs: int | None,
    budget: str,
    device: Any,
    precision: Any,
    overwrite: bool,
    **wanted: Any,
) -> None:
    """Train a network on DATASET to find one class, and write it as MODEL."""
    from cellseg.dataset import open_dataset
    from cellseg.training.segmenter import train_segmenter
    from cellseg.training.settings import SegmenterTraining
    from segcore.nets.build import config_from
    from segcore.train.loop import TrainConfig

    size = {name: value for name, value in (("depth", depth), ("width", width)) if value is not None}
    steps = BUDGETS[budget] | ({} if batch is None else {"batch": batch})
    training = SegmenterTraining(net=config_from(net, size), **steps, **wanted)
    epochs = EPOCHS[budget] if epochs is None else epochs
    loop = TrainConfig(epochs=epochs, learning_rate=learning_rate, precision=precision, device=device, seed=training.seed)
    data, other = open_dataset(dataset), None if labels is None else open_dataset(labels)
    metrics = train_segmenter(data, out, training, loop, labels=other, overwrite=overwrite, progress=console.progress)
    found = metrics["validation"]
    restarts = f", after {found['collapses']} restarts" if found["collapses"] else ""
    console.result(
        f"Dice {found['dice']:.3f} on {found['images']} held back, best epoch {found['best_epoch']} of {found['epochs']}{restarts}"
    )
    console.result(out)
