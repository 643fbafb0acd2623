"""Opening raster files: GDAL's failures become one line, and damage is looked for before work starts."""

from __future__ import annotations

import hashlib
import math
import shlex
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from geoseg.bands import Validity
from geoseg.grid import crs_name
from geoseg.trust import FILE_FORMATS, GDAL_ERRORS, check_vrt, gdal_options
from geoseg.warp import Reading
from segcore.errors import InputError
from segcore.windows import Window

_BLOCK_LIMIT = 1 << 30
_SAMPLES = 9
_SAMPLE_EDGE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterRecipe:
    """Everything a worker process needs to open the same raster in the same way."""

    path: str
    """Absolute path, or the address of a remote raster."""
    bands: tuple[int, ...]
    """1-based numbers of the bands that are read."""
    dtype: str
    """Pixel type of those bands."""
    validity: Validity
    """What makes a pixel count as missing."""
    reading: Reading
    """The grid that is read, and how pixels come onto it."""
    native_crs: CRS
    """The CRS of the file itself."""
    allow_remote: bool
    """Whether GDAL may use the network."""


@contextmanager
def open_dataset(path: str, *, allow_remote: bool) -> Iterator[Any]:
    """The open rasterio dataset of a file; call it inside a rasterio.Env with gdal_options.

    Raises:
        InputError: no raster of a known format, or a VRT that leads to an address or a missing file.
    """
    if not allow_remote:
        check_vrt(Path(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(path) if allow_remote else rasterio.DatasetReader(path, driver=list(FILE_FORMATS))
    except GDAL_ERRORS as error:
        raise InputError(
            f"a raster must be a file GDAL can read, such as GeoTIFF; {path} is not ({_reason(error, path)}). Check it with gdalinfo."
        ) from None
    with dataset:
        yield dataset


@contextmanager
def gdal_errors(path: str, window: Window) -> Iterator[None]:
    """Turn a failed read into one line that names the file and the window.

    Raises:
        InputError: GDAL failed in the block.
    """
    try:
        yield
    except GDAL_ERRORS as error:
        where = f"row {window.row}, col {window.col}, {window.height} x {window.width} px"
        raise InputError(
            f"a raster must be readable to the last pixel; {path} is not at {where} ({_reason(error, path)}). Copy or download it again."
        ) from error


def open_recipe(recipe: RasterRecipe, stack: ExitStack) -> Any:
    """The dataset, or a warped view of it whose last band is the alpha band."""
    dataset = stack.enter_context(open_dataset(recipe.path, allow_remote=recipe.allow_remote))
    reading, validity = recipe.reading, recipe.validity
    if reading.resampling is None:
        return dataset
    missing = validity.warp_nodata(recipe.dtype)
    options = {} if missing is None else {"src_nodata": missing, "nodata": missing}
    return stack.enter_context(
        WarpedVRT(
            dataset,
            crs=reading.grid.crs,
            transform=reading.grid.transform,
            width=reading.grid.width,
            height=reading.grid.height,
            resampling=Resampling[reading.resampling],
            add_alpha=validity.alpha is None,
            **options,
        )
    )


def fingerprint_of(recipe: RasterRecipe) -> dict[str, str | int]:
    """JSON scalars that identify the content of a raster and how it is read, wherever the file lies."""
    grid, digest = recipe.reading.grid, hashlib.sha256()
    remote = recipe.allow_remote
    with rasterio.Env(**gdal_options(allow_remote=remote)), open_dataset(recipe.path, allow_remote=remote) as dataset:
        for window in sample_windows(dataset):
            with gdal_errors(recipe.path, window):
                digest.update(dataset.read(list(recipe.bands), window=rasterio_window(window)).tobytes())
    local = Path(recipe.path)
    return {
        "bytes": local.stat().st_size if local.is_file() else 0,
        "shape": f"{len(recipe.bands)},{grid.height},{grid.width}",
        "dtype": recipe.dtype,
        "transform": ",".join(repr(float(value)) for value in grid.transform[:6]),
        "crs": crs_name(grid.crs),
        "bands": ",".join(map(str, recipe.bands)),
        "nodata": ",".join(map(str, recipe.validity.nodata)),
        "sample_sha256": digest.hexdigest(),
    }


def require_readable(dataset: Any, bands: Sequence[int], path: str) -> None:
    """Touch a few blocks spread over the file, the last among them: a truncated file shows here, not hours later.

    Raises:
        InputError: a block cannot be read, or one block alone is over 1 GB.
    """
    height, width = dataset.block_shapes[bands[0] - 1]
    if height * width * np.dtype(dataset.dtypes[bands[0] - 1]).itemsize > _BLOCK_LIMIT:
        raise InputError(f"one block of a raster may have 1 GB; {path} has blocks of {height} x {width} px. Run: {tiling_command(path)}")
    for window in sample_windows(dataset):
        with gdal_errors(path, window):
            dataset.read(list(bands), window=RasterioWindow(window.col, window.row, 1, 1))


def sample_windows(dataset: Any) -> list[Window]:
    """Corners (at most 256 x 256 px) of up to nine blocks, spread over the file from the first to the last block."""
    height, width = dataset.block_shapes[0]
    rows, cols = math.ceil(dataset.height / height), math.ceil(dataset.width / width)
    picks = sorted({int(index) for index in np.linspace(0, rows * cols - 1, _SAMPLES)})
    corners = ((index // cols * height, index % cols * width) for index in picks)
    return [
        Window(row, col, min(height, _SAMPLE_EDGE, dataset.height - row), min(width, _SAMPLE_EDGE, dataset.width - col))
        for row, col in corners
    ]


def tiling_command(path: str) -> str:
    """The gdal_translate line that makes a tiled copy of a raster."""
    out = Path(path).with_name(f"{Path(path).stem}_tiled.tif")
    return f"gdal_translate -co TILED=YES -co COMPRESS=DEFLATE -co BIGTIFF=IF_SAFER {shlex.quote(path)} {shlex.quote(str(out))}"


def _reason(error: BaseException, path: str) -> str:
    """GDAL's own words in short: the innermost cause, one line, without the path."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).replace(path, "it").split()).rstrip(".")
    return text if len(text) <= 160 else f"{text[:157]}..."


def rasterio_window(window: Window) -> Any:
    """The same window for rasterio."""
    return RasterioWindow(window.col, window.row, window.width, window.height)
