"""Which bands of a raster are read, and which of their pixels hold data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags

from segcore.errors import ConfigError, InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """What makes a pixel count as missing; all reasons that a file gives hold together."""

    nodata: tuple[float | None, ...]
    """For each band that is read, the value that means "missing"; None where every value is data."""
    alpha: int | None
    """1-based number of the alpha band (0 = missing)."""
    masked: bool
    """Whether the file carries a mask (.msk beside it or inside)."""
    floating: bool
    """Whether pixels are floats, so that NaN and infinity mean "missing"."""

    @property
    def needs_pixels(self) -> bool:
        """True where the pixel values themselves decide."""
        return self.floating or any(value is not None for value in self.nodata)

    @property
    def always(self) -> bool:
        """True where no pixel can be missing."""
        return not (self.needs_pixels or self.masked or self.alpha is not None)

    def of(self, pixels: NDArray[Any]) -> NDArray[np.bool_]:
        """Pixels (C, H, W) -> (H, W): True where every band is finite and none holds its nodata value."""
        valid = self.finite(pixels)
        for band, value in zip(pixels, self.nodata, strict=True):
            if value is not None and not math.isnan(value):
                valid &= band != pixels.dtype.type(value)
        return valid

    def finite(self, pixels: NDArray[Any]) -> NDArray[np.bool_]:
        """Pixels (C, H, W) -> (H, W): True where every band is finite; integers always are."""
        if not self.floating:
            return np.ones(pixels.shape[1:], dtype=bool)
        return np.asarray(np.isfinite(pixels).all(axis=0))

    def warp_nodata(self, dtype: str) -> float | None:
        """The one nodata value a warp needs; NaN for floats that declare none."""
        declared = next((value for value in self.nodata if value is not None), None)
        return math.nan if declared is None and np.dtype(dtype).kind == "f" else declared


def choose_bands(dataset: Any, path: str, bands: Sequence[int] | None) -> tuple[int, ...]:
    """The 1-based bands to read; an alpha band does not count as one.

    Raises:
        InputError: more than one band and no choice, a colour table, complex numbers or mixed pixel types.
        ConfigError: bands that the file does not have.
    """
    name, alpha = PurePath(path).name, _alpha_band(dataset)
    offered = [number for number in dataset.indexes if number != alpha]
    if bands is None and len(offered) > 1:
        raise InputError(
            f"a raster with several bands needs a choice; {name} has {_listing(dataset, offered)}. Pass --bands {offered[0]} or another."
        )
    chosen = tuple(int(number) for number in (offered if bands is None else bands))
    if not chosen or not set(chosen) <= set(offered):
        came = ",".join(map(str, chosen)) or "none"
        raise ConfigError(f"bands are numbered from 1; {name} has {_listing(dataset, offered)}, got --bands {came}.")
    _require_numbers(dataset, name, path, chosen)
    return chosen


def choose_validity(dataset: Any, bands: tuple[int, ...], nodata: float | None) -> Validity:
    """What the file and the caller's nodata value say about missing pixels.

    A declared value that the pixel type cannot hold (-9999 in uint8) means that no pixel is missing.

    Raises:
        ConfigError: nodata is a value that the pixel type cannot hold.
    """
    dtype = np.dtype(dataset.dtypes[bands[0] - 1])
    if nodata is not None and not _holds(dtype, nodata):
        raise ConfigError(f"a nodata value must be one that pixels can have; {nodata:g} is none of {dtype}.")
    declared = [dataset.nodatavals[band - 1] if nodata is None else nodata for band in bands]
    flags = dataset.mask_flag_enums[bands[0] - 1]
    return Validity(
        nodata=tuple(None if value is None or not _holds(dtype, value) else float(value) for value in declared),
        alpha=_alpha_band(dataset),
        masked=MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags,
        floating=dtype.kind == "f",
    )


def _alpha_band(dataset: Any) -> int | None:
    return next((number for number, kind in zip(dataset.indexes, dataset.colorinterp, strict=True) if kind == ColorInterp.alpha), None)


def _listing(dataset: Any, bands: Sequence[int]) -> str:
    """Such as "3 bands: 1 red, 2 green, 3 blue"."""
    words = [dataset.descriptions[band - 1] or dataset.colorinterp[band - 1].name for band in bands]
    listed = [f"{band} {word}" for band, word in zip(bands, words, strict=True)]
    shown = listed if len(listed) <= 12 else [*listed[:11], "...", listed[-1]]
    return f"{len(bands)} band{'s' if len(bands) != 1 else ''}: {', '.join(shown)}"


def _require_numbers(dataset: Any, name: str, path: str, bands: tuple[int, ...]) -> None:
    kinds = sorted({dataset.dtypes[band - 1] for band in bands})
    if any(kind.startswith("complex") for kind in kinds):
        raise InputError(
            f"pixels must be plain numbers; {name} holds {kinds[0]}. Make amplitudes first: gdal_calc.py -A {path} --calc 'abs(A)'"
        )
    if len(kinds) > 1:
        raise InputError(
            f"the bands read together must have one pixel type; {name} has {' and '.join(kinds)}. Convert with gdal_translate -ot."
        )
    if any(dataset.colorinterp[band - 1] == ColorInterp.palette for band in bands):
        raise InputError(
            f"pixels must be measured values; those of {name} point into a colour table. Run: gdal_translate -expand gray {path} grey.tif"
        )


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    """Whether a pixel of this type can have the value."""
    if dtype.kind == "f":
        return math.isnan(value) or math.isinf(value) or abs(value) <= float(np.finfo(dtype).max) * (1 + 1e-6)
    limits = np.iinfo(dtype)
    return math.isfinite(value) and value == int(value) and limits.min <= value <= limits.max
