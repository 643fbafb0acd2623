"""Image and label files of any of the known kinds, as arrays; what is no label is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.formats.imported import Odd
from cellseg.image import IGNORE, CellImage, Instances
from cellseg.store import decode_labels, read_zarr_labels
from segcore.errors import InputError
from segcore.io.stored import StoredImage

Size = tuple[float, ...] | None
ALPHA = "images whose transparency was dropped"
IGNORED = "pixels whose label means unknown (65535 or -1)"


def read_pixels(path: Path, axes: str | None, odd: Odd) -> tuple[NDArray[Any], Size]:
    """An image (C, H, W) or volume (C, D, H, W), and the edges of its pixels in micrometres where the file says them.

    Raises:
        InputError: the file is damaged, or does not say its axes and axes does not either.
    """
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        stored = _stored(path, axes)
        pixels = stored.read_all()
        flat = pixels.shape[1] == 1
        return pixels[:, 0] if flat else pixels, _whole_size(stored.pixel_size_um, 2 if flat else 3)
    pixels = _png(path) if path.suffix.lower() == ".png" else _pillow(path, ("L", "RGB"))
    if pixels.ndim == 2:
        return pixels[None], None
    if pixels.shape[2] in (2, 4):
        odd[ALPHA] += 1
        pixels = pixels[..., :-1]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)), None


def read_labels(path: Path, axes: str | None, odd: Odd) -> Instances:
    """Instance ids (H, W) or (D, H, W); 65535 of 16 bits and -1 become IGNORE.

    Raises:
        InputError: the file is damaged, has colours or fractions, or ids that are none.
    """
    return as_instances(_numbers(path, axes), str(path), odd)


def read_types(path: Path, axes: str | None) -> NDArray[Any]:
    """The class number of each pixel, (H, W) or (D, H, W).

    Raises:
        InputError: the file is damaged, or has colours or fractions.
    """
    return _whole(_numbers(path, axes), str(path))


def read_mask(path: Path, axes: str | None) -> NDArray[np.bool_]:
    """A mask (H, W) or (D, H, W) of two values, the background 0.

    Raises:
        InputError: the file is damaged, has colours or fractions, or other values.
    """
    array = _whole(_numbers(path, axes), str(path))
    values = np.unique(array)
    if len(values) > 2 or (len(values) == 2 and values[0] != 0):
        shown = ", ".join(map(str, values[:4])) + (", ..." if len(values) > 4 else "")
        raise InputError(f"a mask has the values 0 and one other; {path} has {shown}. For object ids use --format folder.")
    mask: NDArray[np.bool_] = array != 0
    return mask


def as_instances(array: NDArray[Any], where: str, odd: Odd) -> Instances:
    """Whole numbers of any type as instance ids.

    Raises:
        InputError: there are fractions, or numbers that are no ids.
    """
    instances = decode_labels(_whole(array, where).astype(np.uint8) if array.dtype.kind == "b" else array, where)
    odd[IGNORED] += int(np.count_nonzero(instances == IGNORE))
    return instances


def labelled(name: str, pixels: NDArray[Any], instances: Instances, classes: Mapping[int, str], size: Size = None) -> CellImage:
    """An image with its labels; classes of objects that are not there are dropped.

    Raises:
        InputError: they differ in size.
    """
    require_size(name, pixels, instances.shape)
    present = {own: classes[own] for own in ids_of(instances) if own in classes}
    return CellImage(name=name, pixels=pixels, instances=instances, classes=present, pixel_size_um=size)


def require_size(name: str, pixels: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse labels of another size than their image.

    Raises:
        InputError: they are.
    """
    if pixels.shape[1:] != shape:
        image, labels = (" x ".join(map(str, edges)) for edges in (pixels.shape[1:], shape))
        raise InputError(f"an image and its labels have one size; {name} is {image} px and its labels are {labels}. Export them again.")


def plane_of(name: str, pixels: NDArray[Any]) -> tuple[int, int]:
    """(H, W) of an image whose labels are shapes.

    Raises:
        InputError: it is a volume.
    """
    if pixels.ndim != 3:
        raise InputError(f"shapes label plane images; {name} is a volume of {pixels.shape[1]} planes. Save each plane as an image.")
    return int(pixels.shape[1]), int(pixels.shape[2])


