"""TIFF files: memory-mapped where they are plain, else read by their tiles and strips; axes and pixel size from metadata."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from segcore.errors import InputError, ShapeError
from segcore.files import fresh_file
from segcore.io.axes import ORDER, resolve
from segcore.io.stored import Indexable, StoredImage
from segcore.io.tiff_metadata import ome_metadata, pixel_size
from segcore.io.tiff_segments import Segments
from segcore.windows import Window

DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
"""Pixel types that are written: those that OME-TIFF and we both know."""

_ALONE = ("svs", "ndpi", "scn", "philips", "bif", "avs", "qpi")
"""Slide formats whose first series is the image and whose others are thumbnails."""


def open_tiff(path: Path, *, axes: str | None = None) -> StoredImage:
    """Open a TIFF; no pixel is read.

    Args:
        path: a TIFF, BigTIFF, OME-TIFF or ImageJ TIFF with one image.
        axes: CYX, ZYX or CZYX, for a file that does not say its axes itself.

    Raises:
        InputError: the file is missing, truncated or no TIFF, holds several images, does not say its axes, spreads over
            several files, or is one compressed strip of more than 1 GB.
    """
    import tifffile

    try:
        file = tifffile.TiffFile(path, _multifile=False)
    except OSError as error:
        raise InputError(f"{path} is needed, but cannot be read ({error.strerror or error}).") from None
    except Exception as error:  # tifffile raises many kinds on files that are none
        raise InputError(f"{path} cannot be read as TIFF ({error}). Save the image again.") from error
    try:
        return _open(file, path, axes)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}: {error}). Save the image again.") from error
    finally:
        file.close()


def write_tiff(path: Path, array: NDArray[Any], axes: str, *, pixel_size_um: tuple[float, ...] | None = None) -> None:
    """Write an array as compressed OME-TIFF; the same array gives the same bytes.

    Args:
        path: the file.
        array: one axis for each letter of axes; one of DTYPES.
        axes: YX, CYX, ZYX or CZYX.
        pixel_size_um: edges of a pixel in micrometres, one for each of (Z,) Y, X.

    Raises:
        ShapeError: the pixel type is not one of DTYPES, or the axes do not fit the array.
        OutputError: the folder is closed or the disk is full.
    """
    import tifffile

    _require_writable(array.shape, array.dtype, axes)
    how: dict[str, Any] = {"compression": "zlib", "predictor": array.dtype.kind != "f"} if array.size else {}
    with fresh_file(path) as scratch:
        tifffile.imwrite(scratch, array, photometric="minisblack", ome=True, metadata=ome_metadata(axes, pixel_size_um), **how)


class TiffSink:
    """A plane of a TIFF that is written window by window."""

    def __init__(self, array: NDArray[Any]) -> None:
        """array (C, H, W): where the pixels go."""
        self._array = array

    def write(self, window: Window, array: NDArray[Any]) -> None:
        """Write array (C, height, width) at a window that lies inside the image."""
        self._array[:, *window.slices] = array


@contextmanager
def create_tiff(
    path: Path, shape: tuple[int, int, int], dtype: Any, *, pixel_size_um: tuple[float, float] | None = None
) -> Iterator[TiffSink]:
    """An uncompressed OME-TIFF (C, H, W) to write by windows; it is there once the block succeeds. What is not written is 0.

    Raises:
        ShapeError: the pixel type is not one of DTYPES.
        OutputError: the folder is closed or the disk is full.
    """
    import tifffile

    _require_writable(shape, np.dtype(dtype), "CYX")
    big = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize > (1 << 32) - (1 << 25)
    with fresh_file(path) as scratch:
        facts: dict[str, Any] = {"ome": True, "metadata": ome_metadata("CYX", pixel_size_um), "bigtiff": big}
        target = tifffile.memmap(scratch, shape=shape, dtype=dtype, photometric="minisblack", **facts)
        yield TiffSink(target.reshape(shape))
        target.flush()


def _require_writable(shape: tuple[int, ...], dtype: np.dtype[Any], axes: str) -> None:
    if dtype.name not in DTYPES:
        raise ShapeError(f"a TIFF is written of {', '.join(DTYPES)}; got {dtype}. Convert it, as with .astype('float32').")
    if axes not in ("YX", "CYX", "ZYX", ORDER) or len(axes) != len(shape) or 0 in shape:
        raise ShapeError(f"the axes are YX, CYX, ZYX or CZYX and fit an array that is not empty; got {axes!r} and {shape}.")


def _open(file: Any, path: Path, axes: str | None) -> StoredImage:
    series = file.series
    if not series or (len(series) > 1 and series[0].kind not in _ALONE):
        raise InputError(f"a TIFF holds one image here; {path} holds {len(series)} of different kinds. Save each as a file of its own.")
    first = series[0]
    if first.dtype is None or first.dtype.kind not in "buif":
        raise InputError(f"pixels are real numbers; {path} holds {first.dtype}. Save it in another way.")
    layout = resolve(first.axes, first.shape, given=axes, name=str(path))
    return StoredImage(name=path.stem, array=_array(first, path), layout=layout, pixel_size_um=pixel_size(file))


def _array(series: Any, path: Path) -> Indexable:
    size = path.stat().st_size
    if series.dataoffset is not None and series.keyframe.fillorder == 1 and series.keyframe.bitspersample % 8 == 0:
        dtype = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
        if series.dataoffset + series.nbytes > size:
            raise InputError(f"{path} is truncated: its image needs {series.dataoffset + series.nbytes:,} bytes, it has {size:,}.")
        mapped = np.memmap(path, dtype=dtype, mode="r", offset=series.dataoffset, shape=series.shape)
        return cast("Indexable", mapped)
    return Segments(series, path)
