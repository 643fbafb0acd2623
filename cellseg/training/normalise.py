"""Pixels as networks see them: each channel less its mean, by its spread, both measured on the training images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcore.errors import BundleError, ConfigError, InputError, ShapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Sums over the pixels of an image, for each channel; `a + b` pools images."""

    count: int
    total: NDArray[np.float64]
    """(C,)."""
    squares: NDArray[np.float64]
    """(C,)."""

    def __add__(self, other: Moments) -> Moments:
        """Pool two images."""
        return Moments(count=self.count + other.count, total=self.total + other.total, squares=self.squares + other.squares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """(pixel - mean) / spread, for each channel.

    Raises:
        ConfigError: no channel, other numbers of them, a number that is not finite, or a spread that is not above 0.
    """

    mean: tuple[float, ...]
    spread: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.mean or len(self.mean) != len(self.spread):
            raise ConfigError(f"each channel has a mean and a spread, and there is at least one; got {self.mean} and {self.spread}.")
        if not np.isfinite([*self.mean, *self.spread]).all() or min(self.spread) <= 0:
            raise ConfigError(f"means and spreads are finite, spreads above 0; got {self.mean} and {self.spread}.")

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels (C, ...) of the images' own type and range -> float32 of mean 0 and spread 1.

        Raises:
            ShapeError: other channels.
        """
        if len(pixels) != len(self.mean):
            raise ShapeError(f"an image has {len(self.mean)} channels here, got {len(pixels)}.")
        shape = (-1, *([1] * (pixels.ndim - 1)))
        mean, spread = (np.array(values, dtype=np.float32).reshape(shape) for values in (self.mean, self.spread))
        out: NDArray[np.float32] = (pixels.astype(np.float32) - mean) / spread
        return out

    def as_dict(self) -> dict[str, list[float]]:
        """JSON values."""
        return {"mean": list(self.mean), "spread": list(self.spread)}


def moments(pixels: NDArray[Any], name: str) -> Moments:
    """Sums over pixels (C, ...).

    Raises:
        InputError: a pixel is NaN or infinite.
    """
    flat = pixels.reshape(len(pixels), -1).astype(np.float64)
    found = Moments(count=flat.shape[1], total=flat.sum(axis=1), squares=np.einsum("cn,cn->c", flat, flat))
    if not np.isfinite(found.squares).all():
        raise InputError(f"pixels are finite numbers; {name} has NaN or an infinity. Replace them, and call these pixels unknown.")
    return found


def normalisation(measured: Iterable[Moments]) -> Normalisation:
    """Mean and spread of all pixels; a channel that is one colour everywhere keeps a spread of 1."""
    first, *rest = measured
    pooled = sum(rest, first)
    mean = pooled.total / pooled.count
    variance = np.maximum(pooled.squares / pooled.count - mean**2, 0)
    flat = variance <= 1e-12 * np.maximum(mean**2, 1e-12)
    spread = np.where(flat, 1.0, np.sqrt(variance))
    return Normalisation(mean=tuple(mean.tolist()), spread=tuple(spread.tolist()))


def read_normalisation(found: Any, channels: int) -> Normalisation:
    """What a bundle says.

    Raises:
        BundleError: no numbers, or not one for each channel.
    """
    try:
        if not isinstance(found, Mapping):
            raise TypeError("normalise")
        mean, spread = (tuple(float(value) for value in found[key]) for key in ("mean", "spread"))
        own = Normalisation(mean=mean, spread=spread)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"a segmenter says the mean and spread of each channel; this one is garbled ({error}). Train it again."
        ) from error
    if len(mean) != channels:
        raise BundleError(f"a segmenter says the mean and spread of {channels} channels; this one has {mean} and {spread}. Train it again.")
    return own
