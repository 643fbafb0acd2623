"""A classifier over many windows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segcore.data.bands import as_input

_BATCH = 64


def predict_windows(network: nn.Module, windows: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probability of class 1 for uint8 windows (N, C, h, w), N >= 1 -> (N,) in 0..1.

    network: logits (B, 2), in evaluation mode; it stays where and as it is.
    """
    device = next(network.parameters()).device
    parts = []
    with torch.no_grad():
        for start in range(0, len(windows), _BATCH):
            parts.append(network(as_input(windows[start : start + _BATCH]).to(device)).float().softmax(dim=1)[:, 1].cpu())
    return np.asarray(torch.cat(parts).numpy())