def majority(instances: Instances, types: NDArray[Any]) -> dict[int, int]:
    """The most frequent type above 0 of each object, the lower of equals; 0 where an object has none."""
    ids, place = np.unique(instances, return_inverse=True)
    kinds, kind = np.unique(types, return_inverse=True)
    votes = np.bincount(place.ravel() * len(kinds) + kind.ravel(), minlength=len(ids) * len(kinds)).reshape(len(ids), len(kinds))
    votes[:, kinds <= 0] = 0
    best = np.where(votes.any(axis=1), kinds[votes.argmax(axis=1)], 0)
    return {own: kind for own, kind in zip(ids.tolist(), best.tolist(), strict=True) if own > 0}


def ids_of(instances: Instances) -> Iterator[int]:
    """Ids of the objects, ascending."""
    return (own for own in np.unique(instances).tolist() if own > 0)


def _numbers(path: Path, axes: str | None) -> NDArray[Any]:
    """One number per pixel; of a PNG with a palette its entries' numbers."""
    if path.suffix.lower() in (".jpg", ".jpeg"):
        raise InputError(f"labels are saved without loss; {path} is a JPEG, whose numbers are blurred. Export it as PNG or TIFF.")
    if path.suffix.lower() == ".png":
        array = _png(path, numbers=True)
        channels = 1 if array.ndim == 2 else array.shape[2]
    else:
        zarr = path.suffix.lower() == ".zarr"
        stored = read_zarr_labels(path) if zarr else _stored(path, None if axes is None else axes.replace("C", "")).read_all()
        channels, array = len(stored), stored[0]
        array = array[0] if len(array) == 1 else array
    if channels != 1:
        raise InputError(f"labels are one number per pixel; {path} has {channels} channels. Export ids, not a picture of them.")
    return array


def _whole(array: NDArray[Any], where: str) -> NDArray[Any]:
    if array.dtype.kind not in "bui":
        raise InputError(f"labels are whole numbers; {where} is {array.dtype}. Export them as 16-bit or 32-bit integers.")
    return array


def _png(path: Path, *, numbers: bool = False) -> NDArray[Any]:
    from segcore.io.png import PALETTE, png_header, read_png

    if numbers and png_header(path).colour == PALETTE:
        return _pillow(path, ("P",))
    return read_png(path)


def jpeg_shape(path: Path) -> tuple[int, int, int]:
    """(C, H, W) of a JPEG, from its header.

    Raises:
        InputError: the file is missing or damaged, or its colours are neither grey nor RGB.
    """
    mode, (width, height) = _opened(path, lambda image: (image.mode, image.size))
    _require_mode(path, mode, ("L", "RGB"))
    return len(mode), height, width


def _pillow(path: Path, modes: tuple[str, ...]) -> NDArray[Any]:
    """An image that Pillow reads."""
    array: NDArray[Any]
    mode, array = _opened(path, lambda image: (image.mode, np.asarray(image)))
    _require_mode(path, mode, modes)
    return array


def _opened(path: Path, take: Callable[[Any], Any]) -> Any:
    """What take finds in an image that Pillow opens; it refuses what claims to be very large."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images; those above twice its limit are refused
            with Image.open(path, formats=("JPEG", "PNG")) as image:
                return take(image)
    except Exception as error:  # the decoders raise many kinds on damaged files
        raise InputError(f"{path} cannot be read as an image ({error}). Save it again.") from None


def _require_mode(path: Path, mode: str, modes: tuple[str, ...]) -> None:
    if mode not in modes:
        raise InputError(f"a JPEG is grey or RGB; {path} is {mode}. Save it as PNG or TIFF.")


def _stored(path: Path, axes: str | None) -> StoredImage:
    """A TIFF or OME-Zarr; the latter always says its axes."""
    if path.suffix.lower() == ".zarr":
        from segcore.io.zarr import open_zarr

        return open_zarr(path)
    from segcore.io.tiff import open_tiff

    return open_tiff(path, axes=axes)


def _whole_size(size: Size, axes: int) -> Size:
    """The pixel size for as many axes, if the file says all of them."""
    return None if size is None or len(size) < axes else size[-axes:]
