"""One call for every backend of the dense CRF: what is refined, checked once and handed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from segcore.crf.config import CrfConfig
from segcore.crf.grid import refine_on_grid
from segcore.crf.lattice import TOP
from segcore.crf.permutohedral import refine_permutohedral
from segcore.errors import ShapeError

Backend = Callable[[Tensor, Tensor, CrfConfig, tuple[int, int]], Tensor]
"""probability (B, H, W) float32 0..1, bands (B, C, H, W) float32 0..255, settings, origin -> marginal (B, H, W) float32."""

BACKENDS: Mapping[str, Backend] = MappingProxyType({"grid": refine_on_grid, "pydensecrf": refine_permutohedral})


def refine(probability: Tensor, image: Tensor, config: CrfConfig, *, origin: tuple[int, int] = (0, 0)) -> Tensor:
    """Foreground marginal of the dense CRF after config.iterations mean-field updates, by config.backend.

    probability (B, H, W) or (H, W), floating, 0..1; image of the same shape, one band, or with an axis of bands before
    H, 0..255, any real dtype, moved to the device of probability -> Q of the foreground, the shape of probability,
    float32 0..1, without gradient. origin: (row, col) of the first pixel in its scene; it may be negative.

    A block read with config.halo pixels of context at its true origin has the labels of the whole scene but for a few in
    10 000. grid: several bands are compared by their first principal component, computed from the image given, so for
    blocks of a scene make one band with fixed weights first (segcore.crf.components.project). pydensecrf: compares all
    bands as they are, one image after the other, on the CPU.

    Raises:
        ShapeError: the shapes do not fit, hold no pixel, or values are NaN or out of range.
        MissingExtraError: the backend is pydensecrf, which is not installed.
    """
    with torch.no_grad():
        _check(probability, image)
        height, width = probability.shape[-2:]
        foreground = probability.float().reshape(-1, height, width)
        bands = image.to(foreground).reshape(len(foreground), -1, height, width)
        return BACKENDS[config.backend](foreground, bands, config, origin).reshape(probability.shape)


def _check(probability: Tensor, image: Tensor) -> None:
    """Refuse what cannot be refined, by name."""
    if probability.ndim not in (2, 3) or probability.numel() == 0:
        raise ShapeError(f"probability is (H, W) or (B, H, W) with at least one pixel, got shape {tuple(probability.shape)}.")
    if image.ndim == probability.ndim + 1 and image.shape[-3] > 0:
        same = image.select(-3, 0).shape == probability.shape
    else:
        same = image.shape == probability.shape
    if not same:
        raise ShapeError(
            f"image and probability have one shape, got {tuple(image.shape)} and {tuple(probability.shape)}. Put an axis of bands before H."
        )
    if not probability.is_floating_point():
        raise ShapeError(f"probability is a floating tensor of 0..1, got {probability.dtype}.")
    _check_range("probability", probability, 1.0)
    _check_range("image", image, TOP)


def _check_range(name: str, values: Tensor, top: float) -> None:
    low, high = (float(v) for v in values.aminmax())
    if not (low >= 0 and high <= top):  # NaN fails both
        raise ShapeError(f"{name} holds numbers of 0..{top:g}, got {low:g} to {high:g}. Rescale it, and fill missing pixels first.")
