"""SegNet (Badrinarayanan, Kendall & Cipolla 2017): the decoder puts values back where the encoder's maxima were; no skips."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from segcore.nets.blocks import ConvBlock, check_ends, check_images, check_sizes, conv3, cut_back, mirror_to_multiple


@dataclass(frozen=True, slots=True, kw_only=True)
class SegNetConfig:
    """Size of a SegNet; the paper's, on the convolutions of VGG-16, has width 64 and depth 5.

    Raises:
        ConfigError: a width outside 1..4096 or a depth outside 1..8.
    """

    width: int = 32
    """Feature maps at full size; each of the first three poolings doubles them, as in VGG-16."""
    depth: int = 4
    """Poolings, each of which halves the size."""

    def __post_init__(self) -> None:
        check_sizes("SegNet", self.width, depth=self.depth)


class SegNet(nn.Module):
    """Images (B, channels, H, W) float32 -> logits (B, classes, H, W), for any H, W >= 1.

    Two convolutions per block before the first two poolings and three before the others; the decoder mirrors them, and
    its last convolution answers the logits. Batch normalisation everywhere else. Sizes that the poolings cannot halve are
    mirrored to the right and below, and the answer is cut back.

    Raises:
        ConfigError: channels or classes < 1.
    """

    def __init__(self, config: SegNetConfig, *, channels: int, classes: int) -> None:
        """Draw the first weights from torch's global generator."""
        super().__init__()
        check_ends(channels=channels, classes=classes)
        self.config, self.channels, self.classes = config, channels, classes
        widths = [config.width * 2 ** min(level, 3) for level in range(config.depth)]
        layers = [2 if level < 2 else 3 for level in range(config.depth)]
        befores = [channels, *widths]
        self.down = nn.ModuleList(ConvBlock(befores[i], *[widths[i]] * layers[i]) for i in range(config.depth))
        self.up = nn.ModuleList(
            ConvBlock(widths[i], *[widths[i]] * (layers[i] - 1), *([befores[i]] if i else [])) for i in reversed(range(config.depth))
        )
        self.head = conv3(config.width, classes, bias=True)

    @property
    def grid(self) -> int:
        """Pixels between the places where poolings begin: parts of an image that begin on this grid are answered as the whole is."""
        return int(2**self.config.depth)

    def features(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W) -> what the last layer reads, (B, width, H, W), >= 0.

        Raises:
            ShapeError: images of other channels or axes.
        """
        return cut_back(self._maps(images), images)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W) -> logits (B, classes, H, W).

        Raises:
            ShapeError: images of other channels or axes.
        """
        return cut_back(self.head(self._maps(images)), images)

    def _maps(self, images: Tensor) -> Tensor:
        check_images(images, self.channels)
        values = mirror_to_multiple(images, self.grid).contiguous(memory_format=torch.channels_last)
        maxima: list[Tensor] = []
        for block in self.down:
            values, places = functional.max_pool2d(block(values), 2, return_indices=True)
            maxima.append(places)
        for block in self.up:
            values = block(functional.max_unpool2d(values, maxima.pop(), [2, 2]))
        return values
