"""cellseg import: labels of other programs become a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from cellseg.formats.names import FORMAT_NAMES
from segcli import options
from segcli.console import Console, pass_console


@click.command("import")
@options.path_argument("source", "SOURCE")
@options.output("DATASET")
@click.option("--format", "format_", type=click.Choice(FORMAT_NAMES), required=True, help="What SOURCE is: a folder, file or ZIP of it.")
@click.option("--classes", type=click.Path(path_type=Path), metavar="FILE.json", help='Names of classes, as {"1": "epithelial", ...}.')
@click.option("--pixel-size", type=float, metavar="UM", help="Edge of a pixel in micrometres.  [default: what the images say]")
@click.option("--axes", metavar="AXES", help="CYX, ZYX or CZYX, for images that do not say their axes.")
@click.option("--allow-missing", is_flag=True, help="Leave out images without labels and the reverse.")
@options.overwrite
@options.speech_options
@pass_console
def command(
    console: Console,
    /,
    source: Path,
    out: Path,
    format_: str,
    classes: Path | None,
    pixel_size: float | None,
    axes: str | None,
    allow_missing: bool,
    overwrite: bool,
) -> None:
    """Read the labelled images of SOURCE and write them as a dataset."""
    from cellseg.formats.classes import read_class_table
    from cellseg.formats.importing import import_dataset

    report = import_dataset(
        source,
        out,
        format_,
        classes=None if classes is None else read_class_table(classes),
        pixel_size_um=pixel_size,
        axes=axes,
        allow_missing=allow_missing,
        overwrite=overwrite,
        progress=console.progress,
    )
    console.progress.say(report.line)
    console.result(out)
