"""Settings of the dense CRF."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from segcore.crf.names import BACKEND_NAMES
from segcore.errors import ConfigError

Lengths = float | tuple[float, float]
"""A length in pixels: one number for both axes, or (row, col)."""

TAPS = 4.0
"""Where the exact Gaussian filters end, in sigma; what is cut off is 6e-5 of the kernel."""
CLIP = 1e-5
"""Probabilities are kept this far from 0 and 1 before the logarithm."""
CONTRAST_SHARE = 0.25
"""Width of the local mean of the contrast guide, as a share of appearance_sigma."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrfConfig:
    """Weights and widths of the two kernels of a fully connected binary CRF (Kraehenbuehl & Koltun 2011, eq. 3).

    The default appearance weight is careful: a strong appearance kernel tears a site apart whose lit and shaded
    walls differ more from each other than its rim does from the ground.

    Raises:
        ConfigError: a weight is negative, a width is not positive, or a number is not finite.
    """

    smooth_weight: float = 3.0
    """Strength of the smoothness kernel, >= 0; 0 leaves it out."""
    smooth_sigma: Lengths = 3.0
    """Width of the smoothness kernel, in pixels: one number or (row, col)."""
    appearance_weight: float = 1.5
    """Strength of the appearance kernel, >= 0; 0 leaves it out."""
    appearance_sigma: Lengths = 40.0
    """Spatial width of the appearance kernel, in pixels: one number or (row, col). Below 20 px time and memory rise."""
    intensity_sigma: float = 13.0
    """Width of the appearance kernel in grey values of 0..255; memory grows as its inverse."""
    iterations: int = 5
    """Mean-field updates, >= 1."""
    guide: Literal["intensity", "contrast"] = "intensity"
    """What the appearance kernel compares: grey values, or their distance from the local mean."""
    backend: Literal["grid", "pydensecrf"] = "grid"
    """grid: one band, fast, any device; pydensecrf: any number of bands, on one CPU core, needs the extra crf."""

    def __post_init__(self) -> None:
        for name in ("smooth_weight", "appearance_weight"):
            _check_weight(name, getattr(self, name))
        for name in ("smooth_sigma", "appearance_sigma"):
            object.__setattr__(self, name, _lengths(name, getattr(self, name)))
        _check_width("intensity_sigma", self.intensity_sigma)
        if not isinstance(self.iterations, int) or self.iterations < 1:
            raise ConfigError(f"iterations is a whole number, at least 1, got {self.iterations!r}. To refine nothing, leave the CRF out.")
        if self.guide not in ("intensity", "contrast"):
            raise ConfigError(f"guide is 'intensity' or 'contrast', got {self.guide!r}.")
        if self.backend not in BACKEND_NAMES:
            raise ConfigError(f"a CRF backend is one of {', '.join(BACKEND_NAMES)}, got {self.backend!r}.")

    @property
    def smooth_pair(self) -> tuple[float, float]:
        """smooth_sigma as (row, col), in pixels."""
        return _pair(self.smooth_sigma)

    @property
    def appearance_pair(self) -> tuple[float, float]:
        """appearance_sigma as (row, col), in pixels."""
        return _pair(self.appearance_sigma)

    @property
    def contrast_pair(self) -> tuple[float, float]:
        """Width (row, col) of the local mean of the contrast guide, in pixels."""
        row, col = self.appearance_pair
        return CONTRAST_SHARE * row, CONTRAST_SHARE * col

    @property
    def halo(self) -> int:
        """Pixels of context that a block needs on every side to get the labels of the whole scene.

        Messages hop further than one kernel, and the further the heavier it is: 3 appearance_sigma at a weight near 0,
        growing to 5 at a weight of 10 and more. Scenes of 768 px in blocks of 256 px then differed from the whole in at
        most 0.03 % of their labels at a weight of 1.5, 0.06 % at 3, 0.03 % at 10 and 0.07 % at 50; with 3 sigma it was
        0.12 to 0.46 % at 10. The contrast guide adds the reach of its local mean. The smoothness kernel, short beside
        the other, gets its reach once per iteration.
        """
        reaches = [0.0]
        if self.smooth_weight > 0:
            reaches.append(self.iterations * TAPS * max(self.smooth_pair))
        if self.appearance_weight > 0:
            blur = TAPS * max(self.contrast_pair) if self.guide == "contrast" else 0.0
            hops = 3 + min(self.appearance_weight, 10) / 5
            reaches.append(hops * max(self.appearance_pair) + blur)
        return math.ceil(max(reaches))

    def scaled(self, factor: float) -> CrfConfig:
        """The same CRF with every length in pixels times factor, for pixels of another size or lengths in windows.

        Raises:
            ConfigError: factor is not a positive number.
        """
        _check_width("factor", factor)
        smooth, appearance = _times(factor, self.smooth_sigma), _times(factor, self.appearance_sigma)
        return replace(self, smooth_sigma=smooth, appearance_sigma=appearance)


def _pair(lengths: Lengths) -> tuple[float, float]:
    return lengths if isinstance(lengths, tuple) else (lengths, lengths)


def _times(factor: float, lengths: Lengths) -> Lengths:
    return (factor * lengths[0], factor * lengths[1]) if isinstance(lengths, tuple) else factor * lengths


def _lengths(name: str, value: Lengths | list[float]) -> Lengths:
    """Value checked; a pair that came as a list, as from JSON, becomes a tuple."""
    if not isinstance(value, (tuple, list)):
        _check_width(name, value)
        return value
    if len(value) != 2:
        raise ConfigError(f"{name} is one number or a pair (row, col), got {len(value)} numbers.")
    for length in value:
        _check_width(name, length)
    return (value[0], value[1])


def _check_weight(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(f"{name} is a number >= 0, got {value!r}. For a kernel without effect write 0.")


def _check_width(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name} is a number > 0, got {value!r}.")


REFERENCE = CrfConfig(appearance_weight=10.0)
"""The setting of tests and benchmarks: an appearance kernel strong enough that mistakes in it show."""
