"""From stretched pixels to what a network sees."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def as_input(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (B, C, H, W) -> float32 with the middle grey at 0 and roughly unit spread: (x / 255 - 0.5) / 0.25."""
    return (torch.from_numpy(np.require(pixels, requirements=("C", "W"))).float() / 255 - 0.5) / 0.25
