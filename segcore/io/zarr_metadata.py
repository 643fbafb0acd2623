"""The JSON of OME-Zarr, read and checked before the zarr package opens anything.

Zarr arrays name the codecs that unpack them, and one of those of version 2 is Python's pickle: only codecs that are
known to hold nothing but numbers are let through.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segcore.errors import InputError
from segcore.files import read_json
from segcore.io.units import length_um

VERSIONS = ("0.4", "0.5")
CODECS_V2 = frozenset({"blosc", "zstd", "zlib", "gzip", "lz4", "bz2", "lzma", "delta", "shuffle", "bitround", "fixedscaleoffset", "crc32"})
CODECS_V3 = frozenset({"bytes", "blosc", "zstd", "gzip", "crc32c", "transpose", "sharding_indexed"})

_KINDS = {"channel": "C", "time": "T"}
_OTHER_ROOTS = {
    "plate": "a plate of wells; open one of its images, as PLATE/A/1/0",
    "well": "a well; open one of its images, as WELL/0",
    "bioformats2raw.layout": "a set of images; open one, as SET/0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The full-size array of an OME-Zarr image."""

    folder: Path
    zarr_format: int
    axes: str
    """One letter an axis, as T, C, Z, Y, X; "?" where the metadata says something else."""
    pixel_size_um: tuple[float, ...] | None


def ome_attributes(folder: Path) -> tuple[dict[str, Any], int]:
    """(what OME says of a group, Zarr format); the attributes are empty where OME says nothing.

    Raises:
        InputError: the folder is no Zarr group, or its JSON is damaged.
    """
    if (folder / "zarr.json").is_file():
        attributes = read_json(folder / "zarr.json").get("attributes")
        found, number = (attributes.get("ome") if isinstance(attributes, dict) else None), 3
    elif (folder / ".zattrs").is_file():
        found, number = read_json(folder / ".zattrs"), 2
    else:
        raise InputError(f"an OME-Zarr is a folder with zarr.json or .zattrs; {folder} has neither. Get all of it again.")
    return (found if isinstance(found, dict) else {}), number


def full_size(folder: Path) -> Level:
    """The largest level of the image in a group.

    Raises:
        InputError: the group is something else, of an unknown version, damaged, or packed with an unknown codec.
    """
    facts, number = ome_attributes(folder)
    for key, words in _OTHER_ROOTS.items():
        if key in facts:
            raise InputError(f"an image is one multiscale; {folder} is {words}.")
    try:
        (scale, *others), version = facts["multiscales"], facts.get("version")
        version = version if number == 3 else scale.get("version", "0.4")
        if others:
            raise InputError(f"an OME-Zarr holds one image here; {folder} holds {1 + len(others)}. Save each in a folder of its own.")
        if version not in VERSIONS:
            raise InputError(f"OME-Zarr is read in the versions {' and '.join(VERSIONS)}; {folder} has {version!r:.40}. Convert it.")
        first = scale["datasets"][0]
        array = _inside(folder, first["path"])
        axes = "".join(_letter(axis) for axis in scale["axes"])
        size = _pixel_size(axes, scale, first)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        kind = type(error).__name__
        raise InputError(f"{folder} lacks the OME metadata of an image ({kind}: {error}). Write it again as OME-Zarr 0.5.") from None
    _require_array(array, len(axes), number)
    return Level(folder=array, zarr_format=number, axes=axes, pixel_size_um=size)


def label_list(folder: Path) -> tuple[str, ...]:
    """Names of the label images in a group.

    Raises:
        InputError: the list is damaged or leaves its folder.
    """
    labels = folder / "labels"
    if not labels.is_dir():
        return ()
    names = ome_attributes(labels)[0].get("labels", [])
    if not isinstance(names, list):
        raise InputError(f"label images are a list of names; {labels} has {names!r:.80}. Write it again.")
    for name in names:
        _inside(labels, name)
    return tuple(names)


def _inside(folder: Path, name: Any) -> Path:
    """A folder below another one, named by metadata."""
    parts = name.split("/") if isinstance(name, str) else [""]
    if any(part in ("", ".", "..") or "\\" in part or ":" in part or "\0" in part for part in parts):
        raise InputError(f"an OME-Zarr names folders inside itself; {folder} names {name!r:.80}. It is damaged or a trap.")
    return folder.joinpath(*parts)


def _letter(axis: dict[str, Any]) -> str:
    name = str(axis["name"]).upper()
    return name if name in ("T", "C", "Z", "Y", "X") else _KINDS.get(axis.get("type", ""), "?")


def _pixel_size(axes: str, scale: dict[str, Any], first: dict[str, Any]) -> tuple[float, ...] | None:
    """Edges of a pixel for (Z,) Y, X; None where a unit or a scale is missing."""
    edges = [1.0] * len(axes)
    for change in [*scale.get("coordinateTransformations", []), *first.get("coordinateTransformations", [])]:
        if change.get("type") == "scale":
            edges = [edge * factor for edge, factor in zip(edges, change["scale"], strict=True)]
    found = [length_um(edges[axes.index(letter)], scale["axes"][axes.index(letter)].get("unit")) for letter in "ZYX" if letter in axes]
    return None if None in found else tuple(edge for edge in found if edge is not None)


def _require_array(folder: Path, dimensions: int, number: int) -> None:
    """Refuse an array that is missing, of other dimensions than its axes, of objects, or unpacked by an unknown codec."""
    facts = read_json(folder / ("zarr.json" if number == 3 else ".zarray"))
    shape = facts.get("shape")
    if not isinstance(shape, list) or len(shape) != dimensions:
        raise InputError(f"an axis is named for each dimension; {folder} has shape {shape!r:.80} and {dimensions} axes. Write it again.")
    names, known = (_codecs_v3(facts.get("codecs")), CODECS_V3) if number == 3 else (_codecs_v2(facts), CODECS_V2)
    unknown = sorted(set(names) - known)
    if unknown:
        packed = ", ".join(sorted(known))
        raise InputError(f"an OME-Zarr is packed with {packed}; {folder} wants {unknown[0]!r:.40}. Write it again with zstd.")
    if number == 2 and not (isinstance(facts.get("dtype"), str) and facts["dtype"][1:2] in tuple("buif")):
        raise InputError(f"pixels are real numbers; {folder} holds {facts.get('dtype')!r:.80}. Save it in another way.")


def _codecs_v2(facts: dict[str, Any]) -> list[str]:
    steps = [facts.get("compressor"), *(facts.get("filters") or [])]
    return [str(step.get("id")) if isinstance(step, dict) else str(step) for step in steps if step is not None]


def _codecs_v3(codecs: Any) -> list[str]:
    found: list[str] = []
    for step in codecs if isinstance(codecs, list) else ["none"]:
        name = step.get("name") if isinstance(step, dict) else step
        inner = step.get("configuration", {}) if isinstance(step, dict) else {}
        found.append(str(name))
        for key in ("codecs", "index_codecs"):
            if isinstance(inner, dict) and key in inner:
                found += _codecs_v3(inner[key])
    return found
