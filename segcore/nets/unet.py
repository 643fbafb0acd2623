"""U-Net (Ronneberger, Fischer & Brox 2015): an encoder, a decoder, and skips between equal sizes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from segcore.errors import ConfigError
from segcore.nets.blocks import ConvBlock, check_ends, check_images, check_sizes, conv1, cut_back, double, halve, mirror_to_multiple


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetConfig:
    """Size of a U-Net; the paper's has width 64 and depth 4.

    Raises:
        ConfigError: a width outside 1..4096, widths that are not depth + 1, or a depth outside 1..8.
    """

    width: int | tuple[int, ...] = 32
    """Feature maps at full size, which every pooling doubles; or one number for each size, depth + 1 of them, full size first."""
    depth: int = 4
    """Poolings, each of which halves the size."""
    norm: bool = True
    """Batch normalisation after each convolution (the paper has none)."""

    def __post_init__(self) -> None:
        if isinstance(self.width, list):  # as JSON keeps it
            object.__setattr__(self, "width", tuple(self.width))
        check_sizes("U-Net", *(self.width if isinstance(self.width, tuple) else [self.width]), depth=self.depth)
        if len(self.widths) != self.depth + 1:
            raise ConfigError(
                f"a U-Net of depth {self.depth} has {self.depth + 1} widths, got {len(self.widths)}. Give one alone to double it."
            )
        if not isinstance(self.norm, bool):
            raise ConfigError(f"norm says whether a U-Net normalises, true or false, got {self.norm!r}.")

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature maps for each size, full size first."""
        if isinstance(self.width, int):
            return tuple(self.width * 2**level for level in range(self.depth + 1))
        return self.width


class UNet(nn.Module):
    """Images (B, channels, H, W) float32 -> logits (B, classes, H, W), for any H, W >= 1.

    Against the paper: convolutions keep the size, by zeros outside, so nothing is cropped, and each may be normalised.
    Sizes that the poolings cannot halve are mirrored to the right and below, and the answer is cut back.

    Raises:
        ConfigError: channels or classes < 1.
    """

    def __init__(self, config: UNetConfig, *, channels: int, classes: int) -> None:
        """Draw the first weights from torch's global generator."""
        super().__init__()
        check_ends(channels=channels, classes=classes)
        self.config, self.channels, self.classes = config, channels, classes
        widths = config.widths
        self.down = nn.ModuleList(ConvBlock(before, after, after, norm=config.norm) for before, after in pairwise((channels, *widths)))
        self.rise = nn.ModuleList(double(below, width) for below, width in pairwise(reversed(widths)))
        self.up = nn.ModuleList(ConvBlock(2 * width, width, width, norm=config.norm) for width in widths[-2::-1])
        self.head = conv1(widths[0], classes)

    @property
    def grid(self) -> int:
        """Pixels between the places where poolings begin: parts of an image that begin on this grid are answered as the whole is."""
        return int(2**self.config.depth)

    def features(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W) -> what the last layer reads, (B, widths[0], H, W), >= 0.

        Raises:
            ShapeError: images of other channels or axes.
        """
        check_images(images, self.channels)
        values = mirror_to_multiple(images, self.grid).contiguous(memory_format=torch.channels_last)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            values = block(halve(values) if level else values)
            skips.append(values)
        skips.pop()
        for rise, block in zip(self.rise, self.up, strict=True):
            values = block(torch.cat((skips.pop(), rise(values)), dim=1))
        return cut_back(values, images)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W) -> logits (B, classes, H, W).

        Raises:
            ShapeError: images of other channels or axes.
        """
        logits: Tensor = self.head(self.features(images))
        return logits
