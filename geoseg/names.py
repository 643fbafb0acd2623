"""Names a command line offers, kept where nothing heavy is imported."""

from __future__ import annotations

FORMAT_NAMES = ("gpkg", "geojson", "fgb", "parquet")
"""Suffixes that polygons can be written as."""
