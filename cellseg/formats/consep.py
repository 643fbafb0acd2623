"""CoNSeP (Graham et al. 2019, HoVer-Net): .mat files with inst_map, type_map and inst_type beside H&E tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.formats.classes import ClassNames, class_names
from cellseg.formats.imported import Imported, ImportOptions, Odd, assemble
from cellseg.formats.matlab import matlab_images, matlab_pairs
from cellseg.formats.pictures import as_instances, ids_of, labelled, majority
from cellseg.image import CellImage, Instances
from segcore.errors import InputError

CLASSES = {
    "1": "other",
    "2": "inflammatory",
    "3": "healthy epithelial",
    "4": "malignant epithelial",
    "5": "fibroblast",
    "6": "muscle",
    "7": "endothelial",
}
"""As the authors number them; papers often join 3 and 4 (epithelial) and 5 to 7 (spindle-shaped), which --classes can do."""
SPLITS = ("train", "test")
DIFFER = "objects whose class in inst_type differs from type_map, which counts"
ARRAYS = ("inst_map", "type_map", "inst_type")


def read(source: Path, options: ImportOptions) -> Imported:
    """Read images and .mat files of one name, as in Train/Images and Train/Labels; the folders Train and Test give the split.

    An object has the most frequent class of its pixels in type_map; without type_map, its entry of inst_type.

    Raises:
        InputError: files lack their partner or an array, differ in size, or have a class without name.
        MissingExtraError: a file is of version 7.3, and h5py is not installed.
    """
    odd = Odd()
    pairs = matlab_pairs(source, options, odd)
    names = class_names(options.classes, CLASSES)
    splits = _splits(pairs, source)
    return assemble(source, options, _images(pairs, names, options, odd), count=len(pairs), classes=names.classes, odd=odd, splits=splits)


def _splits(pairs: list[tuple[str, Path, Path]], source: Path) -> Mapping[str, tuple[str, str]] | None:
    """Image -> (train or test, its own name), where every image is below such a folder."""
    found = {}
    for name, image, _ in pairs:
        folders = [part.lower() for part in image.relative_to(source).parts[:-1]]
        split = next((split for split in SPLITS if split in folders), None)
        if split is None:
            return None
        found[name] = (split, name)
    return found


def _images(pairs: list[tuple[str, Path, Path]], names: ClassNames, options: ImportOptions, odd: Odd) -> Iterator[CellImage]:
    for name, pixels, size, arrays in matlab_images(pairs, ARRAYS, options, odd):
        instances = as_instances(arrays["inst_map"], name, odd)
        classes = {own: names.of(str(kind), name) for own, kind in _kinds(name, instances, arrays, odd).items()}
        yield labelled(name, pixels, instances, classes, size)


def _kinds(name: str, instances: Instances, arrays: Mapping[str, NDArray[Any]], odd: Odd) -> dict[int, int]:
    ids, listed = list(ids_of(instances)), arrays.get("inst_type", np.zeros(0)).ravel().astype(np.int64).tolist()
    if "type_map" not in arrays:
        if len(listed) != len(ids):
            raise InputError(f"each object has one class; {name} has {len(ids)} objects and {len(listed)} in inst_type. Export it again.")
        return dict(zip(ids, listed, strict=True))
    if arrays["type_map"].shape != instances.shape:
        raise InputError(f"labels and classes have one size; {name} has {instances.shape} and {arrays['type_map'].shape}. Export it again.")
    kinds = majority(instances, arrays["type_map"])
    if len(listed) == len(ids):
        odd[DIFFER] += sum(kinds[own] != kind for own, kind in zip(ids, listed, strict=True))
    return kinds
