"""Stained tissue as another laboratory would have stained it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
"""Optical densities in red, green, blue of haematoxylin, eosin and DAB (Ruifrok & Johnston 2001), a row each."""


def jitter_stain(pixels: NDArray[Any], strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Scale and shift the amount of each stain (Tellez et al. 2018, HED-light at strength 0.05).

    Args:
        pixels: (3, h, w) RGB, 0..255.
        strength: amounts are multiplied by 1 - strength .. 1 + strength, and shifted by -strength .. strength.
        rng: the chance.

    Returns:
        (3, h, w) float32, 0..255.
    """
    stains = HED / np.linalg.norm(HED, axis=1, keepdims=True)
    scale, shift = rng.uniform(1 - strength, 1 + strength, 3), rng.uniform(-strength, strength, 3)
    # density' = (density @ inverse * scale + shift) @ stains, as one matrix and one vector
    matrix = (np.linalg.inv(stains) * scale @ stains).astype(np.float32)
    offset = (shift @ stains).astype(np.float32)
    density = -np.log((pixels.astype(np.float32) + 1) / 256)
    changed = np.tensordot(matrix.T, density, axes=1) + offset[:, None, None]
    out: NDArray[np.float32] = np.clip(256 * np.exp(-changed) - 1, 0, 255)
    return out
