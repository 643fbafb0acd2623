"""Scores of many variants of an image, in batches of a size that suits the machine."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from segcore.cam.capture import Score, image_scores
from segcore.errors import ConfigError

CPU_PIXELS, GPU_PIXELS = 600_000, 1 << 22
"""Pixels of a batch: what keeps caches warm on a CPU, and a GPU busy."""


def batch_size(images: Tensor, count: int, batch: int | None) -> int:
    """How many of count images like images (..., H, W) are taken together, in batches of even size; batch where it is given.

    Raises:
        ConfigError: batch is below 1.
    """
    if batch is not None and batch < 1:
        raise ConfigError(f"a batch holds at least one image, got {batch}.")
    pixels = GPU_PIXELS if images.is_cuda else CPU_PIXELS
    most = max(1, pixels // (images.shape[-2] * images.shape[-1]))
    return batch or math.ceil(count / math.ceil(count / most))


def score_batches(model: nn.Module, batches: Iterable[Tensor], score: Score) -> Tensor:
    """Scores of all images of all batches (n, C, H, W), float32 (N,); one batch is held at a time.

    Raises:
        ShapeError: the score is not one number per image.
    """
    return torch.cat([image_scores(score, model(images), len(images)).float() for images in batches])
