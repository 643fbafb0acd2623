"""Several bands as one: weights measured once, and the band that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segcore.crf.lattice import TOP
from segcore.errors import ConfigError, ShapeError

_NOISE = 1e-9
"""Shares of a weight or of a variance below this are rounding."""


def principal_weights(bands: NDArray[Any]) -> tuple[float, ...]:
    """First principal component of bands (C, N), any real dtype: one weight a band, their sizes summing to 1.

    The sum of the weights is 0 or more; where it is 0 the first of the largest weights is positive. Bands that do not
    vary weigh nothing; where none varies all weigh the same.

    Raises:
        ShapeError: bands is not (C, N) with something in it, or holds NaN or infinity.
    """
    if bands.ndim != 2 or bands.size == 0 or not np.isfinite(bands).all():
        raise ShapeError(f"bands are (C, N) numbers with at least one of each, got shape {bands.shape}. Leave missing pixels out.")
    centred = bands.astype(np.float64)
    centred -= centred.mean(axis=1, keepdims=True)
    variances, axes = np.linalg.eigh(centred @ centred.T / bands.shape[1])
    scale = float(np.abs(bands).max()) ** 2
    if variances[-1] <= _NOISE * scale:
        return (1 / len(bands),) * len(bands)
    first = np.where(np.abs(axes[:, -1]) < _NOISE, 0, axes[:, -1])
    first /= np.abs(first).sum()
    total = float(first.sum()) if abs(first.sum()) > _NOISE else float(first[np.argmax(np.abs(first) > np.abs(first).max() - _NOISE)])
    return tuple(float(own) for own in (first if total > 0 else -first))


def project(image: Tensor, weights: Sequence[float]) -> Tensor:
    """One band from several: image (..., C, H, W) in 0..255 and C weights -> (..., H, W) float32 in 0..255.

    The weighted sum, shifted and scaled so that it spans 0..255 whatever the signs: (w I - 255 n) / (p - n), where n and p
    are the sums of the negative and of the positive weights. A pixel depends on nothing but itself.

    Raises:
        ConfigError: there is not one finite weight for each band, or all are 0.
    """
    check_weights(weights, image.shape[-3])
    negative = sum(own for own in weights if own < 0)
    span = sum(weights) - 2 * negative
    bands = image.float().unbind(-3)
    grey = torch.full_like(bands[0], -TOP * negative / span)
    for band, own in zip(bands, weights, strict=True):
        grey.add_(band, alpha=own / span)
    return grey.clamp_(0, TOP)


def check_weights(weights: Sequence[float], bands: int) -> None:
    """Refuse weights that do not make one band out of so many.

    Raises:
        ConfigError: see project.
    """
    if len(weights) != bands or not np.isfinite(weights).all() or not any(weights):
        raise ConfigError(f"{bands} band(s) need as many weights, finite and not all 0, got {[float(own) for own in weights]}.")
