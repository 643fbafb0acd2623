"""The dense CRF of any number of bands, by pydensecrf on the permutohedral lattice.

The same model as segcore.crf.grid: fully connected binary CRF of Kraehenbuehl & Koltun (2011), unary -log p, Potts,
symmetric normalisation, self-message in. pydensecrf is their own code; it is the extra `crf`, and runs on one CPU core.

Features are absolute coordinates, so that the lattice hangs on the scene as the grid does: scenes of 900 px in blocks of
256 px with CrfConfig.halo then differed from the whole in at most 0.02 % of their labels, counted from each block's own
corner in 0.4 to 1.2 %. The lattice repeats itself, so the coordinate of the first pixel is folded into its period: float32
and the lattice's 16-bit keys then hold anywhere.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segcore.crf.config import CLIP, CrfConfig
from segcore.crf.contrast import guide_of
from segcore.errors import MissingExtraError

Features = NDArray[np.float32]

_PERIODS = 3.0, math.sqrt(3.0)
"""Distance in sigma after which the lattice repeats itself along rows (the second feature) and columns (the first).

Feature i = 0, 1, .. of d is scaled by sqrt(2/3) (d + 1) / sqrt((i + 1) (i + 2)) (Adams, Baek & Davis 2010, sec. 3.1), and
steps of d + 1 in the embedded coordinates lead from a point of the lattice to one of its own kind: sqrt(1.5 (i + 1) (i + 2)).
"""


def require_pydensecrf() -> Any:
    """The module pydensecrf.densecrf.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from pydensecrf import densecrf
    except ImportError as error:
        raise MissingExtraError(
            "the CRF backend pydensecrf needs the extra crf, which is not installed; run: pip install 'geocellseg[crf]', or use grid."
        ) from error
    return densecrf


def refine_permutohedral(probability: Tensor, bands: Tensor, config: CrfConfig, origin: tuple[int, int]) -> Tensor:
    """Foreground marginal: probability (B, H, W) float32 and bands (B, C, H, W) float32 0..255 -> (B, H, W) float32.

    The images of a batch are refined one after the other, on the CPU; the result is on the device of probability.

    Raises:
        MissingExtraError: pydensecrf is not installed.
    """
    densecrf = require_pydensecrf()
    pairs = zip(probability.cpu(), bands.cpu(), strict=True)
    refined = [torch.from_numpy(_refine_one(densecrf, own, image, config, origin)) for own, image in pairs]
    return torch.stack(refined).to(probability.device)


def _refine_one(densecrf: Any, probability: Tensor, image: Tensor, config: CrfConfig, origin: tuple[int, int]) -> Features:
    """(H, W) and (C, H, W) -> (H, W)."""
    model = densecrf.DenseCRF(probability.numel(), 2)
    model.setUnaryEnergy(_unary(probability))
    height, width = probability.shape
    if config.smooth_weight > 0:
        place = _place((height, width), config.smooth_pair, origin)
        model.addPairwiseEnergy(place, compat=config.smooth_weight)
    if config.appearance_weight > 0:
        place = _place((height, width), config.appearance_pair, origin)
        grey = guide_of(image, config).flatten(1).numpy() / np.float32(config.intensity_sigma)
        model.addPairwiseEnergy(np.concatenate([place, grey]), compat=config.appearance_weight)
    marginal: Features = np.array(model.inference(config.iterations), dtype=np.float32)[1].reshape(height, width)
    return marginal


def _unary(probability: Tensor) -> Features:
    """-log p of background and foreground, (2, H W)."""
    p = probability.double().clamp(CLIP, 1 - CLIP).flatten()
    energy: Features = -torch.stack([1 - p, p]).log().float().numpy()
    return energy


def _place(shape: tuple[int, int], sigma: tuple[float, float], origin: tuple[int, int]) -> Features:
    """Absolute columns and rows of all pixels in sigma, (2, H W), row-major; less a multiple of the lattice's period."""
    row, col = (
        np.arange(n) / own + (first / own) % _PERIODS[i] for i, (n, own, first) in enumerate(zip(shape, sigma, origin, strict=True))
    )
    place: Features = np.stack([np.tile(col, len(row)), np.repeat(row, len(col))]).astype(np.float32)
    return place
