"""Names of the formats that can be imported, for command lines; nothing heavy is imported here."""

from __future__ import annotations

FORMAT_NAMES = ("folder", "masks", "dsb2018", "consep", "lizard", "coco", "qupath", "imagej")
