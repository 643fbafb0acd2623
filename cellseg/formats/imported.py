"""What an import gives: facts, images one at a time, and lines about what was odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Protocol

from cellseg.facts import AXES, DatasetFacts
from cellseg.image import CellImage
from segcore.errors import ConfigError, InputError

Odd = Counter[str]
"""What was odd and how often; read to the end, it becomes the notes."""
OTHER_SIZE = "images that say another pixel size than the first, or none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How a source is read.

    Raises:
        ConfigError: the pixel size is not a length.
    """

    classes: Mapping[str, str] | None = None
    """Class number or name in the source -> class in the dataset; classes that get one name become one."""
    pixel_size_um: float | None = None
    """Edge of a pixel in micrometres; None: what the images say."""
    allow_missing: bool = False
    """Leave out images without labels, labels without image, and class rows without object, instead of refusing them."""

    axes: str | None = None
    """CYX, ZYX or CZYX, for TIFF files that do not say their axes."""

    def __post_init__(self) -> None:
        if self.axes not in (None, *AXES):
            raise ConfigError(f"axes are one of {', '.join(AXES)}; got {self.axes!r}.")
        size = self.pixel_size_um
        if size is not None and not (isfinite(size) and size > 0):
            raise ConfigError(f"a pixel size is a length above 0 in micrometres, got {size}. Write it like 0.25.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Imported:
    """A source that is being read. Images come once, in the order of their names, one in memory at a time."""

    facts: DatasetFacts
    images: Iterator[CellImage]
    count: int
    """How many images there are."""
    notes: list[str]
    """What was odd, a line each; complete when images are through."""
    splits: Mapping[str, tuple[str, str]] | None = None
    """Image -> (split, group), where the source says it."""


class Reader(Protocol):
    """How every format is read."""

    def __call__(self, source: Path, options: ImportOptions, /) -> Imported:
        """Look at source and give its images; pixels are read when they are asked for."""
        ...


def assemble(
    source: Path,
    options: ImportOptions,
    images: Iterator[CellImage],
    *,
    count: int,
    classes: tuple[str, ...],
    odd: Odd,
    splits: Mapping[str, tuple[str, str]] | None = None,
) -> Imported:
    """Put an import together: the first image, which is read at once, tells axes and pixel size.

    Raises:
        InputError: there is no image.
    """
    first = next(images, None)
    if first is None:
        raise InputError(f"a source has at least one image with labels; {source} has none. Is it the folder of the right --format?")
    axes = "CYX" if first.instances.ndim == 2 else "CZYX"
    size = first.pixel_size_um if options.pixel_size_um is None else (options.pixel_size_um,) * first.instances.ndim
    facts = DatasetFacts(name=_plain(source.stem), axes=axes, pixel_size_um=size, classes=classes, source=source.name)
    notes: list[str] = []
    stream = _stream(chain([first], images), facts, options, odd, notes)
    return Imported(facts=facts, images=stream, count=count, notes=notes, splits=splits)


def _plain(name: str) -> str:
    """A name that every file system takes."""
    return "".join(sign if sign.isalnum() or sign in " ._-()" else "_" for sign in name)[:100].strip(". ") or "dataset"


def _stream(images: Iterator[CellImage], facts: DatasetFacts, options: ImportOptions, odd: Odd, notes: list[str]) -> Iterator[CellImage]:
    """The images, with the pixel size that the user said; the notes when they are through."""
    for image in images:
        if image.instances.ndim != len(facts.axes) - 1:
            raise InputError(f"a dataset holds images or volumes, not both; {image.name} is {image.pixels.shape}. Import them apart.")
        odd[OTHER_SIZE] += options.pixel_size_um is None and image.pixel_size_um != facts.pixel_size_um
        yield image if options.pixel_size_um is None else replace(image, pixel_size_um=facts.pixel_size_um)
    notes.extend(f"{text}: {count}" for text, count in odd.items() if count)
