"""Dense CRF refinement of a foreground probability by mean field on the bilateral lattice.

Fully connected binary CRF of Kraehenbuehl & Koltun (2011): unary -log p, Potts, a smoothness and an appearance kernel
(their eq. 3), symmetric normalisation D^-1/2 K D^-1/2, and, as in their code, the self-message stays in. With two labels
one number a pixel is enough: the log odds z follow z <- logit(p) + sum_k w_k K_k (2 sigmoid(z) - 1).

Where we differ: the appearance kernel is filtered on a regular bilateral lattice instead of the permutohedral one, which
for one band is nearer to brute force and needs no compiler; and the lattice hangs on the scene, not on the block.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from segcore.crf.config import CrfConfig
from segcore.crf.gaussian import NormalisedGaussian, local_mean
from segcore.crf.lattice import TOP, Lattice
from segcore.errors import ShapeError

CLIP = 1e-5
"""Probabilities are kept this far from 0 and 1 before the logarithm."""
CONTRAST_GAIN = 2.0
"""Grey values that swing evenly around their local mean span half as much once folded; this gives the span back."""

Kernel = tuple[float, Callable[[Tensor], Tensor]]
"""Weight and normalised filter of one pairwise term."""


def refine(probability: Tensor, image: Tensor, config: CrfConfig, *, origin: tuple[int, int] = (0, 0)) -> Tensor:
    """Foreground marginal of the dense CRF after config.iterations mean-field updates.

    probability (B, H, W) or (H, W), floating, 0..1; image of the same shape, one band, 0..255, any real dtype, moved to
    the device of probability -> Q of the foreground, the shape of probability, float32 0..1, without gradient.
    origin: (row, col) of the first pixel in its scene; it may be negative. A block read with config.halo pixels of
    context at its true origin has the labels of the whole scene but for a few in 10 000.

    Raises:
        ShapeError: the two shapes differ, are not (H, W) or (B, H, W), or hold no pixel; values are NaN or out of range.
    """
    with torch.no_grad():
        _check(probability, image)
        foreground = probability.float().reshape(-1, *probability.shape[-2:])
        grey = image.to(foreground).reshape(foreground.shape)
        return _mean_field(foreground, _kernels(grey, config, origin), config.iterations).reshape(probability.shape)


def contrast(image: Tensor, sigma: tuple[float, float]) -> Tensor:
    """Twice the distance from the local mean, cut at 255: (B, H, W) 0..255 -> (B, H, W) 0..255.

    A lit and a shaded wall, far apart in grey values, come together: both are far from their surroundings.
    """
    return (image - local_mean(image, sigma)).abs_().mul_(CONTRAST_GAIN).clamp_(max=TOP)


def _mean_field(probability: Tensor, kernels: list[Kernel], iterations: int) -> Tensor:
    """Parallel mean-field updates from Q = p; (B, H, W) -> (B, H, W)."""
    unary = torch.logit(probability, eps=CLIP)
    odds = unary
    for _ in range(iterations):
        difference = torch.sigmoid(odds).mul_(2).sub_(1)  # Q(foreground) - Q(background)
        odds = unary.clone()
        for weight, kernel in kernels:
            odds.add_(kernel(difference), alpha=weight)
    return torch.sigmoid(odds)


def _kernels(image: Tensor, config: CrfConfig, origin: tuple[int, int]) -> list[Kernel]:
    """The pairwise terms that have a weight."""
    kernels: list[Kernel] = []
    if config.smooth_weight > 0:
        _, height, width = image.shape
        kernels.append((config.smooth_weight, NormalisedGaussian((height, width), config.smooth_pair, image.device).filter))
    if config.appearance_weight > 0:
        guide = contrast(image, config.contrast_pair) if config.guide == "contrast" else image
        lattice = Lattice(guide, config.appearance_pair, config.intensity_sigma, origin)
        kernels.append((config.appearance_weight, lattice.filter))
    return kernels


def _check(probability: Tensor, image: Tensor) -> None:
    """Refuse what cannot be refined, by name."""
    if probability.ndim not in (2, 3) or probability.numel() == 0:
        raise ShapeError(f"probability is (H, W) or (B, H, W) with at least one pixel, got shape {tuple(probability.shape)}.")
    if image.shape != probability.shape:
        raise ShapeError(f"image and probability have one shape, got {tuple(image.shape)} and {tuple(probability.shape)}.")
    if not probability.is_floating_point():
        raise ShapeError(f"probability is a floating tensor of 0..1, got {probability.dtype}.")
    _check_range("probability", probability, 1.0)
    _check_range("image", image, TOP)


def _check_range(name: str, values: Tensor, top: float) -> None:
    low, high = (float(v) for v in values.aminmax())
    if not (low >= 0 and high <= top):  # NaN fails both
        raise ShapeError(f"{name} holds numbers of 0..{top:g}, got {low:g} to {high:g}. Rescale it, and fill missing pixels first.")
