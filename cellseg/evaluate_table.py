"""Scores of many images as one table: in memory, as CSV, as Markdown."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from cellseg.evaluate_scores import Scores, pool
from segcore.errors import ConfigError
from segcore.files import fresh_file
from segcore.markdown import escaped, table_lines
from segcore.metrics.pixels import precision, recall

ALL = "all cells"
"""What the rows of no single class are called."""
_WORST = 20
"""Images that the Markdown lists; the CSV has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Scores of one image and one class."""

    image: str
    target: str | None
    """The class; None for all cells, whatever their class."""
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Scores per image and class."""

    rows: tuple[Row, ...]
    targets: tuple[str | None, ...]
    """Classes that were scored; None stands for all cells."""
    thresholds: tuple[float, ...]
    """IoUs at which pairs count as matched, ascending."""

    def pooled(self, target: str | None = None) -> Scores:
        """All images of a class as if they were one; without a class, of the first target: all cells, or the only class.

        Raises:
            ConfigError: the class was not scored.
        """
        return pool((row.scores for row in self.of(target)), self.thresholds)

    def of(self, target: str | None = None) -> tuple[Row, ...]:
        """Rows of a class, one per image; without a class, those of the first target.

        Raises:
            ConfigError: the class was not scored.
        """
        wanted = self.targets[0] if target is None else target
        if wanted not in self.targets:
            there = ", ".join(title(each) for each in self.targets)
            raise ConfigError(f"the target is a class that was scored; got {target!r}, there is {there}. Choose one of them.")
        return tuple(row for row in self.rows if row.target == wanted)

    def as_dict(self) -> dict[str, object]:
        """Figures for JSON: pooled per class, and per image."""
        return {
            "thresholds": list(self.thresholds),
            "pooled": {title(target): self.pooled(target).as_dict() for target in self.targets},
            "images": [{"image": row.image, "class": title(row.target), **row.scores.as_dict()} for row in self.rows],
        }


def title(target: str | None) -> str:
    """The name of a class in a table."""
    return ALL if target is None else target


def write_csv(path: Path, table: Table) -> None:
    """One row a class and image, before them one a class with no image: all of them pooled. Shares have six digits."""
    pooled = [Row(image="", target=target, scores=table.pooled(target)) for target in table.targets]
    figures = [{"class": title(row.target), "image": row.image, **row.scores.as_dict()} for row in (*pooled, *table.rows)]
    with fresh_file(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(figures[0])
        writer.writerows([[_plain(value) for value in row.values()] for row in figures])


def write_markdown(path: Path, table: Table) -> None:
    """The classes, the thresholds, the images that went worst, and how all was measured."""
    text = "\n".join(_page(table)) + "\n"
    with fresh_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8", newline="\n")


def _page(table: Table) -> Iterator[str]:
    first = table.thresholds[0]
    images = len(table.of())
    yield from ("# Found cells against expected ones", "")
    yield from (f"{images} {'image' if images == 1 else 'images'}, pooled: counts are added first and divided last.", "")
    yield from table_lines([_HEADER, *(_line(title(target), table.pooled(target)) for target in table.targets)])
    yield from ("", f"Objects are matched at IoU >= {first:g}. Median Dice is that of the matched pairs.", "")
    yield from ("## Objects at stricter thresholds", "", "F1, and AP = TP / (TP + FP + FN), by the IoU that a match needs.", "")
    yield from table_lines(list(_curves(table)))
    marked = sorted((row for row in table.of() if not isnan(row.scores.dice)), key=lambda row: (row.scores.dice, row.image))
    heading = f"## The {_WORST} images with the lowest Dice" if len(marked) > _WORST else "## Images with cells, worst first"
    yield from ("", heading, "", f"Of {escaped(title(table.targets[0]))}.", "")
    yield from table_lines([["image", *_HEADER[1:]], *(_line(row.image, row.scores) for row in marked[:_WORST])])
    whole = table.pooled(table.targets[0])
    if whole.ignored:
        yield from ("", f"{whole.ignored} pixels are unknown and count for neither side; {whole.abstained} of them only to the prediction.")


_HEADER = [
    "class",
    "Dice",
    "IoU",
    "pixel precision",
    "pixel recall",
    "object F1",
    "object precision",
    "object recall",
    "AP",
    "median Dice",
    "found",
    "expected",
]


def _line(name: str, scores: Scores) -> list[str]:
    first = scores.thresholds[0]
    objects, pixels = scores.at(first), scores.pixels
    shares = (scores.dice, scores.iou, precision(pixels), recall(pixels), objects.f1, objects.precision, objects.recall, scores.ap(first))
    return [escaped(name), *map(_digits, (*shares, objects.median_dice)), str(scores.found), str(scores.expected)]


def _curves(table: Table) -> Iterator[list[str]]:
    yield ["class", "", *(f"{threshold:g}" for threshold in table.thresholds), "mean"]
    for target in table.targets:
        scores = table.pooled(target)
        for name, values in (
            ("F1", [scores.at(threshold).f1 for threshold in table.thresholds]),
            ("AP", [scores.ap(threshold) for threshold in table.thresholds]),
        ):
            yield [escaped(title(target)), name, *map(_digits, (*values, sum(values) / len(values)))]


def _digits(value: float) -> str:
    return "" if isnan(value) else f"{value:.3f}"


def _plain(value: object) -> str:
    return "" if value is None else f"{value:.6f}" if isinstance(value, float) else str(value)
