"""What a dataset says of itself: dataset.json, and which names may stand on disk."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from cellseg.image import CELL
from segcore.errors import ConfigError, InputError
from segcore.files import read_json

FACTS_FILE = "dataset.json"
MODEL_FILE = "model.json"
"""Which model made the labels, how, and how many objects each image has; only predictions hold such a file."""
FORMAT_VERSION = 1
AXES = ("YX", "CYX", "ZYX", "CZYX")
LONGEST = 200
"""Bytes of a name in UTF-8; with a suffix it stays below what file systems take."""
MOST_BYTES = 1 << 20
"""Of dataset.json."""

_FORBIDDEN = frozenset('/\\:*?"<>|')


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """What holds for all images of a dataset.

    Raises:
        ConfigError: unknown axes, a pixel size that does not fit them, names that are empty, twice there or no names.
    """

    name: str = "dataset"
    axes: str = "CYX"
    """YX, CYX, ZYX or CZYX: whether there are channels and whether the images are volumes."""
    pixel_size_um: tuple[float, ...] | None = None
    """Edges of a pixel in micrometres, one for each of (Z,) Y, X; None where nobody knows."""
    classes: tuple[str, ...] = (CELL,)
    """Classes that an object can have; where there is one, all objects have it."""
    licence: str = ""
    source: str = ""
    """Where the images come from, in words."""
    labels_only: bool = False
    """Whether the folder holds labels without images, as predictions do; images then read as 0."""

    def __post_init__(self) -> None:
        require_name(self.name, "dataset")
        if self.axes not in AXES:
            raise ConfigError(f"the axes of a dataset are {', '.join(AXES[:-1])} or {AXES[-1]}; got {self.axes!r}.")
        _require_classes(self.classes)
        size, spatial = self.pixel_size_um, self.axes.removeprefix("C")
        if size is not None and (len(size) != len(spatial) or not all(isfinite(edge) and edge > 0 for edge in size)):
            raise ConfigError(f"a pixel size is {len(spatial)} lengths above 0 in micrometres, for {spatial}; got {size}.")

    @property
    def is_volume(self) -> bool:
        """Whether images have a depth."""
        return "Z" in self.axes

    def as_json(self) -> dict[str, Any]:
        """What stands in dataset.json."""
        return {
            "name": self.name,
            "axes": self.axes,
            "pixel_size_um": None if self.pixel_size_um is None else list(self.pixel_size_um),
            "classes": {str(number): name for number, name in enumerate(self.classes, 1)},
            "licence": self.licence,
            "source": self.source,
            "format_version": FORMAT_VERSION,
        } | ({"labels_only": True} if self.labels_only else {})


def read_facts(folder: Path) -> DatasetFacts:
    """Read the dataset.json of a dataset.

    Raises:
        InputError: the folder or the file is missing, foreign, or of a newer version.
    """
    path = folder / FACTS_FILE
    if not path.is_file():
        raise InputError(f"a dataset is a folder with {FACTS_FILE}; {path} is not there. Make one with 'cellseg import'.")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path} says a few facts in at most {MOST_BYTES:,} bytes, it has {path.stat().st_size:,}. Make it again.")
    found = read_json(path)
    version = found.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise InputError(f"{path} must say its format_version, a whole number; got {version!r}. Is it the file of another program?")
    if version > FORMAT_VERSION:
        raise InputError(f"{path} has format version {version}, this geocellseg reads up to {FORMAT_VERSION}. Install a newer one.")
    try:
        return _facts_of(found)
    except (ConfigError, TypeError, KeyError, OverflowError) as error:
        text = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path} cannot be used: {text}") from None


def require_name(name: str, what: str) -> None:
    """Refuse a name that cannot stand for a file of its own folder.

    Raises:
        ConfigError: the name is empty or long, begins with a dot, or holds a character that paths use.
    """
    bad = not isinstance(name, str) or not name.strip() or name != name.strip() or name.startswith(".") or name.endswith(".")
    if bad or len(name.encode("utf-8", "replace")) > LONGEST or any(sign in _FORBIDDEN or not sign.isprintable() for sign in name):
        shown = repr(name) if len(repr(name)) < 80 else f"{name!r:.77}..."
        raise ConfigError(f"the name of a{'n' if what[0] in 'aeiou' else ''} {what} is a plain file name without folders; got {shown}.")


def _require_classes(classes: tuple[str, ...]) -> None:
    good = isinstance(classes, tuple) and classes and all(isinstance(name, str) and name.strip() and name.isprintable() for name in classes)
    if not good or len(set(classes)) < len(classes):
        raise ConfigError(f"classes are a tuple of different names, at least one; got {classes!r}.")


def _facts_of(found: dict[str, Any]) -> DatasetFacts:
    words = {key: found[key] for key in ("name", "axes")} | {key: found.get(key, "") for key in ("licence", "source")}
    wrong = [key for key, value in words.items() if not isinstance(value, str)]
    if wrong:
        raise ConfigError(f"{wrong[0]} must be text, got {words[wrong[0]]!r}.")
    alone = found.get("labels_only", False)
    if not isinstance(alone, bool):
        raise ConfigError(f"labels_only must be true or false, got {alone!r}.")
    size = found.get("pixel_size_um")
    if size is not None and not (isinstance(size, list) and all(type(edge) in (int, float) for edge in size)):
        raise ConfigError(f"pixel_size_um must be null or a list of numbers, got {size!r}.")
    size = None if size is None else tuple(map(float, size))
    return DatasetFacts(**words, pixel_size_um=size, classes=_classes_of(found["classes"]), labels_only=alone)


def _classes_of(found: Any) -> tuple[str, ...]:
    if not isinstance(found, dict) or sorted(found, key=lambda key: (len(key), key)) != [str(n) for n in range(1, len(found) + 1)]:
        raise ConfigError(f'classes must be numbered from 1, as {{"1": "cell"}}; got {found!s:.80}.')
    return tuple(found[str(number)] for number in range(1, len(found) + 1))
