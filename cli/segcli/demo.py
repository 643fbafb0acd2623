"""geoseg demo: the whole chain on the bundled scene."""

from __future__ import annotations

from pathlib import Path

import click

from segcli import options
from segcli.console import Console, pass_console


@click.command("demo")
@options.output("DIR", default=Path("demo"))
@click.option("--threads", type=click.IntRange(min=1), help="Threads to compute with; by default one for each core.")
@options.overwrite
@options.speech_options
@pass_console
def command(console: Console, out: Path, threads: int | None, overwrite: bool) -> None:
    """Cut chips, train, outline known sites and scan unseen ground on the bundled scene; takes a few minutes."""
    import torch

    from geoseg.demo import run_demo

    metrics = run_demo(out, threads=threads or torch.get_num_threads(), overwrite=overwrite, progress=console.progress)
    windows, outlines, scan = metrics["classifier"], metrics["outlines"], metrics["scan"]
    median, control = outlines["point_median_dice"], outlines["disc_median_dice"]
    console.result(
        f"judged on {metrics['judged_on']}:",
        f"  windows   AUC {windows['auc']:.2f}, among rough ground {windows['auc_rough']:.2f}",
        f"  outlines  median Dice {median:.2f} of {outlines['points']} points; discs of one size {control:.2f}",
        f"  scan      Dice {scan['dice']:.2f}; windows alone {scan['score_dice']:.2f}, maps scaled one by one {scan['minmax_dice']:.2f}",
        "look at:",
        *(f"  {out / name}" for name in ("preview.png", "OUT/outlines.gpkg", "RUN/sites.gpkg", "metrics.json")),
    )
