"""The registry of segmentation networks: a name and settings -> a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from torch import nn

from segcore.errors import ConfigError
from segcore.nets.msd import MSDConfig, MSDNet
from segcore.nets.segnet import SegNet, SegNetConfig
from segcore.nets.unet import UNet, UNetConfig

NetConfig = UNetConfig | SegNetConfig | MSDConfig

NETS: Mapping[str, type[NetConfig]] = MappingProxyType({"unet": UNetConfig, "segnet": SegNetConfig, "msd": MSDConfig})
"""Name -> settings, in the order of segcore.nets.names.NET_NAMES."""


def config_from(name: str, options: Mapping[str, Any]) -> NetConfig:
    """Settings of a named network; what options leaves out keeps its default.

    Raises:
        ConfigError: no such network, an option that it does not have, or a value outside its range.
    """
    if name not in NETS:
        raise ConfigError(f"a segmentation network is one of {', '.join(NETS)}, got {name!r}.")
    known = [field.name for field in fields(NETS[name])]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(f"{name} has the options {', '.join(known)}, got {', '.join(unknown)}.")
    return NETS[name](**options)


def build_net(config: NetConfig, *, channels: int, classes: int) -> nn.Module:
    """A network that maps float32 images (B, channels, H, W) to logits (B, classes, H, W), for any H, W >= 1.

    The first weights come from torch's global generator.

    Raises:
        ConfigError: channels or classes < 1.
    """
    match config:
        case UNetConfig():
            return UNet(config, channels=channels, classes=classes)
        case SegNetConfig():
            return SegNet(config, channels=channels, classes=classes)
        case MSDConfig():
            return MSDNet(config, channels=channels, classes=classes)
