"""Layers by their dotted names."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from torch import nn

from segcore.errors import ConfigError


def find_layers(model: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """The modules of the given dotted names, in that order.

    Raises:
        ConfigError: a name is unknown or empty; the message lists names that exist.
    """
    modules = dict(model.named_modules())
    modules.pop("", None)
    for name in names:
        if name not in modules:
            near = get_close_matches(name, modules, n=4) or [child for child, _ in model.named_children()]
            stages = _feature_modules(model)
            known = ", ".join(dict.fromkeys([*stages, *near])) or "none"
            raise ConfigError(f"a layer is named as in the network; {type(model).__name__} has no layer {name!r}. It has {known}.")
    return [modules[name] for name in names]


def stage_layers(model: nn.Module) -> list[str]:
    """Names of the stages of a timm classifier, first (finest) to last (coarsest), each giving (B, C, h, w).

    Raises:
        ConfigError: the network does not list its stages, or they are no feature maps (transformers).
    """
    names = _feature_modules(model)
    if not names:
        raise ConfigError(f"stages are known for timm's classifiers; {type(model).__name__} lists none. Name a layer.")
    if getattr(model, "output_fmt", "NCHW") != "NCHW":
        raise ConfigError(f"a map needs stages of shape (B, C, h, w), unlike {type(model).__name__}'s. Choose a convolutional network.")
    find_layers(model, names)
    return names


def default_layer(model: nn.Module) -> str:
    """Name of the last stage of a timm classifier: what the head reads.

    Raises:
        ConfigError: as stage_layers.
    """
    return stage_layers(model)[-1]


def _feature_modules(model: nn.Module) -> list[str]:
    info: Any = getattr(model, "feature_info", None)
    if not info:
        return []
    return list(dict.fromkeys(entry["module"] for entry in info))
