"""The table of a study: one row per run, as CSV; written whole after each run, so that nothing is lost and nothing half there."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite, nan
from pathlib import Path
from typing import Any

from cellseg.study.plan import KINDS, Key
from segcore.errors import InputError
from segcore.files import fresh_file

TABLE_FILE = "runs.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run: what it was, what came out, what made it."""

    data: str
    """Name of the dataset."""
    target: str
    net: str
    depth: int
    """Layers of a mixed-scale dense network; 0 for all others."""
    width: int
    """Channels of the first level of U-Net and SegNet; 0 for all others."""
    epochs: int
    """Of networks; 0 for all others, as the next two."""
    patch: int
    """Edge of a training patch in pixels; 0 stands for 256 or what the images have."""
    patches: int
    """An epoch; 0 stands for each patch about once."""
    perturbation: str
    level: float
    run: int
    dice: float
    """Of all test pixels pooled, 0..1; nan where neither side marks one."""
    precision: float
    recall: float
    seconds: float
    """Wall time, perturbing and judging included."""
    restarts: int
    """How often training began anew because the network had collapsed."""
    epoch: int
    """The epoch that was kept, from 1; 0 for methods that do not learn in epochs."""
    parameters: int
    """Of the network; 0 for other methods."""
    seed: int
    commit: str
    settings: str
    """Digest of what must agree between rows."""
    reached: float = nan
    """Share of the target's cells that omission took, or of the other cells that inclusion added; nan of others and in older tables."""

    @property
    def key(self) -> Key:
        """Which run it is."""
        return Key(net=self.net, perturbation=self.perturbation, level=self.level, run=self.run)


COLUMNS = tuple(field.name for field in fields(Row))
_LATER = {"reached": ""}
"""Cells of columns that older tables lack."""
_KINDS: Mapping[str, str] = {field.name: str(field.type) for field in fields(Row)}


def cells_of(row: Row) -> list[str]:
    """The cells of a row, in the order of COLUMNS; shares with six digits."""
    return [_cell(getattr(row, name), name) for name in COLUMNS]


def row_of(cells: Mapping[str, str], where: str) -> Row:
    """The row of cells by column.

    Raises:
        InputError: a cell is missing or is not what its column says; `where` tells where it stands.
    """
    there = {**_LATER, **cells}
    try:
        row = Row(**{name: _value(there[name], _KINDS[name]) for name in COLUMNS})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"a table of a study has the columns {', '.join(COLUMNS)}; {where} has another row ({error}). Restore it."
        ) from None
    if row.perturbation not in KINDS:
        raise InputError(f"a perturbation is one of {', '.join(KINDS)}; {where} has {row.perturbation!r:.40}. Restore the table.")
    return row


def read_table(path: Path) -> list[Row]:
    """The rows of a table in its order; none where there is no file.

    Raises:
        InputError: it cannot be read, or a run is there twice.
    """
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [row_of(cells, f"line {line} of {path}") for line, cells in enumerate(csv.DictReader(stream, strict=True), 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a CSV table in UTF-8 ({error}). Restore it, or begin in another folder.") from None
    if len({row.key for row in rows}) < len(rows):
        raise InputError(f"a run has one row; {path} has one twice. Remove one of the lines.")
    return rows


def write_table(path: Path, rows: Iterable[Row], order: Sequence[Key]) -> None:
    """Write rows in the order of a plan, whatever the order in which they came; others follow.

    Raises:
        OutputError: the folder is closed or the disk is full.
    """
    places = {key: number for number, key in enumerate(order)}
    with fresh_file(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(cells_of(row) for row in sorted(rows, key=lambda row: (places.get(row.key, len(places)), row.key)))


def _cell(value: Any, name: str) -> str:
    if not isinstance(value, float):
        return str(value)
    if not isfinite(value):
        return ""
    return repr(value).removesuffix(".0") if name == "level" else f"{value:.1f}" if name == "seconds" else f"{value:.6f}"


def _value(cell: str, kind: str) -> Any:
    if kind == "float":
        value = nan if cell == "" else float(cell)
        if cell and not isfinite(value):
            raise ValueError(f"{cell!r:.40} is no number")
        return value
    return int(cell) if kind == "int" else cell
