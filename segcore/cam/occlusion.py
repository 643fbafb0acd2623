"""Occlusion: how far the score falls when a part of the image is hidden."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor, nn

from segcore.cam.batches import batch_size, score_batches
from segcore.cam.capture import Score, check_images, undisturbed
from segcore.cam.folding import fold_norms
from segcore.errors import ConfigError

WINDOW_SHARE = 1 / 8
"""Default edge of what is hidden, as a share of the image's shorter edge; the stride is half of it."""


def occlusion(
    model: nn.Module,
    images: Tensor,
    score: Score,
    *,
    window: int | None = None,
    stride: int | None = None,
    fill: float = 0.0,
    batch: int | None = None,
) -> Tensor:
    """Drop of the score when a window is set to fill, averaged over the windows that cover a pixel (Zeiler & Fergus 2014, sec. 4.2).

    images (B, C, H, W) -> signed map (B, H, W) float32. Windows of window px lie stride px apart from the upper left
    corner; the last of a row and of a column are cut by the edge, not moved. window is by default an eighth of the
    shorter edge, stride half the window; batch: forward calls taken together, by default what suits the machine.
    The score is usually a probability: class_probability.

    Raises:
        ConfigError: window or stride is below 1, the stride leaves gaps, or the window is larger than the image.
        ShapeError: images or the score have the wrong shape; images hold NaN.
    """
    check_images(images)
    height, width = images.shape[-2:]
    window = max(1, round(WINDOW_SHARE * min(height, width))) if window is None else window
    stride = max(1, window // 2) if stride is None else stride
    if not 1 <= stride <= window <= min(height, width):
        raise ConfigError(
            f"a window hides 1 to {min(height, width)} px and the stride is 1 to the window; got window {window} and stride {stride}."
        )
    corners = list(product(_starts(height, window, stride), _starts(width, window, stride)))
    size = batch_size(images, len(corners), batch)
    if len(images) == 0:
        return images.new_zeros((0, height, width), dtype=torch.float32)
    with undisturbed(model, images), torch.inference_mode(), fold_norms(model, images[:1]):
        whole = score_batches(model, torch.split(images.clone(), size), score)
        hidden = [score_batches(model, _hidden(image, corners, window, fill, size), score) for image in images]
        drops = whole[:, None] - torch.stack(hidden)
        return _spread(drops, (height, width), window, stride)


def _starts(length: int, window: int, stride: int) -> range:
    """First pixel of each window along an axis."""
    return range(0, stride * math.ceil((length - window) / stride) + 1, stride)


def _hidden(image: Tensor, corners: Sequence[tuple[int, int]], window: int, fill: float, size: int) -> Iterator[Tensor]:
    """The image (C, H, W) with the window at each corner hidden in turn, in batches of size."""
    for first in range(0, len(corners), size):
        some = corners[first : first + size]
        copies = image.repeat(len(some), 1, 1, 1)
        for copy, (row, col) in zip(copies, some, strict=True):
            copy[:, row : row + window, col : col + window] = fill
        yield copies


def _spread(drops: Tensor, shape: tuple[int, int], window: int, stride: int) -> Tensor:
    """Mean over the windows that cover each pixel: (B, windows) -> (B, H, W)."""
    down, across = (_cover(length, len(_starts(length, window, stride)), window, stride).to(drops) for length in shape)
    total = down @ drops.view(len(drops), down.shape[1], across.shape[1]) @ across.mT
    return total / torch.outer(down.sum(dim=1), across.sum(dim=1))


def _cover(length: int, count: int, window: int, stride: int) -> Tensor:
    """(length, count): 1 where a window covers a pixel."""
    place = torch.arange(length)[:, None] - stride * torch.arange(count)
    return ((place >= 0) & (place < window)).float()
