"""The formats that can be imported."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cellseg.formats import coco, consep, dsb2018, folder, imagej, lizard, masks, qupath
from cellseg.formats.imported import Reader

FORMATS: Mapping[str, Reader] = MappingProxyType(
    {
        "folder": folder.read,
        "masks": masks.read,
        "dsb2018": dsb2018.read,
        "consep": consep.read,
        "lizard": lizard.read,
        "coco": coco.read,
        "qupath": qupath.read,
        "imagej": imagej.read,
    }
)
"""Name of a format -> how it is read."""
