"""Names of the classical methods that a study runs beside the networks; nothing heavy is imported here."""

from __future__ import annotations

BASELINE_NAMES = ("threshold", "otsu", "watershed", "k-means")
