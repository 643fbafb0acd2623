"""OME-Zarr 0.4 and 0.5 in local folders: axes and pixel size from the metadata, labels beside the image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ConfigError, InputError, MissingExtraError, ShapeError
from segcore.files import fresh_dir
from segcore.io.axes import ORDER, resolve
from segcore.io.stored import StoredImage
from segcore.io.zarr_metadata import Level, full_size, label_list
from segcore.windows import Window

CHUNK = 1024
"""Edge of the chunks we write, in pixels."""
MOST_CHUNK = 10**9
"""Bytes of a chunk, unpacked; larger ones cannot be read in parts."""

Version = Literal["0.4", "0.5"]


def open_zarr(path: Path, *, label: str | None = None) -> StoredImage:
    """Open the full-size level of an OME-Zarr image, or of one of its label images; no pixel is read.

    Raises:
        InputError: the folder is missing, damaged, another kind of Zarr, of an unknown version, or packed in a way that is
            not known to be harmless; or there is no such label image.
        MissingExtraError: zarr is not installed.
    """
    zarr = _import_zarr()
    folder = path
    if label is not None:
        if label not in label_names(path):
            raise InputError(f"{path} has the label images {', '.join(label_names(path)) or '(none)'}; got {label!r}.")
        folder = path / "labels" / label
    level = full_size(folder)
    array = _open_array(zarr, level)
    layout = resolve(level.axes, array.shape, name=str(folder))
    return StoredImage(name=folder.stem, array=array, layout=layout, pixel_size_um=level.pixel_size_um)


def label_names(path: Path) -> tuple[str, ...]:
    """Names of the label images that lie inside an OME-Zarr.

    Raises:
        InputError: the list is damaged or names something outside its folder.
    """
    return label_list(path)


class ZarrSink:
    """An OME-Zarr that is written window by window."""

    def __init__(self, image: Any, labels: Any) -> None:
        """image: array (C, [Z,] Y, X); labels: array ([Z,] Y, X), or None."""
        self._image, self._labels = image, labels

    def write(self, window: Window, array: NDArray[Any], *, z: int = 0) -> None:
        """Write array (C, height, width) at a window that lies inside the image, in plane z."""
        self._image[self._key(self._image, window, z)] = array

    def write_labels(self, window: Window, array: NDArray[np.int32], *, z: int = 0) -> None:
        """Write instance ids (height, width) at a window that lies inside the image, in plane z.

        Raises:
            ConfigError: the OME-Zarr was created without labels.
        """
        if self._labels is None:
            raise ConfigError("labels are written where create_zarr was given their name, got none.")
        self._labels[self._key(self._labels, window, z)[-self._labels.ndim :]] = array

    def _key(self, target: Any, window: Window, z: int) -> tuple[slice | int, ...]:
        volume = self._image.ndim == len(ORDER)
        return (slice(None), z, *window.slices) if volume else (slice(None), *window.slices)


@contextmanager
def create_zarr(
    path: Path,
    shape: tuple[int, ...],
    dtype: Any,
    *,
    label: str | None = None,
    pixel_size_um: tuple[float, ...] | None = None,
    version: Version = "0.5",
    overwrite: bool = False,
) -> Iterator[ZarrSink]:
    """An OME-Zarr to write by windows; it is there once the block succeeds. What is not written is 0.

    Args:
        path: the folder, NAME.zarr.
        shape: (C, H, W) or (C, D, H, W).
        dtype: of the image; labels are int32.
        label: name of a label image of the same size, if there is one.
        pixel_size_um: edges of a pixel in micrometres, one for each of (Z,) Y, X.
        version: of OME-Zarr; 0.4 is for older programs.
        overwrite: replace an earlier OME-Zarr.

    Raises:
        ConfigError: an unknown version.
        ShapeError: another shape, or pixels that are no real numbers.
        OutputError: the folder exists or is closed, or the disk is full.
        MissingExtraError: zarr is not installed.
    """
    zarr = _import_zarr()
    if version not in ("0.4", "0.5"):
        raise ConfigError(f"an OME-Zarr is written in version 0.4 or 0.5, got {version!r}.")
    if len(shape) not in (3, 4) or 0 in shape or np.dtype(dtype).kind not in "uif":
        raise ShapeError(f"an OME-Zarr is (C, H, W) or (C, D, H, W) of real numbers, got {np.dtype(dtype)} {shape}.")
    marker = "zarr.json" if (path / "zarr.json").exists() else ".zattrs"
    with fresh_dir(path, overwrite=overwrite, replaces=marker) as scratch:
        axes = "CYX" if len(shape) == 3 else ORDER
        level = _Writing(zarr=zarr, version=version, pixel_size_um=pixel_size_um)
        image = level.create(scratch, shape, dtype, axes, {}, name=path.stem)
        labels = None
        if label is not None:
            level.group(scratch / "labels", {"labels": [label]})
            facts = {"image-label": {"source": {"image": "../../"}}}
            labels = level.create(scratch / "labels" / label, shape[1:], np.int32, axes[1:], facts, name=label)
        yield ZarrSink(image, labels)


class _Writing:
    """Groups and arrays of one version."""

    def __init__(self, *, zarr: ModuleType, version: Version, pixel_size_um: tuple[float, ...] | None) -> None:
        self.zarr, self.version, self.size = zarr, version, pixel_size_um
        self.format = 3 if version == "0.5" else 2

    def group(self, folder: Path, facts: dict[str, Any]) -> Any:
        attributes = {"ome": {"version": self.version, **facts}} if self.format == 3 else facts
        return self.zarr.create_group(str(folder), zarr_format=self.format, attributes=attributes)

    def create(self, folder: Path, shape: tuple[int, ...], dtype: Any, axes: str, facts: dict[str, Any], *, name: str) -> Any:
        group = self.group(folder, {"multiscales": [self._multiscale(name, axes)], **facts})
        names = {"dimension_names": list(axes.lower())} if self.format == 3 else {}
        keys = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if self.format == 2 else {}
        chunks = tuple(min(length, CHUNK) if letter in "YX" else 1 for letter, length in zip(axes, shape, strict=True))
        return group.create_array("0", shape=shape, chunks=chunks, dtype=np.dtype(dtype), fill_value=0, **names, **keys)

    def _multiscale(self, name: str, axes: str) -> dict[str, Any]:
        edges = dict(zip((letter for letter in axes if letter != "C"), self.size or (), strict=False))
        scale = [edges.get(letter, 1.0) for letter in axes]
        facts: dict[str, Any] = {"version": self.version} if self.format == 2 else {}
        return facts | {
            "name": name,
            "axes": [_axis(letter, known=self.size is not None) for letter in axes],
            "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}],
        }


def _axis(letter: str, *, known: bool) -> dict[str, str]:
    if letter == "C":
        return {"name": "c", "type": "channel"}
    unit = {"unit": "micrometer"} if known else {}
    return {"name": letter.lower(), "type": "space"} | unit


def _open_array(zarr: ModuleType, level: Level) -> Any:
    try:
        store = zarr.storage.LocalStore(level.folder, read_only=True)
        array = zarr.open_array(store, mode="r", zarr_format=level.zarr_format)
        kind, size = array.dtype.kind, int(np.prod(array.chunks, dtype=np.float64)) * array.dtype.itemsize
    except Exception as error:  # zarr raises many kinds on damaged metadata
        raise InputError(f"{level.folder} cannot be read as Zarr ({type(error).__name__}: {error}).") from error
    if kind not in "buif":
        raise InputError(f"pixels are real numbers; {level.folder} holds {array.dtype}. Save it in another way.")
    if size > MOST_CHUNK:
        most = f"{MOST_CHUNK / 1e9:g} GB"
        raise InputError(f"an OME-Zarr is read by its chunks, up to {most} each; {level.folder} has chunks {array.chunks}. Rechunk it.")
    return array


def _import_zarr() -> ModuleType:
    try:
        import zarr
    except ImportError:
        raise MissingExtraError("OME-Zarr needs the package zarr, which is not installed. Install it with 'pip install zarr'.") from None
    return zarr
