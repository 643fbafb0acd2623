"""Mixed-scale dense network (Pelt & Sethian 2018): one map per layer, every layer sees all before it, dilations mix the scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import torch
from torch import Tensor, nn

from segcore.errors import ConfigError, ShapeError
from segcore.nets.blocks import check_ends, check_images
from segcore.nets.msd_layout import EDGES, Layout
from segcore.nets.msd_op import dense_maps


@dataclass(frozen=True, slots=True, kw_only=True)
class MSDConfig:
    """Size of a mixed-scale dense network; the defaults are the paper's.

    Raises:
        ConfigError: depth, width or dilations is no whole number >= 1, or padding has another name.
    """

    depth: int = 100
    """Layers before the last one."""
    width: int = 1
    """Maps that each layer adds."""
    dilations: int = 10
    """Layer i = 0, 1, ... has dilation (i mod dilations) + 1, in pixels; all its maps share it, where the paper counts on over them."""
    padding: Literal["reflect", "symmetric"] = "reflect"
    """How images and maps are mirrored at their edges: without the edge pixel (as the authors' msdnet) or with it (as msd_pytorch)."""

    def __post_init__(self) -> None:
        for name in ("depth", "width", "dilations"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"the {name} of a mixed-scale dense network is a whole number, at least 1, got {value!r}.")
        if self.padding not in EDGES:
            raise ConfigError(f"the padding of a mixed-scale dense network is one of {', '.join(EDGES)}, got {self.padding!r}.")


class MSDNet(nn.Module):
    """Images (B, channels, H, W) -> logits (B, classes, H, W), for any H, W >= 1.

    As the paper: 3 x 3 convolutions with ReLU, the last layer a 1 x 1 convolution over the images and all maps. Images
    smaller than the largest dilation + 1 are mirrored again and again, as by numpy.pad. Forward and backward are computed
    without concatenation (segcore.nets.msd_op), in the parameters' precision even where autocast is on; there are no second
    derivatives. Backward needs about twice, forward once, 4 bytes x maps x pixels with a margin of the largest dilation.

    Raises:
        ConfigError: channels or classes < 1.
    """

    def __init__(self, config: MSDConfig, *, channels: int, classes: int) -> None:
        """Draw the first weights from torch's global generator."""
        super().__init__()
        check_ends(channels=channels, classes=classes)
        self.config, self.channels, self.classes = config, channels, classes
        seen = range(channels, channels + config.depth * config.width, config.width)
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(config.width, count, 3, 3)) for count in seen)
        self.biases = nn.ParameterList(nn.Parameter(torch.empty(config.width)) for _ in seen)
        self.last = nn.Linear(channels + config.depth * config.width, classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start anew: all 3 x 3 convolutions share one standard deviation, sqrt(2 / (9 (channels + width (depth - 1)) + classes)).

        As in the authors' code. Biases are 0, and so is the last layer: every pixel starts with equal logits, and the first
        step moves the last layer only.
        """
        before_last = self.channels + self.config.width * (self.config.depth - 1)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            nn.init.normal_(weight, std=math.sqrt(2 / (9 * before_last + self.classes)))
            nn.init.zeros_(bias)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    grid = 1
    """Pixels between the places where poolings begin; there are none."""

    def features(self, images: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
        """Images (B, channels, H, W) -> what the last layer reads: images, then the maps in layer order.

        Args:
            images: float, scaled as in training.
            dtype: torch.float16, say, to keep half of the memory; None keeps the parameters' precision.

        Returns:
            (B, channels + depth width, H, W), maps >= 0; differentiable.

        Raises:
            ShapeError: images of other channels or axes.
        """
        maps, layout = self._maps(images)
        return layout.inner(maps).transpose(0, 1).to(dtype or maps.dtype, memory_format=torch.contiguous_format)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W) -> logits (B, classes, H, W).

        Raises:
            ShapeError: images of other channels or axes.
        """
        maps, layout = self._maps(images)
        with torch.autocast(images.device.type, enabled=False):
            logits = layout.inner(self.last.weight @ maps) + self.last.bias[:, None, None, None]
        return logits.transpose(0, 1).contiguous()

    def _maps(self, images: Tensor) -> tuple[Tensor, Layout]:
        check_images(images, self.channels)
        config, (batch, channels, height, width) = self.config, images.shape
        layout = Layout(
            batch=batch,
            channels=channels,
            height=height,
            width=width,
            dilations=tuple(layer % config.dilations + 1 for layer in range(config.depth)),
            growth=config.width,
            edge=EDGES[config.padding],
        )
        with torch.autocast(images.device.type, enabled=False):
            return dense_maps(images.to(self.last.weight.dtype), [*self.weights], [*self.biases], layout), layout


def joined_features(networks: Sequence[MSDNet], images: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Features of several networks side by side, in the order given; networks are run one after the other, without gradients.

    Args:
        networks: at least one, each for the same channels.
        images: (B, channels, H, W) float, scaled as in training.
        dtype: of the result; torch.float16 halves the memory.

    Returns:
        (B, sum of channels + depth width, H, W): each network brings the images again.

    Raises:
        ShapeError: no network, or images of other channels or axes.
    """
    if not networks:
        raise ShapeError("features come from at least one network, got none. Train one, or name its folder.")
    check_images(images, networks[0].channels)
    counts = [network.last.in_features for network in networks]
    joined = images.new_empty(len(images), sum(counts), *images.shape[2:], dtype=dtype)
    with torch.no_grad():
        for network, count, end in zip(networks, counts, accumulate(counts), strict=True):
            maps, layout = network._maps(images)
            joined[:, end - count : end] = layout.inner(maps).transpose(0, 1)
    return joined
