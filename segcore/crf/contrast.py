"""The contrast guide: how far a pixel is from its surroundings."""

from __future__ import annotations

from torch import Tensor

from segcore.crf.config import CrfConfig
from segcore.crf.gaussian import local_mean
from segcore.crf.lattice import TOP

CONTRAST_GAIN = 2.0
"""Grey values that swing evenly around their local mean span half as much once folded; this gives the span back."""


def contrast(image: Tensor, sigma: tuple[float, float]) -> Tensor:
    """Twice the distance from the local mean, cut at 255: (B, H, W) 0..255 -> (B, H, W) 0..255.

    A lit and a shaded wall, far apart in grey values, come together: both are far from their surroundings.
    """
    return (image - local_mean(image, sigma)).abs_().mul_(CONTRAST_GAIN).clamp_(max=TOP)


def guide_of(image: Tensor, config: CrfConfig) -> Tensor:
    """What the appearance kernel compares, (B, H, W) 0..255 -> (B, H, W) 0..255; image itself is left as it is."""
    return contrast(image, config.contrast_pair) if config.guide == "contrast" else image
