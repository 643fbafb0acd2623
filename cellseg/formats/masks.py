"""Binary masks, split into the parts that hang together: images/ beside masks/, or X.png beside X_mask.png."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cellseg.formats.classes import class_names
from cellseg.formats.folder import MASK, suffixed
from cellseg.formats.imported import Imported, ImportOptions, Odd, assemble
from cellseg.formats.pictures import labelled, read_mask, read_pixels
from cellseg.formats.sources import files_in, paired, require_folder
from cellseg.image import CELL, CellImage

SPLIT = "objects made of the parts of binary masks that touch by an edge or a corner (touching cells are one)"


def read(source: Path, options: ImportOptions) -> Imported:
    """Read images/NAME beside masks/NAME (or labels/NAME), or X beside X_mask; a mask has the values 0 and one other.

    Each part of a mask that hangs together by edges or corners becomes an object, numbered row by row.

    Raises:
        InputError: there are no such files, they do not fit together, or a mask has more values.
    """
    require_folder(source)
    odd = Odd()
    folder = next((source / name for name in ("masks", "labels") if (source / name).is_dir()), None)
    both = (files_in(source / "images"), files_in(folder)) if folder and (source / "images").is_dir() else suffixed(source, MASK)
    pairs = paired(*both, source, allow_missing=options.allow_missing, odd=odd)
    names = class_names(options.classes, {"1": CELL})
    images = _images(pairs, names.of("1", "a mask"), options, odd)
    return assemble(source, options, images, count=len(pairs), classes=names.classes, odd=odd)


def _images(pairs: list[tuple[str, Path, Path]], target: str, options: ImportOptions, odd: Odd) -> Iterator[CellImage]:
    from scipy.ndimage import label

    for name, image, labels in pairs:
        pixels, size = read_pixels(image, options.axes, odd)
        mask = read_mask(labels, options.axes)
        instances, count = label(mask, structure=np.ones((3,) * mask.ndim))
        odd[SPLIT] += count
        yield labelled(name, pixels, instances.astype(np.int32), dict.fromkeys(range(1, count + 1), target), size)
