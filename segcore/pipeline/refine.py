"""From blended maps to a mask: the block functions that scans and outlines share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from segcore.cam.smooth import TRUNCATE
from segcore.crf.backends import refine
from segcore.crf.components import check_weights, project
from segcore.crf.config import CrfConfig
from segcore.errors import ConfigError, ShapeError

_CLIP = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Refining:
    """How a blended map becomes a mask. Lengths are pixels."""

    smooth: float
    """Sigma of the Gaussian that is laid over the map; 0 is none."""
    threshold: float
    """Value of the smoothed map, within 0..1, at which ground and site are equally likely."""
    crf: CrfConfig | None = None
    """Dense CRF after the threshold; None cuts at the threshold."""
    bands: tuple[float, ...] = ()
    """Weights with which several bands guide the CRF on the grid, measured once so that every block has the same; empty
    for their mean. See segcore.crf.components."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", tuple(float(own) for own in self.bands))
        if self.bands:
            check_weights(self.bands, len(self.bands))
        if not 0 < self.threshold < 1:
            raise ConfigError(f"a threshold lies between 0 and 1, got {self.threshold:g}.")
        if not 0 <= self.smooth < math.inf:
            raise ConfigError(f"smooth is a length in pixels, 0 or more, got {self.smooth:g}.")

    @property
    def halo(self) -> int:
        """Pixels of context that a block needs to be decided as if it were the whole image."""
        return math.ceil(TRUNCATE * self.smooth) + (self.crf.halo if self.crf else 0)

    def scaled(self, factor: float) -> Refining:
        """The same with every length times factor."""
        return replace(self, smooth=self.smooth * factor, crf=self.crf.scaled(factor) if self.crf else None)


def smoothed(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian of sigma pixels on a map (H, W), edge pixels repeated outwards; 0 changes nothing.

    Every pixel is summed in one fixed order, so that a block with its halo has the bytes of the whole: the products of
    matrices in segcore.cam.smooth are as exact, but not the same for every size.
    """
    result: NDArray[np.float32] = gaussian_filter(values, sigma, mode="nearest", truncate=TRUNCATE)
    return result


def decide(
    values: NDArray[np.float32], image: NDArray[np.uint8], refining: Refining, *, origin: tuple[int, int] = (0, 0)
) -> NDArray[np.bool_]:
    """Mask (H, W) of a smoothed map (H, W) in 0..1, with the pixels (C, H, W) below it as the CRF's guide.

    The odds of the map are shifted so that its threshold becomes an even chance; the CRF starts from there. Several
    bands guide the grid by refining.bands, and pydensecrf as they are. origin: (row, col) of the first pixel in the
    scene, which anchors the CRF's lattice.

    Raises:
        ShapeError: map and image differ in height or width, or the map holds NaN.
        ConfigError: refining.bands has not one weight for each band.
        MissingExtraError: the CRF's backend is not installed.
    """
    if values.shape != image.shape[1:] or np.isnan(values).any():
        raise ShapeError(f"a map is {image.shape[1:]} like its image and holds numbers, got {values.shape}, NaN: {np.isnan(values).any()}.")
    if refining.crf is None:
        return values >= refining.threshold
    p = np.clip(values, _CLIP, 1 - _CLIP).astype(np.float64)
    odds = p / (1 - p) * (1 - refining.threshold) / refining.threshold
    even = torch.from_numpy((odds / (1 + odds)).astype(np.float32))
    guide = torch.from_numpy(image) if refining.crf.backend == "pydensecrf" else _one_band(image, refining.bands)
    mask: NDArray[np.bool_] = refine(even, guide, refining.crf, origin=origin).numpy() >= 0.5
    return mask


def _one_band(image: NDArray[np.uint8], weights: Sequence[float]) -> Tensor:
    """(C, H, W) -> (H, W)."""
    if not weights:
        return torch.from_numpy(image.mean(axis=0, dtype=np.float32))
    return project(torch.from_numpy(image), weights)
