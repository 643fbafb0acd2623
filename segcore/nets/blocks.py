"""What U-Net and SegNet share: blocks of convolutions, a size that poolings can halve, and checks."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segcore.errors import ConfigError, ShapeError

MAX_WIDTH = 4096
"""Feature maps at one size; more is a slip of the pen."""
MAX_DEPTH = 8
"""Poolings; eight halve an edge of 256 pixels to a single one."""


class ConvBlock(nn.Sequential):
    """Layers of 3 x 3 convolution (zeros outside), batch normalisation if wished, and ReLU: (B, C, H, W) -> (B, widths[-1], H, W).

    Weights start as He et al. 2015 (eq. 10) has it, biases at 0. Without normalisation the convolutions have biases.
    """

    def __init__(self, channels: int, *widths: int, norm: bool = True) -> None:
        """One layer per width, each with that many maps."""
        layers: list[nn.Module] = []
        for before, after in pairwise((channels, *widths)):
            layers.append(conv3(before, after, bias=not norm))
            layers += [nn.BatchNorm2d(after)] if norm else []
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)

    def forward(self, values: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, widths[-1], H, W)."""
        layers = list(self)
        watched = any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers)
        trained = all(isinstance(norm, nn.BatchNorm2d) and not norm.training for norm in layers[1::3])
        if torch.is_grad_enabled() or watched or not trained:
            for layer in layers:
                values = layer(values)
            return values
        for conv, norm, rectify in zip(layers[::3], layers[1::3], layers[2::3], strict=True):
            values = rectify(folded(values, conv, norm))
        return values

    def __getitem__(self, idx: slice | int) -> nn.Sequential | nn.Module:
        """A layer, or some of them as a plain Sequential, their names kept."""
        if isinstance(idx, slice):
            return nn.Sequential(OrderedDict(list(self.named_children())[idx]))
        return super().__getitem__(idx)


def folded(values: Tensor, conv: Any, norm: Any) -> Tensor:
    """norm(conv(values)) of trained layers in one pass: the normalisation is a factor of each kernel, and a bias."""
    factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return functional.conv2d(values, conv.weight * factor[:, None, None, None], norm.bias - norm.running_mean * factor, padding=1)


def conv3(before: int, after: int, *, bias: bool) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the size, zeros outside; standard deviation of its weights sqrt(2 / (9 before))."""
    return _start(nn.Conv2d(before, after, 3, padding=1, bias=bias))


def conv1(before: int, after: int) -> nn.Conv2d:
    """A 1 x 1 convolution with bias; standard deviation of its weights sqrt(2 / before)."""
    return _start(nn.Conv2d(before, after, 1))


def halve(values: Tensor) -> Tensor:
    """Maximum of each 2 x 2: (B, C, H, W) of even sizes -> (B, C, H / 2, W / 2); without gradients by slices, in half the time."""
    if torch.is_grad_enabled():
        return functional.max_pool2d(values, 2)
    rows = torch.maximum(values[:, :, ::2], values[:, :, 1::2])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


def double(before: int, after: int) -> nn.ConvTranspose2d:
    """An up-convolution of 2 x 2, (B, before, H, W) -> (B, after, 2 H, 2 W); standard deviation of its weights sqrt(1 / before).

    No ReLU follows: what it answers is as strong as what it reads, hence as the skip beside it.
    """
    layer = nn.ConvTranspose2d(before, after, 2, stride=2)
    nn.init.normal_(layer.weight, std=before**-0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _start(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def mirror_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Mirror images (B, C, H, W) beyond their right and lower edges until both sizes are multiples.

    The edge pixel is repeated, as by numpy.pad(mode="symmetric"), and an image smaller than its margin is mirrored
    again and again: any size >= 1 will do. Sizes that fit already are returned as they are.
    """
    for dim in (2, 3):
        size = images.shape[dim]
        if size % multiple:
            place = torch.arange(-(-size // multiple) * multiple, device=images.device) % (2 * size)
            images = images.index_select(dim, torch.minimum(place, 2 * size - 1 - place))
    return images


def cut_back(values: Tensor, images: Tensor) -> Tensor:
    """Values (B, K, H', W') without what mirror_to_multiple added to images (B, C, H, W): (B, K, H, W)."""
    if values.shape[2:] == images.shape[2:]:
        return values  # a slice of everything would cost its gradient a copy
    return values[..., : images.shape[2], : images.shape[3]]


def check_images(images: Tensor, channels: int) -> None:
    """Refuse what is not (B, channels, H, W).

    Raises:
        ShapeError: other axes, other channels, or a size of 0.
    """
    shape = tuple(images.shape)
    if images.ndim != 4 or shape[1] != channels or 0 in shape:
        raise ShapeError(f"this network reads images (B, {channels}, H, W), got {shape}. Choose its channels, or train another.")


def check_sizes(net: str, *widths: object, depth: object) -> None:
    """Refuse widths and depths that no network has.

    Raises:
        ConfigError: a width outside 1..MAX_WIDTH, a depth outside 1..MAX_DEPTH, or no whole numbers.
    """
    for width in widths:
        if not _within(width, 1, MAX_WIDTH):
            raise ConfigError(f"the width of a {net} is a whole number of feature maps, 1 to {MAX_WIDTH}, got {width!r}.")
    if not _within(depth, 1, MAX_DEPTH):
        raise ConfigError(f"the depth of a {net} is its number of poolings, 1 to {MAX_DEPTH}, got {depth!r}.")


def check_ends(*, channels: int, classes: int) -> None:
    """Refuse networks that read or answer nothing.

    Raises:
        ConfigError: channels or classes < 1.
    """
    if channels < 1 or classes < 1:
        raise ConfigError(f"a network has at least one channel and one class, got {channels} and {classes}.")


def _within(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
