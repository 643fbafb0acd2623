"""Pixel sizes in the metadata of TIFF files, and what we write there."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from segcore.io.units import length_um

_UUID = "00000000-0000-0000-0000-000000000000"
"""A fixed one, so that the same image gives the same file."""


def ome_metadata(axes: str, pixel_size_um: tuple[float, ...] | None) -> dict[str, Any]:
    """What tifffile writes as OME-XML; axes as CYX, one length for each axis but C."""
    facts: dict[str, Any] = {"axes": axes, "UUID": f"urn:uuid:{_UUID}"}
    for letter, edge in zip(axes.replace("C", ""), pixel_size_um or (), strict=False):
        facts |= {f"PhysicalSize{letter}": float(edge), f"PhysicalSize{letter}Unit": "µm"}
    return facts


def pixel_size(file: Any) -> tuple[float, ...] | None:
    """Edges of a pixel in micrometres that an open TIFF states, for (Z,) Y, X.

    Only OME and ImageJ metadata count: the resolution tags of other programs are made for printers. Z is left out where
    the file does not say it; None where Y or X is not said.
    """
    if file.ome_metadata:
        sizes = _of_ome(file.ome_metadata)
    elif file.imagej_metadata:
        sizes = _of_imagej(file)
    else:
        return None
    if not {"Y", "X"} <= sizes.keys():
        return None
    return tuple(sizes[letter] for letter in "ZYX" if letter in sizes)


def _of_ome(text: str) -> dict[str, float]:
    """Lengths by axis of the first image."""
    try:
        pixels = next((node for node in ElementTree.fromstring(text).iter() if node.tag.rpartition("}")[2] == "Pixels"), None)
    except ElementTree.ParseError:
        return {}
    sizes = {}
    for letter in "ZYX" if pixels is not None else "":
        edge = length_um(pixels.get(f"PhysicalSize{letter}"), pixels.get(f"PhysicalSize{letter}Unit", "µm"))  # type: ignore[union-attr]
        if edge is not None:
            sizes[letter] = edge
    return sizes


def _of_imagej(file: Any) -> dict[str, float]:
    """Lengths by axis; ImageJ keeps pixels per unit in the resolution tags, the unit and the depth in its own text."""
    facts, tags = file.imagej_metadata, file.pages[0].tags
    unit = str(facts.get("unit", ""))
    found = {"Z": length_um(facts.get("spacing"), unit)}
    for letter, tag in (("Y", "YResolution"), ("X", "XResolution")):
        value = tags[tag].value if tag in tags else (0, 1)
        found[letter] = length_um(value[1] / value[0] if value[0] else None, unit)
    return {letter: edge for letter, edge in found.items() if edge is not None}
