"""Pixel and object metrics as flat figures with the same names everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

from segcore.metrics.objects import ObjectScores
from segcore.metrics.pixels import Counts, dice, iou, precision, recall


def agreement(pixels: Counts, objects: ObjectScores) -> dict[str, float | int]:
    """Shares in 0..1, nan for a share of nothing, and the counts of pixels."""
    return {
        "dice": dice(pixels),
        "iou": iou(pixels),
        "pixel_precision": precision(pixels),
        "pixel_recall": recall(pixels),
        "tp": pixels.tp,
        "fp": pixels.fp,
        "fn": pixels.fn,
        "object_precision": objects.precision,
        "object_recall": objects.recall,
        "object_f1": objects.f1,
        "median_dice": objects.median_dice,
    }


def jsonable(figures: Mapping[str, float | int]) -> dict[str, float | int | None]:
    """NaN, which JSON lacks, becomes None."""
    return {name: None if isnan(value) else value for name, value in figures.items()}
