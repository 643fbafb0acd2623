"""The dense CRF of one band by mean field on the bilateral lattice.

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

from segcore.crf.components import principal_weights, project
from segcore.crf.config import CLIP, CrfConfig
from segcore.crf.contrast import guide_of
from segcore.crf.gaussian import NormalisedGaussian
from segcore.crf.lattice import Lattice

Kernel = tuple[float, Callable[[Tensor], Tensor]]
"""Weight and normalised filter of one pairwise term."""


def refine_on_grid(probability: Tensor, bands: Tensor, config: CrfConfig, origin: tuple[int, int]) -> Tensor:
    """Foreground marginal: probability (B, H, W) float32 and bands (B, C, H, W) float32 0..255 -> (B, H, W) float32.

    Several bands are compared by their first principal component, of each image by itself. Blocks of one scene would so
    be compared by different components: there, make one band with fixed weights first (segcore.crf.components.project).
    """
    grey = bands[:, 0] if bands.shape[1] == 1 else torch.stack([_first_component(image) for image in bands])
    return _mean_field(probability, _kernels(grey, config, origin), config.iterations)


def _first_component(image: Tensor) -> Tensor:
    """(C, H, W) -> (H, W)."""
    return project(image, principal_weights(image.flatten(1).cpu().numpy()))


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
        lattice = Lattice(guide_of(image, config), config.appearance_pair, config.intensity_sigma, origin)
        kernels.append((config.appearance_weight, lattice.filter))
    return kernels
