"""Grad-CAM and LayerCAM: maps from the activations of layers and the score's gradient there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from segcore.cam.capture import Score, capture
from segcore.errors import ConfigError, ShapeError

Fusion = Literal["weighted", "max"]
"""How the maps of several layers become one."""


def grad_cam(model: nn.Module, images: Tensor, layer: str, score: Score) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017, eq. 1-2): images (B, C, H, W) -> map (B, H, W) >= 0, unscaled.

    Raises:
        ConfigError: the layer is unknown, does not run once, or the score does not depend on it.
        ShapeError: images, the layer's answer or the score have the wrong shape.
    """
    seen = capture(model, images, [layer], score)
    return upsample(weigh_channels(seen.acts[0], seen.grads[0]), images)


def layer_cam(model: nn.Module, images: Tensor, layer: str, score: Score) -> Tensor:
    """LayerCAM of one layer (Jiang et al. 2021, eq. 6-7): images (B, C, H, W) -> map (B, H, W) >= 0, unscaled.

    Raises:
        ConfigError: the layer is unknown, does not run once, or the score does not depend on it.
        ShapeError: images, the layer's answer or the score have the wrong shape.
    """
    return layer_cams(model, images, [layer], score)[0]


def layer_cams(model: nn.Module, images: Tensor, layers: Sequence[str], score: Score) -> tuple[Tensor, ...]:
    """LayerCAM of several layers from one forward and one backward call, each (B, H, W), in the order of layers.

    Raises:
        ConfigError: a layer is unknown, does not run once, or the score does not depend on it.
        ShapeError: images, a layer's answer or the score have the wrong shape.
    """
    seen = capture(model, images, layers, score)
    return tuple(upsample(weigh_pixels(act, grad), images) for act, grad in zip(seen.acts, seen.grads, strict=True))


def fuse_stages(maps: Sequence[Tensor], scales: Sequence[float], how: Fusion = "weighted") -> Tensor:
    """Join the LayerCAM maps of successive stages, each (B, H, W) first divided by its calibration scale; -> (B, H, W).

    "weighted": weighted mean with 1, 2, 4, 8, ...: later stages see larger parts and decide more (the thesis asks for
    "higher weight for later layers", the numbers are ours). "max": the largest of tanh(2 map / scale), after eq. 9 of Jiang et al.,
    at input size.

    Raises:
        ConfigError: how is unknown, or a scale is not positive.
        ShapeError: no map, or not one scale per map.
    """
    if not maps or len(maps) != len(scales):
        raise ShapeError(f"fusing needs one scale per map, got {len(maps)} map(s) and {len(scales)} scale(s).")
    for scale in scales:
        if not scale > 0:
            raise ConfigError(f"a calibration scale is positive, got {scale:g}. Calibrate each stage first.")
    stack = torch.stack([stage / scale for stage, scale in zip(maps, scales, strict=True)])
    if how == "max":
        return torch.tanh(2 * stack).amax(dim=0)
    if how != "weighted":
        raise ConfigError(f"stages are fused by weighted or max, got {how!r}.")
    weights = 2.0 ** torch.arange(len(maps), dtype=stack.dtype, device=stack.device)
    return torch.einsum("s,sbhw->bhw", weights / weights.sum(), stack)


def weigh_channels(act: Tensor, grad: Tensor) -> Tensor:
    """Grad-CAM at the layer's resolution: a weight per channel, the gradient's mean; (B, C, h, w) twice -> (B, h, w)."""
    weights = grad.mean(dim=(2, 3))
    return torch.einsum("bc,bchw->bhw", weights, act).relu()


def weigh_pixels(act: Tensor, grad: Tensor) -> Tensor:
    """LayerCAM at the layer's resolution: a weight per channel and pixel, its gradient if positive; -> (B, h, w)."""
    return (grad.relu() * act).sum(dim=1).relu()


def upsample(maps: Tensor, images: Tensor) -> Tensor:
    """Bilinear to the size of images, pixel centres aligned: (B, h, w) -> (B, H, W) float32."""
    return functional.interpolate(maps[:, None].float(), size=images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
