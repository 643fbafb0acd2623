"""How a scan decides."""

from __future__ import annotations

from dataclasses import dataclass, replace

from segcore.cam.choice import MapChoice
from segcore.errors import ConfigError
from segcore.pipeline.refine import Refining


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSettings:
    """Which map a scan draws, where, and how it becomes a mask. Lengths are pixels."""

    choice: MapChoice
    """Which map is drawn."""
    gate: float
    """Mean probability of a window from which it is explained."""
    refining: Refining
    """Smoothing, threshold and CRF of the blended map."""

    def __post_init__(self) -> None:
        if not 0 <= self.gate <= 1:
            raise ConfigError(f"the gate is a probability, 0 to 1, got {self.gate:g}.")

    def scaled(self, factor: float) -> ScanSettings:
        """The same with every length times factor."""
        return replace(self, refining=self.refining.scaled(factor))
