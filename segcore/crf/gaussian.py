"""Exact Gaussian filters over the pixels of an image, as products with small banded matrices.

A row of pixels is cut into overlapping pieces of block + 2 radius; a piece times a banded (block + 2 radius, block)
matrix gives block filtered pixels. That is more multiplications than a convolution needs and many times faster on one
CPU core, because all of them are one matrix product.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from segcore.crf.config import TAPS


class NormalisedGaussian:
    """Symmetrically normalised Gaussian filter D^-1/2 K D^-1/2 over (row, col); D = K 1 holds the pixel itself too."""

    def __init__(self, shape: tuple[int, int], sigma: tuple[float, float], device: torch.device) -> None:
        """shape (H, W) of the images to come; sigma (row, col) in pixels."""
        self._sigma = sigma
        self._scale = gaussian_mass(shape, sigma, device).rsqrt()

    def filter(self, values: Tensor) -> Tensor:
        """D^-1/2 K D^-1/2 values, (B, H, W) float32 -> (B, H, W)."""
        return gaussian_sum(values * self._scale, self._sigma).mul_(self._scale)


def gaussian_sum(image: Tensor, sigma: tuple[float, float]) -> Tensor:
    """Sum over the image's pixels of exp(-|d|^2 / 2 sigma^2) times the pixel at distance d.

    image (B, H, W) float32, sigma (row, col) in pixels -> (B, H, W). The centre tap is 1, outside the image is nothing.
    """
    return _filter_cols(_filter_rows(image, sigma[0]), sigma[1])


def gaussian_mass(shape: tuple[int, int], sigma: tuple[float, float], device: torch.device) -> Tensor:
    """gaussian_sum of an image (H, W) of ones: (1, H, W), in 1..2 pi sigma_row sigma_col."""
    rows = _filter_rows(torch.ones((1, shape[0], 1), device=device), sigma[0])
    cols = _filter_cols(torch.ones((1, 1, shape[1]), device=device), sigma[1])
    return rows * cols


def local_mean(image: Tensor, sigma: tuple[float, float]) -> Tensor:
    """Gaussian mean of the neighbourhood, (B, H, W) -> (B, H, W); at the border, of the pixels that are there."""
    _, height, width = image.shape
    return gaussian_sum(image, sigma) / gaussian_mass((height, width), sigma, image.device)


def _filter_rows(image: Tensor, sigma: float) -> Tensor:
    """Filter (B, H, W) along H."""
    batch, height, width = image.shape
    reach, block = _sizes(sigma)
    padded = F.pad(image, (0, 0, reach, reach + -height % block))
    pieces = padded.unfold(1, block + 2 * reach, block).transpose(2, 3)  # (B, H / block, block + 2 reach, W)
    filtered = torch.matmul(_band(sigma, image.device).T, pieces)
    return filtered.reshape(batch, -1, width)[:, :height]


def _filter_cols(image: Tensor, sigma: float) -> Tensor:
    """Filter (B, H, W) along W."""
    batch, height, width = image.shape
    reach, block = _sizes(sigma)
    padded = F.pad(image, (reach, reach + -width % block))
    pieces = padded.unfold(2, block + 2 * reach, block)  # (B, H, W / block, block + 2 reach)
    filtered = torch.matmul(pieces, _band(sigma, image.device))
    return filtered.reshape(batch, height, -1)[:, :, :width]


def _sizes(sigma: float) -> tuple[int, int]:
    """Radius of the taps, and pixels a product gives: many beside the radius, so that little is read twice."""
    reach = math.ceil(TAPS * sigma)
    return reach, max(64, 2 * reach)


def _band(sigma: float, device: torch.device) -> Tensor:
    """The taps as a banded matrix (block + 2 radius, block)."""
    reach, block = _sizes(sigma)
    source = torch.arange(-reach, block + reach, device=device, dtype=torch.float32)
    distance = source[:, None] - torch.arange(block, device=device, dtype=torch.float32)
    return torch.exp(-0.5 * (distance / sigma).square()) * (distance.abs() <= reach)
