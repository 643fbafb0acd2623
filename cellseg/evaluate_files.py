"""From two dataset folders to figures, file to file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from cellseg.dataset import open_dataset
from cellseg.evaluate import evaluate_datasets
from cellseg.evaluate_names import NamedImages, has_classes
from cellseg.evaluate_table import Table, write_csv, write_markdown
from cellseg.facts import MODEL_FILE
from segcore.errors import ConfigError
from segcore.files import fresh_dir, read_json, require_free, write_json
from segcore.progress import Progress, Silent

RECORD = "evaluate.json"
"""File beside the pictures with all figures; a folder without it is never replaced."""

_SILENT = Silent()


def _chart(path: Path, table: Table) -> None:
    from cellseg.evaluate_figure import draw_table

    draw_table(path, table)


WRITERS: Mapping[str, Callable[[Path, Table], None]] = MappingProxyType(
    {".json": lambda path, table: write_json(path, table.as_dict()), ".csv": write_csv, ".md": write_markdown, ".png": _chart}
)
"""Suffix of an output -> who writes it."""


def judge(
    found: Path | str,
    expected: Path | str,
    *,
    target: str | None = None,
    outputs: Sequence[Path | str] = (),
    picture: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress = _SILENT,
) -> Table:
    """Score a dataset folder of predictions against a reference.

    Args:
        found: dataset folder of the predictions.
        expected: dataset folder of the reference; images are paired by name.
        target: the class to score; without it all classes.
        outputs: files that get the figures: .json, .csv, .md, or .png for a chart.
        picture: a folder that gets a picture of each image, NAME.png, and the figures, evaluate.json.
        overwrite: replace what exists.
        progress: hears of each image.

    Raises:
        ConfigError: an output has another suffix, or as evaluate_datasets.
        InputError: as open_dataset and evaluate_datasets.
        OutputError: an output exists, or cannot be written.
    """
    files, folder = [Path(path) for path in outputs], None if picture is None else Path(picture)
    for path in files:
        if path.suffix.lower() not in WRITERS:
            raise ConfigError(f"figures are written as {', '.join(WRITERS)}; got {path.name!r}. Choose another -o.")
        require_free(path, overwrite=overwrite)
    if folder is not None:
        require_free(folder, overwrite=overwrite, replaces=RECORD)
    ours, theirs = open_dataset(found), open_dataset(expected)
    for note in _notes(ours.path):
        progress.say(f"of {ours.path.name}: {note}")
    table = evaluate_datasets(ours, theirs, target, progress=progress)
    for path in files:
        WRITERS[path.suffix.lower()](path, table)
    if folder is not None:
        with fresh_dir(folder, overwrite=overwrite, replaces=RECORD) as scratch:
            write_json(scratch / RECORD, table.as_dict())
            _draw(scratch, ours, theirs, target, progress)
    return table


def _notes(predictions: Path) -> list[str]:
    """What predict said of its images, such as that the model learnt from them; text of a file, so only what prints."""
    if not (predictions / MODEL_FILE).exists():
        return []
    found = read_json(predictions / MODEL_FILE).get("notes")
    return [note for note in found if isinstance(note, str) and note.isprintable()] if isinstance(found, list) else []


def _draw(folder: Path, found: NamedImages, expected: NamedImages, target: str | None, progress: Progress) -> None:
    from cellseg.evaluate_picture import draw_agreement

    blind = not has_classes(found)
    for done, name in enumerate(expected.names, start=1):
        draw_agreement(folder / f"{name}.png", found[name], expected[name], target=target, all_found=blind)
        progress.step("draw", done, len(expected.names))
