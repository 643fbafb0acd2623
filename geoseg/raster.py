"""Rasters as image sources: any GDAL raster file, read window by window, with an honest mask.

What rasters are refused, and what is read in another way than it is stored, is decided once, in open_raster.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from geoseg.bands import choose_bands, choose_validity
from geoseg.grid import GeoGrid
from geoseg.opening import RasterRecipe, fingerprint_of, gdal_errors, open_dataset, open_recipe, rasterio_window, require_readable
from geoseg.trust import gdal_options, local_file
from geoseg.warp import choose_reading
from segcore.errors import InputError
from segcore.windows import Window, block_grid


class RasterSource:
    """A raster as ImageSource: pixels (C, H, W) of the chosen bands on grid.

    The file is opened when first needed and again in every process that unpickles or inherits the source. One source
    belongs to one thread at a time.
    """

    def __init__(self, recipe: RasterRecipe) -> None:
        """recipe: made by open_raster."""
        self._recipe = recipe
        self._stack = ExitStack()
        self._opened: Any = None
        self._process = -1
        self._fingerprint: dict[str, str | int] | None = None

    @property
    def name(self) -> str:
        """The file's name without folder and suffix."""
        return Path(self._recipe.path).stem

    @property
    def path(self) -> str:
        """Absolute path of the file."""
        return self._recipe.path

    @property
    def grid(self) -> GeoGrid:
        """Where the pixels lie on the map."""
        return self._recipe.reading.grid

    @property
    def crs(self) -> CRS:
        """CRS of grid."""
        return self.grid.crs

    @property
    def native_crs(self) -> CRS:
        """CRS of the file; unlike crs where the raster is read through a warp."""
        return self._recipe.native_crs

    @property
    def transform(self) -> Affine:
        """Transform of grid, from (col, row) to (x, y)."""
        return self.grid.transform

    @property
    def pixel_size(self) -> float:
        """Edge of a pixel in metres."""
        return self.grid.pixel_size

    @property
    def bands(self) -> tuple[int, ...]:
        """1-based numbers of the bands that are read."""
        return self._recipe.bands

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each way in which reading differs from what is stored."""
        return self._recipe.reading.notes

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return len(self.bands), self.grid.height, self.grid.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type of what read returns."""
        return np.dtype(self._recipe.dtype)

    @property
    def complete(self) -> bool:
        """True where no pixel of the raster can be missing, so that masks need no reading."""
        return self._recipe.reading.resampling is None and self._recipe.validity.always

    @property
    def fingerprint(self) -> dict[str, str | int]:
        """JSON scalars that identify the content and how it is read; the same wherever the file lies."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint_of(self._recipe)
        return dict(self._fingerprint)

    def read(self, window: Window) -> NDArray[Any]:
        """Pixels (C, height, width); 0 where the window overhangs the raster or a float pixel is NaN or infinite.

        Pixels that are missing for another reason (see mask) hold whatever the file holds there.

        Raises:
            InputError: the file cannot be read there.
        """
        pixels = self._pull(window, self.bands)
        if pixels.dtype.kind == "f":
            np.nan_to_num(pixels, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return pixels

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Valid pixels (height, width): every chosen band holds data; False where the window overhangs the raster.

        Raises:
            InputError: the file cannot be read there.
        """
        inside = np.zeros((window.height, window.width), dtype=bool)
        common = window.overlap(self.grid.extent)
        if common is not None:
            here = common.shift(-window.row, -window.col).slices
            inside[here] = True if self.complete else self._valid(common)
        return inside

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        if self._process == os.getpid():
            self._stack.close()
        self._opened, self._process = None, -1

    def __enter__(self) -> RasterSource:
        """The source itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def __reduce__(self) -> tuple[type[RasterSource], tuple[RasterRecipe]]:
        """Pickled as the recipe; no handle travels."""
        return RasterSource, (self._recipe,)

    def _valid(self, window: Window) -> NDArray[np.bool_]:
        """Valid pixels of a window inside the raster."""
        validity, where = self._recipe.validity, rasterio_window(window)
        with self._dataset(window) as dataset:
            valid: NDArray[np.bool_] = np.ones((window.height, window.width), dtype=bool)
            if self._recipe.reading.resampling is not None:  # the warp has put all reasons into the alpha band, its last
                valid &= dataset.read(dataset.count, window=where) > 0
                return valid & validity.finite(dataset.read(list(self.bands), window=where)) if validity.floating else valid
            if validity.needs_pixels:
                valid &= validity.of(dataset.read(list(self.bands), window=where))
            if validity.alpha is not None:
                valid &= dataset.read(validity.alpha, window=where) > 0
            if validity.masked:
                valid &= dataset.read_masks(self.bands[0], window=where) > 0
            return valid

    def _pull(self, window: Window, bands: Sequence[int]) -> NDArray[Any]:
        """Raw pixels of bands, zeros around the raster."""
        common = window.overlap(self.grid.extent)
        if common is None:
            return np.zeros((len(bands), window.height, window.width), dtype=self.dtype)
        with self._dataset(common) as dataset:
            pixels: NDArray[Any] = dataset.read(list(bands), window=rasterio_window(common))
        if common == window:
            return pixels
        out = np.zeros((len(bands), window.height, window.width), dtype=self.dtype)
        out[:, *common.shift(-window.row, -window.col).slices] = pixels
        return out

    @contextmanager
    def _dataset(self, window: Window) -> Iterator[Any]:
        """The open dataset; what goes wrong in the block is told with the file and the window."""
        with rasterio.Env(**gdal_options(allow_remote=self._recipe.allow_remote)), gdal_errors(self.path, window):
            if self._process != os.getpid():
                self._stack, self._process = ExitStack(), os.getpid()
                self._opened = open_recipe(self._recipe, self._stack)
            yield self._opened


def open_raster(
    path: Path | str,
    *,
    bands: Sequence[int] | None = None,
    nodata: float | None = None,
    pixel_size: float | None = None,
    allow_remote: bool = False,
) -> RasterSource:
    """Open a raster for reading window by window.

    bands: 1-based; needed where there is more than one beside an alpha band. nodata: the value that means "missing",
    instead of the one the file declares. pixel_size: metres; the raster is resampled when its own differs by more
    than 5 %. A raster in degrees is read through a warp to its UTM zone; notes of the result says so.

    Raises:
        InputError: missing or remote file, no raster, complex numbers, several bands and no choice, no place on the
            map, damaged, or without a single valid pixel.
        ConfigError: a band number, nodata value or pixel size that cannot be.
    """
    text = local_file(path, what="a raster", allow_remote=allow_remote)
    with rasterio.Env(**gdal_options(allow_remote=allow_remote)), open_dataset(text, allow_remote=allow_remote) as dataset:
        chosen = choose_bands(dataset, str(path), bands)
        recipe = RasterRecipe(
            path=text,
            bands=chosen,
            dtype=str(np.dtype(dataset.dtypes[chosen[0] - 1])),
            validity=choose_validity(dataset, chosen, nodata),
            reading=choose_reading(dataset, str(path), pixel_size),
            native_crs=dataset.crs,
            allow_remote=allow_remote,
        )
        require_readable(dataset, chosen, text)
    source = RasterSource(recipe)
    require_data(source)
    return source


def require_data(source: RasterSource) -> None:
    """Refuse a raster without a single valid pixel; reads blocks in a scattered order until one is found.

    Raises:
        InputError: every pixel is missing.
    """
    if source.complete:
        return
    blocks = block_grid(source.shape[1:], 1024)
    step = next(n for n in range(max(1, round(len(blocks) * 0.618)), 2 * len(blocks) + 2) if np.gcd(n, len(blocks)) == 1)
    if not any(source.mask(blocks[index * step % len(blocks)]).any() for index in range(len(blocks))):
        source.close()
        raise InputError(
            f"a raster needs pixels with data; {Path(source.path).name} has none (all nodata, masked or NaN). Check --nodata and --bands."
        )
