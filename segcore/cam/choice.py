"""Which activation map is drawn, and drawing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from torch import Tensor, nn

from segcore.cam.gradient import Fusion, fuse_stages, layer_cams
from segcore.cam.methods import CAMS, site_score
from segcore.errors import ConfigError


@dataclass(frozen=True, slots=True)
class MapChoice:
    """A method and where it looks."""

    method: str
    """A key of CAMS."""
    layer: str
    """Dotted name of the layer; for layer-cam also several joined by +, which are fused. Some methods ignore it."""
    fuse: Fusion = "weighted"
    """How several layers are fused."""

    def __post_init__(self) -> None:
        if self.method not in CAMS:
            raise ConfigError(f"an activation map is one of {', '.join(CAMS)}; got {self.method!r}.")
        if self.fuse not in get_args(Fusion):
            raise ConfigError(f"stages are fused by {' or '.join(get_args(Fusion))}, got {self.fuse!r}.")
        if not all(self.layers):
            raise ConfigError(f"a map is named method@layer, fused ones method@layer+layer; got {self.method}@{self.layer}.")
        if self.method != "layer-cam" and len(self.layers) > 1:
            raise ConfigError(f"only layer-cam fuses layers; {self.method} looks at one, got {self.layer}.")
        if self.fuse != "weighted" and len(self.layers) == 1:
            raise ConfigError(f"stages are fused where there are several; got one, {self.layer}. Leave :{self.fuse} out.")

    def __str__(self) -> str:
        """method@layer, method@layer+layer or method@layer+layer:max: the key under which calibrations are kept."""
        return f"{self.method}@{self.layer}{'' if self.fuse == 'weighted' else f':{self.fuse}'}"

    @classmethod
    def parse(cls, key: str) -> MapChoice:
        """The reverse of str.

        Raises:
            ConfigError: the method or the fusion is unknown, or the method does not fuse.
        """
        method, _, place = key.partition("@")
        layer, _, fuse = place.partition(":")
        return cls(method, layer, fuse or "weighted")  # type: ignore[arg-type]  # checked at birth

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers one by one."""
        return tuple(self.layer.split("+"))

    @property
    def stages(self) -> tuple[MapChoice, ...]:
        """The maps that are fused, one per layer; none where there is one layer."""
        return tuple(MapChoice(self.method, layer) for layer in self.layers) if len(self.layers) > 1 else ()


def draw(model: nn.Module, images: Tensor, choice: MapChoice, stages: Sequence[float] = ()) -> Tensor:
    """The map of class 1: images (B, C, H, W) -> (B, H, W) float32 >= 0, not yet calibrated.

    stages: the calibration scale of each fused layer, in their order; empty where one layer is looked at.

    Raises:
        ConfigError: as the method; not one scale per fused layer.
        ShapeError: as the method.
    """
    score = site_score(choice.method)
    if len(choice.layers) == 1:
        return CAMS[choice.method](model, images, choice.layer, score)
    return fuse_stages(layer_cams(model, images, choice.layers, score), stages, choice.fuse)
