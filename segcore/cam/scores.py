"""What a map explains: one number per image, made from the network's answer."""

from __future__ import annotations

from torch import Tensor

from segcore.cam.capture import Score
from segcore.errors import ConfigError, ShapeError


def class_score(index: int) -> Score:
    """The logit of class index: output (B, K) -> (B,)."""
    return lambda output: output[:, index]


def class_probability(index: int) -> Score:
    """The softmax probability of class index, 0..1: output (B, K) -> (B,)."""
    return lambda output: output.softmax(dim=1)[:, index]


def region_score(index: int, region: Tensor) -> Score:
    """Mean of channel index of a segmenter's answer over a region: output (B, K, H, W), region (H, W) or (B, H, W) -> (B,).

    region: boolean, or weights >= 0, such as the pixels of one object.

    Raises:
        ConfigError: the region is empty in one of the images, or has negative weights.
    """
    weights = region.detach().float()
    if not (bool((weights >= 0).all()) and bool((weights.sum(dim=(-2, -1)) > 0).all())):
        raise ConfigError("a region holds at least one pixel of each image and no negative weight. Choose another region.")

    def score(output: Tensor) -> Tensor:
        if output.ndim != 4 or output.shape[-2:] != weights.shape[-2:] or weights.shape[:-2] not in ((), output.shape[:1]):
            raise ShapeError(f"a region has the rows and columns of the answer; got {tuple(weights.shape)} for {tuple(output.shape)}.")
        own = weights.to(output)
        return (output[:, index] * own).sum(dim=(-2, -1)) / own.sum(dim=(-2, -1))

    return score
