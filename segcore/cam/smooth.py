"""A Gaussian filter for maps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from segcore.errors import ConfigError

TRUNCATE = 4.0
"""Radius of the kernel in sigmas."""


def smooth(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian filter of sigma pixels on each map, edge pixels repeated outwards: (B, H, W) -> (B, H, W); 0 changes nothing.

    Raises:
        ConfigError: sigma is negative or not finite.
    """
    if not 0 <= sigma < math.inf:
        raise ConfigError(f"sigma is in pixels, 0 or more, got {sigma}.")
    if int(TRUNCATE * sigma + 0.5) == 0:
        return maps
    down, across = (_blur(length, sigma).to(maps) for length in maps.shape[-2:])
    return down @ maps @ across.mT


def _blur(length: int, sigma: float) -> Tensor:
    """The filter along one axis as a matrix (length, length), float64: a few products of matrices beat wide convolutions."""
    radius = int(TRUNCATE * sigma + 0.5)
    steps = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (steps.double() / sigma) ** 2)
    read = (torch.arange(length)[:, None] + steps).clamp(0, length - 1)
    return torch.zeros(length, length, dtype=torch.float64).scatter_add_(1, read, (kernel / kernel.sum()).expand(length, -1))
