"""What a dataset holds, and what is odd about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cellseg.dataset import Dataset, open_dataset
from cellseg.image import CELL, IGNORE, CellImage
from segcore.errors import InputError
from segcore.files import require_free
from segcore.progress import Progress, Silent

SHOWN = 3
"""Names in a line about a problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What one image holds."""

    name: str
    shape: tuple[int, ...]
    """(C, H, W) or (C, D, H, W)."""
    dtype: str
    sizes: Mapping[int, int]
    """Pixels of each object."""
    counts: Mapping[str, int]
    """Objects of each class."""
    ignored: float
    """Share of pixels that count neither way."""
    without_class: tuple[int, ...]
    """Objects whose class is not said, in a dataset of several classes."""
    in_pieces: tuple[int, ...]
    """Objects that fall into several components; pixels that touch by a corner hang together."""
    blank: bool
    """Whether all pixels are equal."""

    @property
    def one_pixel(self) -> tuple[int, ...]:
        """Objects of one pixel."""
        return tuple(own for own, size in self.sizes.items() if size == 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What a dataset holds."""

    dataset: Dataset
    images: tuple[ImageInfo, ...]
    """Those that could be read."""
    damaged: Mapping[str, str] = field(default_factory=dict)
    """Why an image could not be read."""

    @property
    def counts(self) -> dict[str, int]:
        """Objects of each class, those of dataset.json first."""
        total: Counter[str] = Counter(dict.fromkeys(self.dataset.classes, 0))
        for image in self.images:
            total.update(image.counts)
        return dict(total)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Pixels of each object, of all images."""
        return np.array([size for image in self.images for size in image.sizes.values()], dtype=np.int64)

    def problems(self) -> list[str]:
        """One line for each kind of problem; none where all is well."""
        images, labels_only = self.images, self.dataset.facts.labels_only
        found = [
            _about_images("cannot be read", list(self.damaged), next(iter(self.damaged.values()), "")),
            "" if labels_only else _mixed("channels", {image.name: image.shape[0] for image in images}),
            "" if labels_only else _mixed("pixel type", {image.name: image.dtype for image in images}),
            _about_images("without objects", [image.name for image in images if not image.sizes]),
            _about_images("of one brightness only", [image.name for image in images if image.blank and not labels_only]),
            _about_objects("of one pixel", {image.name: image.one_pixel for image in images}),
            _about_objects("without a class", {image.name: image.without_class for image in images}),
            _about_objects("in several pieces", {image.name: image.in_pieces for image in images}),
        ]
        return [line for line in found if line]

    def lines(self) -> list[str]:
        """All of it in words."""
        facts, own = self.dataset.facts, self.dataset
        size = "unknown" if facts.pixel_size_um is None else " x ".join(f"{edge:g}" for edge in facts.pixel_size_um) + " \u00b5m"
        out = [f"{facts.name}: {len(own)} image{'' if len(own) == 1 else 's'}, axes {facts.axes}, pixel size {size}"]
        out += [f"licence: {_line(facts.licence)}; source: {_line(facts.source)}"]
        out += [*self._image_lines(), *self._object_lines()]
        splits = Counter(own.splits[name][0] if name in own.splits else "(none)" for name in own.names)
        out += ["splits: " + ", ".join(f"{name} {count}" for name, count in sorted(splits.items()))] if own.splits else []
        problems = self.problems()
        return [*out, *(f"problem: {line}" for line in problems)] if problems else [*out, "no problems found"]

    def _image_lines(self) -> Iterator[str]:
        if not self.images:
            return
        kinds = Counter((image.shape[0], image.dtype) for image in self.images)
        yield (
            "labels without images"
            if self.dataset.facts.labels_only
            else "pixels: " + ", ".join(f"{channels} x {dtype} in {count}" for (channels, dtype), count in sorted(kinds.items()))
        )
        edges = np.array([image.shape[1:] for image in self.images])
        low, high = (" x ".join(map(str, found)) for found in (edges.min(axis=0), edges.max(axis=0)))
        yield f"image size: {low} px" if low == high else f"image size: {low} to {high} px"
        ignored = float(np.mean([image.ignored for image in self.images]))
        if ignored:
            yield f"unknown pixels: {ignored:.1%}"

    def _object_lines(self) -> Iterator[str]:
        sizes = self.sizes
        yield f"objects: {len(sizes):,}; " + ", ".join(f"{name} {count:,}" for name, count in self.counts.items())
        if len(sizes):
            low, middle, high = np.percentile(sizes, (5, 50, 95))
            edges = self.dataset.pixel_size_um
            real = f" ({middle * prod(edges):.3g} \u00b5m{'²' if len(edges) == 2 else '³'})" if edges else ""
            yield f"object size: median {middle:g} px{real}, 5 % below {low:g}, 5 % above {high:g}"


def inspect_dataset(
    dataset: Dataset | Path | str, *, contact: Path | None = None, overwrite: bool = False, progress: Progress | None = None
) -> DatasetInfo:
    """Read all images of a dataset, one at a time, and say what they hold.

    Args:
        dataset: the dataset or its folder.
        contact: a PNG to write: pictures of up to 24 images, evenly taken, with outlines.
        overwrite: replace that picture where it exists.
        progress: hears of each image.

    Raises:
        InputError: the folder is no dataset. An image that cannot be read is a problem, not an error.
        OutputError: the picture exists or cannot be written.
    """
    from cellseg.contact import MOST, Tile, draw_contact, make_tile

    if contact is not None:
        require_free(contact, overwrite=overwrite)
        if contact.is_dir():
            require_free(contact)
    own = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    shown = {own.names[number * len(own) // min(MOST, len(own))] for number in range(min(MOST, len(own)))}
    hear, found, damaged, tiles = progress or Silent(), list[ImageInfo](), dict[str, str](), list[Tile]()
    for number, name in enumerate(own.names):
        hear.step("images", number, len(own))
        try:
            image = own[name]
        except InputError as error:
            damaged[name] = str(error)
            continue
        found.append(describe(image, own.classes))
        if contact is not None and name in shown:
            tiles.append(make_tile(image, own.classes))
    hear.step("images", len(own), len(own))
    if contact is not None and tiles:
        draw_contact(contact, tiles, own.classes)
    return DatasetInfo(dataset=own, images=tuple(found), damaged=damaged)


def describe(image: CellImage, classes: tuple[str, ...] = (CELL,)) -> ImageInfo:
    """Count what an image holds; classes are those of its dataset."""
    ids, sizes = (part.tolist() for part in np.unique(image.instances[image.instances > 0], return_counts=True))
    return ImageInfo(
        name=image.name,
        shape=image.pixels.shape,
        dtype=image.pixels.dtype.name,
        sizes=dict(zip(ids, sizes, strict=True)),
        counts=Counter(image.class_of(own) for own in ids if own in image.classes or len(classes) == 1),
        ignored=float(np.mean(image.instances == IGNORE)),
        without_class=tuple(own for own in ids if len(classes) > 1 and own not in image.classes),
        in_pieces=_in_pieces(image.instances),
        blank=bool(np.all(image.pixels == image.pixels.flat[0])),
    )


def _in_pieces(instances: NDArray[np.int32]) -> tuple[int, ...]:
    from skimage import measure

    known, label = np.maximum(instances, 0), cast("Any", measure.label)
    pieces = label(known, background=0, connectivity=known.ndim)
    first = np.unique(pieces, return_index=True)[1]
    owners, counts = np.unique(known.ravel()[first], return_counts=True)
    return tuple(int(own) for own, count in zip(owners, counts, strict=True) if own > 0 and count > 1)


def _line(text: str) -> str:
    """Text from a file as one line that moves no cursor."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:300]) or "not said"


def _about_images(words: str, names: list[str], why: str = "") -> str:
    if not names:
        return ""
    return f"{len(names)} image{'' if len(names) == 1 else 's'} {words}: {_listed(names)}{f'; the first: {why}' if why else ''}"


def _mixed(what: str, found: Mapping[str, Any]) -> str:
    """A network learns from images of one kind."""
    first = next(iter(found), "")
    other = next((name for name in found if found[name] != found[first]), None)
    if other is None:
        return ""
    return f"images of several kinds, which no network learns from together: {what} {found[first]} in {first}, {found[other]} in {other}"


def _about_objects(words: str, found: Mapping[str, tuple[int, ...]]) -> str:
    names = [f"id {own} in {image}" for image, ids in found.items() for own in ids[:SHOWN]]
    count = sum(map(len, found.values()))
    return f"{count} object{'' if count == 1 else 's'} {words}: {_listed(names, count)}" if count else ""


def _listed(names: list[str], count: int | None = None) -> str:
    count = len(names) if count is None else count
    return ", ".join(names[:SHOWN]) + (f" and {count - SHOWN} more" if count > SHOWN else "")
