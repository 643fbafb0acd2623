"""Contrast: one look-up per scene, so that neighbouring windows never disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ConfigError, InputError, ShapeError
from segcore.io.protocol import ImageSource
from segcore.windows import Window, block_grid

GREY = 128
"""What stands in for nodata: the middle of the stretched range, which a network sees as zero."""
_SAMPLE_BLOCK = 512
_PERCENTILES = (2, 98)
_SAMPLE_PIXELS = 8_000_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Linear contrast of each band: low becomes 0, high becomes 255, both are clipped."""

    low: tuple[float, ...]
    """Raw value per band that becomes 0."""
    high: tuple[float, ...]
    """Raw value per band that becomes 255; greater than low."""

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not all(-np.inf < low < high < np.inf for low, high in zip(self.low, self.high, strict=True)):
            raise ConfigError(f"a stretch has low < high for each band, both finite, got {self.low} and {self.high}.")

    def apply(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Stretch raw pixels (C, H, W) to uint8; pixels that are not valid (H, W) become GREY.

        Raises:
            ShapeError: another number of bands than the stretch has.
        """
        if len(pixels) != len(self.low):
            raise ShapeError(f"the stretch is for {len(self.low)} band(s), got {len(pixels)}.")
        low, high = (np.array(v, dtype=np.float32)[:, None, None] for v in (self.low, self.high))
        with np.errstate(invalid="ignore", over="ignore"):  # nodata may be NaN or the largest number there is
            scaled = np.clip((pixels.astype(np.float32) - low) * (255 / (high - low)), 0, 255)
        return np.where(valid, np.rint(np.where(valid, scaled, 0)), GREY).astype(np.uint8)


def fit_stretch(source: ImageSource) -> Stretch:
    """2nd and 98th percentile of the valid pixels of a source, per band.

    About 8 million valid pixels are read from blocks spread evenly over the image, so memory
    is bounded and the answer is the same every time. Where both percentiles of a band are one value, that value becomes 0.

    Raises:
        InputError: there is no valid pixel.
    """
    samples: list[NDArray[Any]] = []
    count = 0
    for window in _spread(block_grid(source.shape[1:], _SAMPLE_BLOCK)):
        valid = source.mask(window)
        if not valid.any():
            continue
        samples.append(source.read(window)[:, valid])
        count += samples[-1].shape[1]
        if count >= _SAMPLE_PIXELS:
            break
    if count == 0:
        raise InputError(f"a scene needs valid pixels; every pixel of {source.name} is nodata. Check --nodata and --area.")
    bands = (np.concatenate([part[band] for part in samples]) for band in range(source.shape[0]))
    low, high = np.array([np.percentile(values.astype(np.float64), _PERCENTILES) for values in bands]).T
    return Stretch(tuple(map(float, low)), tuple(float(h) for h in np.maximum(high, low + 1e-6 * np.maximum(1, np.abs(low)))))


def _spread(blocks: list[Window]) -> list[Window]:
    """The same blocks in an order that covers the whole image early (golden-ratio steps)."""
    order = np.argsort((np.arange(len(blocks)) * 0.6180339887498949) % 1, kind="stable")
    return [blocks[i] for i in order]


class StretchedImage:
    """A source seen through its stretch: uint8 (C, H, W), GREY where there is no data."""

    def __init__(self, source: ImageSource, stretch: Stretch) -> None:
        """source: any pixel type.

        Raises:
            ShapeError: source and stretch differ in their number of bands.
        """
        if source.shape[0] != len(stretch.low):
            raise ShapeError(f"the stretch is for {len(stretch.low)} band(s), {source.name} has {source.shape[0]}.")
        self.source = source
        self.stretch = stretch

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.source.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""
        return np.dtype(np.uint8)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Stretched pixels (C, height, width)."""
        return self.stretch.apply(self.source.read(window), self.source.mask(window))

    def mask(self, window: Window) -> NDArray[np.bool_]:
        """Valid pixels (height, width)."""
        return self.source.mask(window)
