"""The files of one image: its pixels and its labels, read and written without loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellseg.image import IGNORE, Instances
from segcore.errors import InputError, ShapeError

if TYPE_CHECKING:
    from segcore.io.stored import StoredImage

SUFFIXES = (".png", ".tif", ".tiff", ".zarr")
"""Kinds of files that are read; .zarr are folders."""
MOST_IN_16_BITS = 65534
"""Largest id of a 16-bit label; the next number means IGNORE."""
IGNORE_16 = 65535
MOST_ID = 2**31 - 1

_Shape = tuple[int, int, int, int]


def open_stored(path: Path, axes: str) -> StoredImage:
    """Open a TIFF or OME-Zarr as the axes of the dataset say; no pixel is read.

    Raises:
        InputError: as open_tiff and open_zarr.
        MissingExtraError: zarr is needed and not installed.
    """
    if path.suffix.lower() == ".zarr":
        from segcore.io.zarr import open_zarr

        return open_zarr(path)
    from segcore.io.tiff import open_tiff

    return open_tiff(path, axes=axes)


def read_pixels(path: Path, axes: str) -> tuple[NDArray[Any], tuple[float, ...] | None]:
    """The pixels of an image, (C, H, W), or (C, D, H, W) where axes have a Z, and its pixel size if the file says it.

    Raises:
        InputError: the file is missing, damaged or has other axes.
    """
    if path.suffix.lower() == ".png":
        from segcore.io.png import read_png

        found = read_png(path)
        return _fitted(found[None, None] if found.ndim == 2 else np.moveaxis(found, 2, 0)[:, None], axes, path), None
    stored = open_stored(path, axes)
    edges, size = len(axes.removeprefix("C")), stored.pixel_size_um
    size = None if size is None or len(size) < edges else size[-edges:]
    return _fitted(stored.read_all(), axes, path), size


def read_labels(path: Path, axes: str) -> Instances:
    """Instance ids (H, W), or (D, H, W) where axes have a Z: int32, 0 = background, IGNORE = unknown.

    Raises:
        InputError: the file is missing or damaged, has colours or fractions, other axes, or ids that int32 has no room for.
    """
    spatial = axes.removeprefix("C")
    if path.suffix.lower() == ".png":
        from segcore.io.png import GREY, png_header, read_png

        if png_header(path).colour != GREY:
            raise InputError(f"labels are instance ids in one channel; {path} holds colours. Save the ids as 16-bit grey.")
        found = read_png(path)[None, None]
    else:
        found = read_zarr_labels(path) if path.suffix.lower() == ".zarr" else open_stored(path, spatial).read_all()
    if len(found) != 1:
        raise InputError(f"labels are instance ids in one channel; {path} has {len(found)}. Save the ids as 16-bit grey.")
    return decode_labels(_fitted(found, spatial, path)[0], path)


def read_zarr_labels(path: Path) -> NDArray[Any]:
    """The labels of an OME-Zarr, (1, D, H, W): the image itself, or the one label image inside it.

    Raises:
        InputError: it holds several label images, or as open_zarr.
        MissingExtraError: zarr is not installed.
    """
    from segcore.io.zarr import label_names, open_zarr

    return open_zarr(path, label=one_label(path, label_names(path))).read_all()


def one_label(path: Path, names: tuple[str, ...]) -> str | None:
    """The name of the one label image; None where there is none.

    Raises:
        InputError: there are several.
    """
    if len(names) > 1:
        raise InputError(f"an image has one label image; {path} has {', '.join(names)}. Keep one, or write it into labels/.")
    return names[0] if names else None


def decode_labels(found: NDArray[Any], path: Path | str) -> Instances:
    """Stored ids of any whole type as int32; 65535 of 16 bits without sign, and -1, become IGNORE.

    Raises:
        InputError: the numbers are not whole, below -1, or above what int32 holds.
    """
    if found.dtype.kind not in "iu":
        raise InputError(f"labels are whole numbers, instance ids; {path} holds {found.dtype}. Save the ids as 16-bit grey.")
    if found.size and (int(found.min()) < IGNORE or int(found.max()) > MOST_ID):
        raise InputError(f"instance ids are {IGNORE} (unknown), 0 (background) to {MOST_ID}; {path} has {found.min()} to {found.max()}.")
    out = found.astype(np.int32)
    if found.dtype == np.uint16:
        out[found == IGNORE_16] = IGNORE
    return out


def encode_labels(instances: Instances, *, out: NDArray[np.uint16] | None = None) -> NDArray[Any]:
    """Ids as uint16 where they fit, 65535 = IGNORE; else int32 as they are.

    out: where the uint16 go, of the shape of instances; it may lie on disk, and nothing else takes memory then.
    """
    if int(instances.max(initial=0)) > MOST_IN_16_BITS:
        return instances
    room = np.empty(instances.shape, dtype=np.uint16) if out is None else out
    np.copyto(room, instances, casting="unsafe")  # the lower 16 bits: those of IGNORE, -1, are IGNORE_16
    return room


def write_pixels(folder: Path, name: str, pixels: NDArray[Any], *, pixel_size_um: tuple[float, ...] | None, own_size: bool) -> Path:
    """Write pixels (C, H, W) or (C, D, H, W): PNG for grey and RGB of 8 bits, else OME-TIFF.

    own_size: the pixel size differs from the dataset's, so the file must tell it; then it is a TIFF.

    Raises:
        ShapeError: a pixel type that TIFF does not hold.
        OutputError: the folder is closed or the disk is full.
    """
    if pixels.dtype == np.uint8 and pixels.ndim == 3 and len(pixels) in (1, 3) and not own_size:
        from segcore.io.png import write_png

        path = folder / f"{name}.png"
        write_png(path, pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2))
        return path
    from segcore.io.tiff import write_tiff

    path = folder / f"{name}.tif"
    write_tiff(path, pixels, "CYX" if pixels.ndim == 3 else "CZYX", pixel_size_um=pixel_size_um)
    return path


def write_labels(folder: Path, name: str, instances: Instances, *, pixel_size_um: tuple[float, ...] | None) -> Path:
    """Write instances (H, W) or (D, H, W): PNG of 16 bits for images with ids up to 65534, else TIFF.

    Raises:
        OutputError: the folder is closed or the disk is full.
    """
    stored = encode_labels(instances)
    if stored.dtype == np.uint16 and stored.ndim == 2:
        from segcore.io.png import write_png

        path = folder / f"{name}.png"
        write_png(path, stored)
        return path
    from segcore.io.tiff import write_tiff

    path = folder / f"{name}.tif"
    write_tiff(path, stored, "YX" if stored.ndim == 2 else "ZYX", pixel_size_um=pixel_size_um)
    return path


def require_fitting(pixels: _Shape, labels: _Shape, name: str) -> None:
    """Refuse labels of another size than their image, both (C, D, H, W).

    Raises:
        InputError: the sizes differ.
    """
    if pixels[1:] != labels[1:]:
        raise InputError(f"an image and its labels have one size; {name} has {_size(pixels)} and {_size(labels)}. Make its labels again.")


def _fitted(found: NDArray[Any], axes: str, path: Path) -> NDArray[Any]:
    """(C, D, H, W) as the axes of the dataset have it."""
    if "Z" not in axes and found.shape[1] > 1:
        raise InputError(f"images of this dataset have the axes {axes}; {path} is a volume of {found.shape[1]} planes. Say axes with Z.")
    if "C" not in axes and len(found) > 1:
        raise InputError(f"images of this dataset have the axes {axes}; {path} has {len(found)} channels. Say axes with C.")
    return found if "Z" in axes else found[:, 0]


def _size(shape: _Shape) -> str:
    return " x ".join(map(str, shape[1:] if shape[1] > 1 else shape[2:]))


def require_axes(pixels: NDArray[Any], axes: str, name: str) -> None:
    """Refuse pixels (C, H, W) or (C, D, H, W) that a dataset of such axes cannot hold.

    Raises:
        ShapeError: a volume where images are asked for or the reverse, or channels where there are none.
    """
    if (pixels.ndim == 4) != ("Z" in axes) or ("C" not in axes and len(pixels) != 1):
        raise ShapeError(f"a dataset of axes {axes} holds images of such axes; {name} has the shape {pixels.shape}. Write other axes.")
