"""Images by name: a dataset as it is, or anything that can be listed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cellseg.image import CELL, CellImage
from segcore.errors import InputError

_SHOWN = 5
"""Names in an error; the others are counted."""


@runtime_checkable
class NamedImages(Protocol):
    """What evaluate needs of a dataset."""

    @property
    def names(self) -> Sequence[str]:
        """Name of each image, each once."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that its cells may have."""
        ...

    def __getitem__(self, key: str, /) -> CellImage:
        """The image of a name."""
        ...


Images = NamedImages | Iterable[CellImage]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """Images in memory."""

    images: dict[str, CellImage]
    classes: tuple[str, ...]

    @property
    def names(self) -> Sequence[str]:
        return tuple(self.images)

    def __getitem__(self, key: str, /) -> CellImage:
        return self.images[key]


def named(images: Images) -> NamedImages:
    """The images by name; those that are no dataset are kept in memory, their classes are the ones that occur.

    Raises:
        InputError: a name comes twice.
    """
    if isinstance(images, NamedImages):
        return images
    book: dict[str, CellImage] = {}
    for image in images:
        if image.name in book:
            raise InputError(f"images are paired by name, so each has its own; {image.name} comes twice. Rename one.")
        book[image.name] = image
    classes = {image.class_of(own) for image in book.values() for own in image.ids}
    return _Listed(images=book, classes=tuple(sorted(classes)))


def paired(found: NamedImages, expected: NamedImages) -> tuple[str, ...]:
    """Names in the order of the reference.

    Raises:
        InputError: a name is on one side only, or there is none at all.
    """
    ours, theirs = set(found.names), set(expected.names)
    missing, extra = [name for name in expected.names if name not in ours], [name for name in found.names if name not in theirs]
    if missing or extra or not theirs:
        parts = [f"{words} {_some(names)}" for words, names in (("not found:", missing), ("not expected:", extra)) if names]
        raise InputError(f"images are paired by name; {'; '.join(parts) or 'there is none'}. Give both sides the same names.")
    return tuple(expected.names)


def has_classes(images: NamedImages) -> bool:
    """Whether anybody has said what the cells are."""
    return not set(images.classes) <= {CELL}


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
