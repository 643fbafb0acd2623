"""Losses of segmentation networks: logits against labels, some pixels left out.

All take logits (B, K, H, W) of any float type, K >= 2, and target (B, H, W) int64 of classes 0..K-1, where -1 says that a
pixel does not count; ignore, a boolean (B, H, W), leaves out further ones. Such pixels change neither loss nor gradient.
The answer is a scalar, computed in float32 at least. Reduction "batch" pools the pixels of all images; "image" is the
plain mean of the losses that the images have alone. Where nothing counts the loss is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor
from torch.nn import functional

from segcore.errors import ConfigError, ShapeError

IGNORE = -1
"""Label of pixels that do not count."""
EMPTY = 1e-6
"""Pixels; where prediction and target of a class sum up to far less, both are empty."""

Reduction = Literal["batch", "image"]


class Loss(Protocol):
    """Logits (B, K, H, W), target (B, H, W) -> scalar."""

    def __call__(self, logits: Tensor, target: Tensor, *, ignore: Tensor | None = None, reduction: Reduction = "batch") -> Tensor:
        """Compare."""
        ...


def soft_dice(logits: Tensor, target: Tensor, *, ignore: Tensor | None = None, reduction: Reduction = "batch") -> Tensor:
    """1 - 2 sum(p y) / (sum p + sum y) with p = softmax(logits), mean over the classes 1..K-1; 0..1.

    Milletari et al. 2016 (eq. 2) square the terms of the denominator; here they stand as they are. Both empty is no loss: EMPTY
    is added above and below the line. A target without a class gives a loss near 1 that hardly depends on the logits, so
    "batch" learns more from images without the class than "image" does.

    Raises:
        ShapeError: logits, target and ignore do not fit together, or a label is outside -1..K-1.
        ConfigError: an unknown reduction.
    """
    logits, counts = _checked(logits, target, ignore, reduction)
    probability = (logits.softmax(dim=1) * counts[:, None])[:, 1:]
    classes = torch.arange(1, logits.shape[1], device=logits.device)
    truth = (target[:, None] == classes[:, None, None]) & counts[:, None]
    over = (0, 2, 3) if reduction == "batch" else (2, 3)
    common = (probability * truth).sum(dim=over)
    both = probability.sum(dim=over) + truth.sum(dim=over)
    return (1 - (2 * common + EMPTY) / (both + EMPTY)).mean()


def cross_entropy(logits: Tensor, target: Tensor, *, ignore: Tensor | None = None, reduction: Reduction = "batch") -> Tensor:
    """-log p of the true class, mean over the pixels that count; >= 0.

    Raises:
        ShapeError: logits, target and ignore do not fit together, or a label is outside -1..K-1.
        ConfigError: an unknown reduction.
    """
    logits, counts = _checked(logits, target, ignore, reduction)
    return _mean(-_log_probability(logits, target), counts, reduction)


def focal(logits: Tensor, target: Tensor, *, ignore: Tensor | None = None, reduction: Reduction = "batch", gamma: float = 2.0) -> Tensor:
    """-(1 - p)^gamma log p of the true class (Lin et al. 2017, eq. 4), mean over the pixels that count; >= 0.

    gamma >= 0 turns pixels down that are right already; 0 is cross-entropy. The paper's alpha is left at 1.

    Raises:
        ShapeError: logits, target and ignore do not fit together, or a label is outside -1..K-1.
        ConfigError: gamma < 0 or an unknown reduction.
    """
    if not 0 <= gamma < float("inf"):
        raise ConfigError(f"gamma of the focal loss is finite and at least 0, got {gamma}.")
    logits, counts = _checked(logits, target, ignore, reduction)
    log_probability = _log_probability(logits, target)
    wrong = -torch.expm1(log_probability)  # 1 - p; its power has no slope at 0 where gamma < 1
    return _mean(-(wrong.clamp(min=torch.finfo(wrong.dtype).eps) ** gamma) * log_probability, counts, reduction)


LOSSES: Mapping[str, Loss] = MappingProxyType({"soft-dice": soft_dice, "cross-entropy": cross_entropy, "focal": focal})


def _log_probability(logits: Tensor, target: Tensor) -> Tensor:
    """Log p of the true class, (B, H, W); that of class 0 where the target is to be ignored."""
    return functional.log_softmax(logits, dim=1).gather(1, target.clamp(min=0)[:, None])[:, 0]


def _mean(losses: Tensor, counts: Tensor, reduction: Reduction) -> Tensor:
    over = (0, 1, 2) if reduction == "batch" else (1, 2)
    return ((losses * counts).sum(dim=over) / counts.sum(dim=over).clamp(min=1)).mean()


def _checked(logits: Tensor, target: Tensor, ignore: Tensor | None, reduction: str) -> tuple[Tensor, Tensor]:
    """Logits in float32 at least, and which pixels count, (B, H, W) bool."""
    if reduction not in get_args(Reduction):
        raise ConfigError(f"a loss is reduced by {' or '.join(get_args(Reduction))}, got {reduction!r}.")
    if logits.ndim != 4 or logits.shape[1] < 2 or 0 in logits.shape:
        raise ShapeError(f"logits are (B, K, H, W) with K >= 2 classes, got {tuple(logits.shape)}.")
    pixels = (logits.shape[0], *logits.shape[2:])
    if tuple(target.shape) != pixels or target.dtype != torch.int64:
        raise ShapeError(f"the target of these logits is {pixels} int64, got {tuple(target.shape)} {target.dtype}.")
    if ignore is not None and (tuple(ignore.shape) != pixels or ignore.dtype != torch.bool):
        raise ShapeError(f"ignore is a boolean {pixels}, got {tuple(ignore.shape)} {ignore.dtype}.")
    low, high = (int(end) for end in target.aminmax())
    if low < IGNORE or high >= logits.shape[1]:
        raise ShapeError(f"labels are {IGNORE} (ignore) to {logits.shape[1] - 1}, got {low} to {high}. Relabel, or build more classes.")
    counts = target != IGNORE
    return logits.to(torch.promote_types(logits.dtype, torch.float32)), counts if ignore is None else counts & ~ignore
