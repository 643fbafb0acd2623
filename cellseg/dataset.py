"""A dataset on disk: images and their labelled objects in one folder.

dataset.json says what holds for all images; images/NAME.png|tif|zarr and labels/NAME.png|tif|zarr hold one image each;
instances.csv gives the class of each object where there are several classes; splits.csv puts images into splits.
Names sort the images: the order in which they were written is not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import overload

import numpy as np
from numpy.typing import NDArray

from cellseg.facts import FACTS_FILE, DatasetFacts, read_facts, require_name
from cellseg.image import CELL, CellImage, Instances
from cellseg.listing import Files, list_files
from cellseg.source import CellSource, open_source
from cellseg.store import read_labels, read_pixels, require_axes, require_fitting, write_labels, write_pixels
from cellseg.tables import (
    INSTANCES_FILE,
    SPLITS_FILE,
    ClassTable,
    read_instances,
    read_splits,
    require_whole_groups,
    write_instances,
    write_splits,
)
from segcore.errors import ConfigError, InputError
from segcore.files import fresh_dir, write_json


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset(Sequence[CellImage]):
    """The images of a dataset, by number or name; each is read when it is asked for, and not kept."""

    path: Path
    facts: DatasetFacts
    """What dataset.json says."""
    files: Mapping[str, Files]
    """Where each image lies, in alphabetical order of the names."""
    splits: Mapping[str, tuple[str, str]]
    """(split, group) of the images that have one."""
    table: ClassTable = field(repr=False)
    """instances.csv: class of the objects of each image."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images."""
        return tuple(self.files)

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that an object can have."""
        return self.facts.classes

    @property
    def axes(self) -> str:
        """YX, CYX, ZYX or CZYX."""
        return self.facts.axes

    @property
    def pixel_size_um(self) -> tuple[float, ...] | None:
        """Edges of a pixel in micrometres, for (Z,) Y, X."""
        return self.facts.pixel_size_um

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, key: int | str) -> CellImage: ...
    @overload
    def __getitem__(self, key: slice) -> Dataset: ...
    def __getitem__(self, key: int | str | slice) -> CellImage | Dataset:
        if isinstance(key, slice):
            return self.only(self.names[key])
        return self._read(self._known(key) if isinstance(key, str) else self.names[key])

    def __iter__(self) -> Iterator[CellImage]:
        return map(self._read, self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.files

    def only(self, names: Iterable[str]) -> Dataset:
        """The dataset of these images alone, in alphabetical order.

        Raises:
            ConfigError: there is no image of such a name.
        """
        wanted = {self._known(name) for name in names}
        return replace(self, files=MappingProxyType({name: self.files[name] for name in self.files if name in wanted}))

    def source(self, name: str | int) -> CellSource:
        """An image that is read window by window: for patches of images that memory has no room for.

        Raises:
            ConfigError: there is no image of such a name.
            InputError: a file cannot be used, or the images are volumes.
        """
        name = self._known(name) if isinstance(name, str) else self.names[name]
        own = self.files[name]
        only = self.classes[0] if len(self.classes) == 1 and self.classes != (CELL,) else None
        classes = self.table.get(name, {}) if len(self.classes) > 1 else {}
        size = self.pixel_size_um
        return open_source(name, own.image, own.labels, axes=self.axes, classes=classes, only_class=only, pixel_size_um=size)

    def split(self, split: str) -> Dataset:
        """The images of a split.

        Raises:
            ConfigError: there is no such split.
        """
        known = sorted({own for own, _ in self.splits.values()})
        if split not in known:
            raise ConfigError(f"{self.path} has {'the splits ' + ', '.join(known) if known else 'no splits'}; got {split!r}.")
        return self.only(name for name in self.files if self.splits.get(name, ("", ""))[0] == split)

    def classes_of(self, name: str, ids: Sequence[int] | Instances) -> dict[int, str]:
        """Class of those objects of an image that are not of class "cell" by default; ids are all its objects.

        Raises:
            InputError: instances.csv names an id that the image does not have.
        """
        if len(self.classes) == 1:
            return {} if self.classes == (CELL,) else dict.fromkeys(map(int, ids), self.classes[0])
        own = self.table.get(name, {})
        unknown = own.keys() - set(map(int, ids))
        if unknown:
            raise InputError(f"{INSTANCES_FILE} names objects of the labels; {name} has no instance {min(unknown)}. Remove its line.")
        return dict(own)

    def _known(self, name: str) -> str:
        if name not in self.files:
            raise ConfigError(f"{self.path} has {len(self)} images, none of them named {name!r:.80}.")
        return name

    def _read(self, name: str) -> CellImage:
        own = self.files[name]
        instances = read_labels(own.labels, self.axes)
        pixels, size = blank(instances.shape) if own.image is None else read_pixels(own.image, self.axes)
        require_fitting(_czyx(pixels.shape), _czyx((1, *instances.shape)), name)
        classes = self.classes_of(name, present(instances))
        return CellImage(name=name, pixels=pixels, instances=instances, classes=classes, pixel_size_um=size or self.pixel_size_um)


def open_dataset(path: Path | str) -> Dataset:
    """Open a dataset; the folder is listed and its tables are read, but no image.

    Raises:
        InputError: dataset.json is missing or cannot be used, an image has no labels or the reverse, or a table is wrong.
    """
    folder = Path(path)
    facts = read_facts(folder)
    files = list_files(folder, labels_only=facts.labels_only)
    table = read_instances(folder / INSTANCES_FILE, files, facts.classes)
    splits = read_splits(folder / SPLITS_FILE, files)
    return Dataset(path=folder, facts=facts, files=MappingProxyType(files), splits=MappingProxyType(splits), table=table)


def write_dataset(
    path: Path | str,
    images: Iterable[CellImage],
    *,
    facts: DatasetFacts,
    splits: Mapping[str, tuple[str, str]] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write images as a dataset, one at a time; the folder is there once all are written.

    Args:
        path: the folder.
        images: of the axes and classes that facts say, each with a name of its own.
        facts: what dataset.json says. An image whose pixel size differs keeps its own. With labels_only pixels are not written.
        splits: {name: (split, group)}; images may be left out, and "" is no group.
        overwrite: replace an earlier dataset.

    Raises:
        ConfigError: names that cannot be files or are there twice, unknown classes, splits of unknown images, split groups.
        ShapeError: an image of other axes, or pixels of a type that TIFF does not hold.
        OutputError: the folder exists or is closed, or the disk is full.
    """
    folder = Path(path)
    require_whole_groups(splits or {})
    with fresh_dir(folder, overwrite=overwrite, replaces=FACTS_FILE) as scratch:
        for part in ("labels",) if facts.labels_only else ("images", "labels"):
            (scratch / part).mkdir()
        writer = _Writer(folder=scratch, facts=facts)
        if len(facts.classes) > 1:
            write_instances(scratch / INSTANCES_FILE, (row for image in images for row in writer.write(image)))
        else:
            for image in images:
                writer.write(image)
        unknown = (splits or {}).keys() - writer.names.values()
        if unknown:
            raise ConfigError(f"splits name images that are written; {min(unknown)!r} is none of the {len(writer.names)}.")
        if splits:
            write_splits(scratch / SPLITS_FILE, splits)
        write_json(scratch / FACTS_FILE, facts.as_json())
    return folder


