"""Images without labels: those of a dataset, of a folder, or one file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cellseg.dataset import Dataset, open_dataset
from cellseg.facts import FACTS_FILE, require_name
from cellseg.formats.folder import INST, MASK, TYPE, TYPES
from cellseg.formats.pictures import jpeg_shape
from cellseg.formats.pictures import read_pixels as read_picture
from cellseg.store import SUFFIXES, open_stored, read_pixels
from segcore.errors import ConfigError, InputError
from segcore.io.memory import MemoryImage
from segcore.io.protocol import ImageSource

JPEG = (".jpg", ".jpeg")
LOOSE = (*SUFFIXES, *JPEG)
"""Endings of images that no dataset describes."""
_LABELS = (INST, MASK, TYPE, TYPES)
"""X with one of these is no image where X lies beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """One image or volume on disk, its header read."""

    name: str
    path: Path
    axes: str
    """What the dataset says; "" where only the file can."""
    shape: tuple[int, int, int, int]
    """(C, D, H, W); D = 1 for an image."""
    is_volume: bool
    pixel_type: str
    """Such as uint8."""
    pixel_size_um: tuple[float, ...] | None
    """Edges of a pixel for (Z,) Y, X."""

    def plane(self, z: int) -> ImageSource:
        """A plane, to be read by windows; a PNG or JPEG is read whole.

        Raises:
            InputError: the file is damaged.
        """
        if self.path.suffix.lower() in (".png", *JPEG):
            pixels = read_pixels(self.path, self.axes)[0] if self.axes else read_picture(self.path, None, Counter())[0]
            return MemoryImage(pixels, name=self.name)
        stored = open_stored(self.path, self.axes)
        return stored.plane(z) if self.shape[1] > 1 else stored


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFiles:
    """Images that belong together, in alphabetical order."""

    path: Path
    files: tuple[ImageFile, ...]
    splits: Mapping[str, tuple[str, str]]
    """(split, group) of those that have one."""
    title: str
    notes: tuple[str, ...] = ()
    """What was passed over."""

    @property
    def is_volume(self) -> bool:
        """Whether they are volumes."""
        return self.files[0].is_volume


def find_images(where: Dataset | Path | str) -> ImageFiles:
    """The images of a dataset, of a folder, or one file (or OME-Zarr folder); headers are read, no pixels.

    Raises:
        InputError: there is no image, a file is damaged or of an unknown kind, or volumes lie beside images.
    """
    if not isinstance(where, Dataset):
        path = Path(where)
        if not (path / FACTS_FILE).is_file():
            return _loose(path)
        where = open_dataset(path)
    if where.facts.labels_only:
        raise InputError(f"images are needed here; {where.path} has labels alone. Pass the dataset that they were made of.")
    found = [_file(name, own.image, where.axes, where.pixel_size_um) for name, own in where.files.items() if own.image is not None]
    return ImageFiles(path=where.path, files=tuple(found), splits=MappingProxyType(dict(where.splits)), title=where.facts.name)


def _loose(path: Path) -> ImageFiles:
    """Files that no dataset.json describes; what is no image is passed over in a folder, and noted."""
    if not path.exists():
        raise InputError(f"images are needed; {path} is not there. Look for a slip in its name.")
    notes: list[str] = []
    if path.is_dir() and path.suffix.lower() != ".zarr":
        entries = sorted(Path(entry.path) for entry in os.scandir(path) if not entry.name.startswith("."))
        others = [entry for entry in entries if entry.suffix.lower() not in LOOSE]
        stems = {entry.stem for entry in entries if entry not in others}
        labels = [entry for entry in entries if any(entry.stem.removesuffix(end) in stems - {entry.stem} for end in _LABELS)]
        paths = [entry for entry in entries if entry not in others and entry not in labels]
        notes += [_passed_over(others, "no image that is read")] if others else []
        notes += [_passed_over(labels, "labels of the images beside them")] if labels else []
    else:
        paths = [path]
    if not paths or any(one.suffix.lower() not in LOOSE for one in paths):
        raise InputError(
            f"images are {', '.join(LOOSE)}, alone, in a folder or in a dataset; {path} holds none. Convert them, or name another."
        )
    found = [_file(one.stem, one, "", None) for one in paths]
    names = [own.name.casefold() for own in found]
    twice = next((own for own in found if names.count(own.name.casefold()) > 1), None)
    if twice is not None:
        raise InputError(f"an image is one file; {path} has several named {twice.name}. Rename one.")
    if len({own.is_volume for own in found}) > 1:
        raise InputError(f"images and volumes are segmented apart; {path} holds both. Part them.")
    return ImageFiles(path=path, files=tuple(found), splits=MappingProxyType({}), title=path.name, notes=tuple(notes))


def _passed_over(paths: list[Path], why: str) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return f"passed over, {why}: {', '.join(path.name for path in paths[:3])}{more}"


def _file(name: str, path: Path, axes: str, size: tuple[float, ...] | None) -> ImageFile:
    try:
        require_name(name, "image")
    except ConfigError as error:
        raise InputError(f"{path} cannot be used: {error}") from None
    if path.suffix.lower() == ".png":
        from segcore.io.png import png_header

        header = png_header(path)
        channels = header.channels if axes else {2: 1, 4: 3}.get(header.channels, header.channels)  # transparency is dropped
        shape, volume = (channels, 1, header.height, header.width), False
        kind = "uint16" if header.bits == 16 else "uint8"
    elif path.suffix.lower() in JPEG:
        channels, height, width = jpeg_shape(path)
        shape, volume, kind = (channels, 1, height, width), False, "uint8"
    else:
        stored = open_stored(path, axes)
        shape, kind = stored.volume_shape, stored.dtype.name
        volume = "Z" in axes if axes else shape[1] > 1
        edges = 3 if volume else 2
        size = stored.pixel_size_um[-edges:] if stored.pixel_size_um and len(stored.pixel_size_um) >= edges else size
    if axes and ((shape[1] > 1 and "Z" not in axes) or (shape[0] > 1 and "C" not in axes)):
        raise InputError(f"images of this dataset have the axes {axes}; {path} has {shape} of CZYX. Write other axes.")
    return ImageFile(name=name, path=path, axes=axes, shape=shape, is_volume=volume, pixel_type=kind, pixel_size_um=size)
