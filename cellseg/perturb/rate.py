"""Shares of a whole, and how many objects they are."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ConfigError


def check_rate(rate: float, name: str) -> None:
    """Refuse what is no share.

    Raises:
        ConfigError: rate is not a number in 0..1.
    """
    if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 <= rate <= 1:
        raise ConfigError(f"{name} is a share between 0 and 1, got {rate!r}. Write 0.3 for 30 %.")


def check_pixels(count: int, name: str) -> None:
    """Refuse what is no positive number of pixels.

    Raises:
        ConfigError: count is not a whole number above 0.
    """
    if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < 1:
        raise ConfigError(f"{name} is a whole number of pixels from 1, got {count!r}. For none, leave the perturbation out.")


def check_reach(count: int, name: str, shape: tuple[int, ...]) -> None:
    """Refuse pixels that a plane of shape (..., H, W) does not have.

    Raises:
        ConfigError: count is over the longer edge of the plane.
    """
    if count > max(shape[-2:]):
        raise ConfigError(f"{name} is at most the longer edge of the image, got {count} for {shape[-2]} x {shape[-1]} pixels. Take less.")


def count_of(rate: float, total: int) -> int:
    """How many of total objects a rate means: rounded half up, of the rate as it is written (0.29 of 50 is 14.5, so 15)."""
    return floor(Fraction(repr(float(rate))) * total + Fraction(1, 2))


def drawn(rate: float, ids: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
    """The share rate of ids, drawn without preference; under one seed a higher rate draws the same ones and more."""
    return rng.permutation(ids)[: count_of(rate, len(ids))]