def blank(shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], None]:
    """Pixels (1, *shape) that take no memory, for labels without an image, and no pixel size."""
    return np.broadcast_to(np.uint8(0), (1, *shape)), None


def present(instances: Instances) -> Instances:
    """Ids of the objects, ascending; one pass where the ids are dense."""
    most = int(instances.max(initial=0))
    if most > 4 * instances.size:
        found = np.unique(instances)
        return found[found > 0]
    counts = np.bincount(np.maximum(instances, 0).ravel(), minlength=most + 1)
    counts[0] = 0
    return np.flatnonzero(counts).astype(np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    """What is known while images come in."""

    folder: Path
    facts: DatasetFacts
    names: dict[str, str] = field(default_factory=dict)
    """By their lower-case form: file systems that ignore case must keep them apart too."""

    def write(self, image: CellImage) -> list[tuple[str, int, str]]:
        """Write one image; its rows of instances.csv, for objects whose class is said."""
        require_name(image.name, "image")
        if image.name.casefold() in self.names:
            raise ConfigError(f"each image has a name of its own, in lower case too; {image.name!r} comes twice.")
        self.names[image.name.casefold()] = image.name
        require_axes(image.pixels, self.facts.axes, image.name)
        rows = self._rows(image)
        size = image.pixel_size_um
        own = size is not None and size != self.facts.pixel_size_um
        size = self.facts.pixel_size_um if size is None else size
        if not self.facts.labels_only:
            write_pixels(self.folder / "images", image.name, image.pixels, pixel_size_um=size, own_size=own)
        write_labels(self.folder / "labels", image.name, image.instances, pixel_size_um=size)
        return rows

    def _rows(self, image: CellImage) -> list[tuple[str, int, str]]:
        rows = [(image.name, int(own), image.classes[int(own)]) for own in present(image.instances) if int(own) in image.classes]
        wrong = {own for _, _, own in rows} - set(self.facts.classes)
        if wrong:
            known = ", ".join(self.facts.classes)
            raise ConfigError(f"the classes of this dataset are {known}; {image.name} has objects of class {min(wrong)!r}.")
        return rows


def _czyx(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    channels, *depth, height, width = shape
    return channels, depth[0] if depth else 1, height, width
