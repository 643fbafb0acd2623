"""The seam between what explains a window and the pipeline that scans, stores and outlines."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Evidence(Protocol):
    """What a scan asks for each window; it may be a classifier with activation maps, a segmenter, or anything else.

    Tensors come and go on the CPU. The answer for a window depends on that window alone.
    """

    @property
    def members(self) -> int:
        """M: how many networks give a score."""
        ...

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the K maps."""
        ...

    def screen(self, windows: Tensor) -> Tensor:
        """uint8 windows (B, C, H, W) -> probability (B, M) that a window holds what is looked for."""
        ...

    def maps(self, windows: Tensor) -> Tensor:
        """uint8 windows (B, C, H, W) -> where it is, (B, K, H, W) in 0..1."""
        ...
