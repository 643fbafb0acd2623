"""From unscaled maps to 0..1 with constants measured once on training images.

Scaling each image by its own minimum and maximum would invent a hotspot in every empty one; here the scale belongs to
a network and a method and is kept beside the weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from segcore.errors import BundleError, ConfigError, ShapeError

_SHIFT = 12
"""Bits of a float32 that the histogram drops: bins are 2^-11 wide, relative to their value."""
_BINS = 1 << (31 - _SHIFT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How one network's maps of one method become values of 0..1."""

    scale: float
    """A high quantile of the unscaled map over training images that hold the class; in the map's own unit."""
    gain: float = 2.0
    """Steepness of the logistic, per scale; with the midpoint at 0 a gain of 2 makes it tanh(map / scale)."""
    midpoint: float = 0.0
    """Where the logistic is at 1/2, in scales. A steep logistic around 1/2 would hide the faint rims of outlines."""
    stages: tuple[float, ...] = ()
    """Scale of each layer of a fused map, before they are fused; empty for maps of one layer."""

    def __post_init__(self) -> None:
        if not (0 < self.scale < math.inf and 0 < self.gain < math.inf and 0 <= self.midpoint < math.inf):
            raise ConfigError(f"a calibration has scale > 0, gain > 0 and midpoint >= 0, got {self.scale}, {self.gain}, {self.midpoint}.")
        if not all(0 < stage < math.inf for stage in self.stages):
            raise ConfigError(f"each fused layer has a scale > 0, got {self.stages}.")

    def apply(self, maps: Tensor) -> Tensor:
        """Unscaled maps >= 0 of any shape -> the same shape in 0..1, rising with the map, exactly 0 where the map is 0.

        p = logistic(gain (map / scale - midpoint)), then (p - p0) / (1 - p0) with p0 = p at map 0: ground that no
        window explained counts as 0 when windows are blended, so ground with an empty map must count as 0 too.
        """
        rest = 1 / (1 + math.exp(min(self.gain * self.midpoint, 700.0)))
        value = torch.sigmoid(self.gain * (maps.float() / self.scale - self.midpoint))
        return ((value - rest) / (1 - rest)).clamp(0, 1).masked_fill(maps == 0, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON; no stages where there are none."""
        values = asdict(self)
        return values if self.stages else {name: value for name, value in values.items() if name != "stages"}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """The reverse of to_dict.

        Raises:
            BundleError: a key is missing or foreign, or a value is out of range.
        """
        try:
            rest = dict(values)
            stages = tuple(float(stage) for stage in rest.pop("stages", ()))
            return cls(**{name: float(value) for name, value in rest.items()}, stages=stages)
        except (TypeError, ValueError) as error:
            raise BundleError(
                f"a calibration holds scale, gain and midpoint as numbers, got {dict(values)}. Train or calibrate again."
            ) from error


def calibrate(maps: Iterable[Tensor], *, quantile: float = 0.99, stages: tuple[float, ...] = ()) -> Calibration:
    """Scale = the quantile over all pixels of all maps, each of any shape, seen one after the other.

    The maps are those of training images that hold the class. Memory does not grow with their number: pixels are
    counted in bins of relative width 1/2048, and the scale is the lower edge of the bin that holds the quantile.
    stages: with what the layers of a fused map were scaled; kept beside the scale.

    Raises:
        ConfigError: quantile is not within 0..1, or the quantile of the maps is 0 (or there is no map).
        ShapeError: a map holds negative or non-finite values.
    """
    if not 0 < quantile <= 1:
        raise ConfigError(f"a quantile is above 0 and at most 1, got {quantile}.")
    counts = torch.zeros(_BINS, dtype=torch.int64)
    for part in maps:
        counts += _histogram(part)
    scale = _quantile(counts, quantile)
    if scale <= 0:
        raise ConfigError(
            f"a scale needs maps above 0, but {100 * quantile:g} % of {int(counts.sum())} pixels are 0. "
            "Choose another method or layer, or train the network longer."
        )
    return Calibration(scale=scale, stages=stages)


def _histogram(maps: Tensor) -> Tensor:
    """Pixel counts by the leading bits of their float32 pattern, which rises with the value for values >= 0."""
    values = maps.detach().to("cpu", torch.float32).flatten() + 0.0  # + 0.0 turns -0.0 into 0.0
    if not bool(((values >= 0) & (values < math.inf)).all()):
        raise ShapeError("a map holds finite values of 0 or more; this one holds others. Check the images for NaN.")
    return torch.bincount(values.view(torch.int32) >> _SHIFT, minlength=_BINS)


def _quantile(counts: Tensor, quantile: float) -> float:
    total = int(counts.sum())
    if total == 0:
        return 0.0
    wanted = math.ceil(quantile * total)
    found = int(torch.searchsorted(counts.cumsum(0), wanted))
    return torch.tensor([found << _SHIFT], dtype=torch.int32).view(torch.float32).item()
