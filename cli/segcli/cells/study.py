"""cellseg study: what annotation errors cost, as a table that grows run by run, and its report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from segcli import options
from segcli.console import Console, pass_console
from segcore.nets.names import NET_NAMES


class Levels(click.ParamType[tuple[float, ...]]):
    """Numbers parted by commas."""

    name = "levels"

    def __init__(self, kind: type[int] | type[float]) -> None:
        """kind: of the numbers."""
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Text to numbers; a tuple passes."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(self.kind(part) for part in value.split(","))
        except ValueError:
            like = "2,4,6" if self.kind is int else "0.1,0.3"
            self.fail(f"levels are numbers parted by commas; got {value!r}; write them like {like}.", param, ctx)


def processes(device: str) -> int:
    """One for each core that this process may use; one alone on a GPU, which they would share."""
    from segcore.device import choose_device

    if choose_device(device) == "cuda":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@click.command("study")
@options.path_argument("dataset", "DATASET")
@options.output("DIR")
@click.option("--target", required=True, metavar="CLASS", help="The class to segment, whose annotation is made worse.")
@click.option(
    "--nets", type=options.Names(NET_NAMES), default=NET_NAMES, metavar="A,B,..", help=f"Networks.  [default: {','.join(NET_NAMES)}]"
)
@click.option("--omission", type=Levels(float), default=(), metavar="R,R,..", help="Shares of the cells that are left out, 0 to 1.")
@click.option("--inclusion", type=Levels(float), default=(), metavar="R,R,..", help="Shares of the other cells that are taken for CLASS.")
@click.option("--bias", type=Levels(int), default=(), metavar="Q,Q,..", help="Outlines grow or shrink by 1 to Q pixels.")
@click.option("--runs", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="Runs of each network and level.")
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Passes over the training patches.")
@click.option(
    "--patch", type=click.IntRange(min=1), metavar="N", help="Edge of a training patch in pixels.  [default: 256, or the image's]"
)
@click.option("--depth", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="Layers of msd.")
@click.option(
    "--width", type=click.IntRange(min=1), default=32, show_default=True, metavar="N", help="Channels of unet and segnet at full size."
)
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes of one thread each.  [default: one a core; on a GPU 1]")
@options.device
@options.resume
@options.seed
@options.speech_options
@pass_console
def command(
    console: Console,
    /,
    dataset: Path,
    out: Path,
    epochs: int,
    patch: int | None,
    depth: int,
    width: int,
    workers: int | None,
    device: Any,
    resume: bool,
    **wanted: Any,
) -> None:
    """Train networks on worse and worse labels of DATASET and judge them on clean ones; classical methods stand beside them."""
    from cellseg.study.page import write_report
    from cellseg.study.plan import Learning, StudyPlan
    from cellseg.study.sweep import run_study

    plan = StudyPlan(learning=Learning(epochs=epochs, patch=patch, depth=depth, width=width, device=device), **wanted)
    files: list[Path] = []
    run_study(
        dataset,
        out,
        plan,
        workers=workers or processes(device),
        resume=resume,
        ended=lambda rows: files.extend(write_report(out, rows, plan)),
        progress=console.progress,
    )
    console.result(*files, out / "runs.csv")
