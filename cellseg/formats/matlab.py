"""Arrays of MATLAB files: numbers only, of a size that is looked at first."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.formats.imported import ImportOptions, Odd
from cellseg.formats.pictures import read_pixels
from cellseg.formats.sources import files_in, paired, require_folder
from segcore.errors import InputError, MissingExtraError

MOST_VALUES = 1 << 30
"""Of one array."""
_NUMBERS = ("double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "logical")
_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Those of the named arrays that a file has, as whole numbers; what else it holds is not read.

    Raises:
        InputError: the file is damaged, or an array is not of whole numbers or very large.
        MissingExtraError: it is of version 7.3, which needs h5py.
    """
    found = _of_hdf5(path, names) if _is_hdf5(path) else _of_matlab5(path, names)
    return {name: _whole(array, f"{path}, {name}") for name, array in found.items()}


def matlab_pairs(source: Path, options: ImportOptions, odd: Odd) -> list[tuple[str, Path, Path]]:
    """(name, image, file) of images and .mat files of one name anywhere in a folder; folders called Overlay do not count.

    Raises:
        InputError: there are none, or one has no partner.
    """
    files = files_in(require_folder(source), (".mat",), deep=True)
    if not files:
        raise InputError(f"this format has a .mat file for each image; {source} has none. Is it the folder of the right --format?")
    images = files_in(source, deep=True, without="overlay")
    return paired(images, files, source, allow_missing=options.allow_missing, odd=odd)


def matlab_images(
    pairs: list[tuple[str, Path, Path]], names: tuple[str, ...], options: ImportOptions, odd: Odd
) -> Iterator[tuple[str, NDArray[Any], Any, dict[str, NDArray[Any]]]]:
    """(name, pixels, pixel size, arrays) of each image, one at a time.

    Raises:
        InputError: the first of the named arrays is missing.
    """
    for name, image, path in pairs:
        pixels, size = read_pixels(image, options.axes, odd)
        arrays = read_arrays(path, names)
        if names[0] not in arrays:
            raise InputError(f"the labels of this format are called {names[0]}; {path} has no such array. Is it the right --format?")
        yield name, pixels, size, arrays


def _of_matlab5(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    from scipy.io import loadmat, whosmat

    try:
        wanted = {name: (shape, kind) for name, shape, kind in whosmat(path, appendmat=False) if name in names}
        for name, (shape, kind) in wanted.items():
            _require_numbers(f"{path}, {name}", shape, kind)
        found = loadmat(path, appendmat=False, variable_names=list(wanted))
        return {name: np.asarray(found[name]) for name in wanted}
    except InputError:
        raise
    except Exception as error:  # the reader raises many kinds on damaged files
        raise InputError(f"{path} must be a MATLAB file, but cannot be read as such ({error}). Save it again.") from error


def _of_hdf5(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        h5py: Any = import_module("h5py")
    except ImportError:
        raise MissingExtraError(
            f"MATLAB files of version 7.3 need the package h5py; {path} is one. Run 'pip install h5py', or save it with -v7 in MATLAB."
        ) from None
    try:
        with h5py.File(path, "r") as file:
            wanted = {name: file[name] for name in names if name in file}
            for name, data in wanted.items():
                _require_numbers(f"{path}, {name}", data.shape, data.dtype.name.replace("float64", "double").replace("float32", "single"))
            return {name: np.asarray(data[()]).T for name, data in wanted.items()}
    except InputError:
        raise
    except Exception as error:  # damaged files raise many kinds
        raise InputError(f"{path} must be a MATLAB file, but cannot be read as such ({error}). Save it again.") from error


def _is_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            start = stream.read(520)
    except OSError as error:
        raise InputError(f"{path} is needed, but cannot be read ({error.strerror}).") from None
    return _HDF5 in (start[:8], start[512:])


def _require_numbers(where: str, shape: tuple[int, ...], kind: str) -> None:
    size = int(np.prod([float(edge) for edge in shape]))
    if kind not in _NUMBERS or size > MOST_VALUES:
        raise InputError(f"labels in a MATLAB file are up to {MOST_VALUES:,} plain numbers; {where} is {kind} {shape}. Export it again.")


def _whole(array: NDArray[Any], where: str) -> NDArray[Any]:
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or (array != np.floor(array)).any() or np.abs(array).max(initial=0) > np.iinfo(np.int32).max:
            raise InputError(f"labels are whole numbers; {where} has fractions, or numbers beyond 32 bits. Export it again.")
        return array.astype(np.int64)
    return array
