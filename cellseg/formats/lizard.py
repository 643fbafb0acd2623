"""Lizard (Graham et al. 2021): .mat files with inst_map and the vectors id and class beside H&E images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cellseg.formats.classes import ClassNames, class_names
from cellseg.formats.imported import Imported, ImportOptions, Odd, assemble
from cellseg.formats.matlab import matlab_images, matlab_pairs
from cellseg.formats.pictures import as_instances, ids_of, labelled
from cellseg.image import CellImage
from segcore.errors import InputError

CLASSES = {"1": "neutrophil", "2": "epithelial", "3": "lymphocyte", "4": "plasma", "5": "eosinophil", "6": "connective tissue"}
"""As the authors number them."""
STRAY = "entries of class without an object, left out"
ARRAYS = ("inst_map", "id", "class")


def read(source: Path, options: ImportOptions) -> Imported:
    """Read images and .mat files of one name, anywhere in the folder; class[k] is the class of the object id[k].

    Raises:
        InputError: files lack their partner or an array, differ in size, an object has no class, or a class no name.
        MissingExtraError: a file is of version 7.3, and h5py is not installed.
    """
    odd = Odd()
    pairs = matlab_pairs(source, options, odd)
    names = class_names(options.classes, CLASSES)
    return assemble(source, options, _images(pairs, names, options, odd), count=len(pairs), classes=names.classes, odd=odd)


def _images(pairs: list[tuple[str, Path, Path]], names: ClassNames, options: ImportOptions, odd: Odd) -> Iterator[CellImage]:
    for name, pixels, size, arrays in matlab_images(pairs, ARRAYS, options, odd):
        instances = as_instances(arrays["inst_map"], name, odd)
        ids, numbers, kinds = list(ids_of(instances)), *(arrays[key].ravel().tolist() if key in arrays else [] for key in ("id", "class"))
        if len(numbers) != len(kinds) or len(set(numbers)) < len(numbers) or not set(ids) <= set(numbers):
            raise InputError(
                f"each object stands once in id and class; {name} has {len(ids)} objects, {len(set(numbers))} ids and {len(kinds)} "
                "classes that do not fit. Export it again."
            )
        odd[STRAY] += len(numbers) - len(ids)
        table = dict(zip(numbers, kinds, strict=True))
        yield labelled(name, pixels, instances, {own: names.of(str(table[own]), name) for own in ids}, size)
