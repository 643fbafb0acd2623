"""Score-CAM: each channel weighs as much as the score that the image keeps when only the channel's part of it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from segcore.cam.batches import batch_size, score_batches
from segcore.cam.capture import Score, check_images, observe, undisturbed
from segcore.cam.folding import FoldedNorms, NormWatch
from segcore.cam.gradient import upsample
from segcore.errors import ConfigError


def score_cam(
    model: nn.Module, images: Tensor, layer: str, score: Score, *, channels: Sequence[int] | None = None, batch: int | None = None
) -> Tensor:
    """Score-CAM (Wang et al. 2020, eq. 3-5) as its authors' code has it: images (B, C, H, W) -> map (B, H, W) >= 0, unscaled.

    A channel is brought to input size (bilinear), scaled to 0..1 and multiplied with the image; its weight is the score
    of that image, without the softmax over channels of the paper's eq. 6. A channel that is constant in an image shows
    nothing and weighs 0. The score is usually a probability: class_probability. channels: the ones to use, by default
    all, so many forward calls an image; batch: how many of them are taken together, by default what suits the machine.

    Raises:
        ConfigError: the layer is unknown or does not run once; a channel does not exist; batch is below 1.
        ShapeError: images, the layer's answer or the score have the wrong shape; images hold NaN.
    """
    check_images(images)
    if len(images) == 0:
        return images.new_zeros((0, *images.shape[-2:]), dtype=torch.float32)
    with undisturbed(model, images), torch.inference_mode():
        acts, folded = _acts(model, images, layer)
        acts = [_chosen(act, channels) for act in acts]
        size = batch_size(images, acts[0].shape[1], batch)
        with folded:
            weights = [_weights(model, image, act[0], score, size) for image, act in zip(images, acts, strict=True)]
        maps = [torch.einsum("c,bchw->bhw", own, act.float()) for own, act in zip(weights, acts, strict=True)]
        return upsample(torch.cat(maps), images).relu()


def _acts(model: nn.Module, images: Tensor, layer: str) -> tuple[list[Tensor], FoldedNorms]:
    """What the layer answers to each image, (1, K, h, w), and the norms that can be folded from then on."""
    watch = NormWatch()
    with watch:
        (first,), _ = observe(model, images[:1].clone(), [layer])
    return [first, *(observe(model, image[None].clone(), [layer])[0][0] for image in images[1:])], watch.folded()


def _chosen(act: Tensor, channels: Sequence[int] | None) -> Tensor:
    if channels is None:
        return act
    if not channels or not all(0 <= channel < act.shape[1] for channel in channels):
        raise ConfigError(f"channels are numbers from 0 to {act.shape[1] - 1}, at least one; got {list(channels)}.")
    return act[:, list(channels)]


def _weights(model: nn.Module, image: Tensor, act: Tensor, score: Score, batch: int) -> Tensor:
    """Score of image (C, H, W) under the mask of each channel of act (K, h, w), (K,); 0 where the channel is constant."""
    varied = torch.nonzero(_differ(act) & torch.cat([_differ(upsample(some, image)) for some in torch.split(act, batch)]))[:, 0]
    weights = torch.zeros(len(act), device=act.device)
    if len(varied):
        weights[varied] = score_batches(model, _masked(image, act[varied], batch), score)
    return weights


def _differ(maps: Tensor) -> Tensor:
    """Which maps of (K, h, w) are not constant, (K,); rounding at input size makes constants of some, and of constants others."""
    return maps.amax(dim=(1, 2)) > maps.amin(dim=(1, 2))


def _masked(image: Tensor, act: Tensor, size: int) -> Iterator[Tensor]:
    """The image (C, H, W) under the mask of each channel of act (K, h, w), in batches of size."""
    for some in torch.split(act, size):
        masks = upsample(some, image)
        low, high = masks.amin(dim=(1, 2), keepdim=True), masks.amax(dim=(1, 2), keepdim=True)
        yield image * ((masks - low) / (high - low))[:, None].to(image)
