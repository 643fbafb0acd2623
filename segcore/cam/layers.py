"""Layers by their dotted names."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from difflib import get_close_matches
from functools import partial
from typing import Any

import torch
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
    """Name of the layer whose answer timm's `forward_features` returns: what the head reads.

    Found by one forward call on an empty image; where several modules hand the same answer on, the outermost is named.

    Raises:
        ConfigError: as stage_layers; the network cannot read an empty image of its usual size.
    """
    last = stage_layers(model)[-1]
    forward: Any = getattr(model, "forward_features", None)
    if forward is None:
        return last
    answers: list[tuple[str, Any]] = []
    modules = [(name, module) for name, module in model.named_modules() if name]
    training = [(module, module.training) for module in model.modules()]
    with ExitStack() as undone, torch.no_grad():
        for module, flag in training:
            undone.callback(setattr, module, "training", flag)
            module.training = False
        for name, module in modules:
            undone.callback(module.register_forward_hook(partial(_note_answer, answers, name)).remove)
        features = _of_empty_image(model, forward)
    found = [name for name, answer in answers if answer is features]
    return min(found, key=lambda name: (name.count("."), len(name)), default=last)


def _note_answer(answers: list[tuple[str, Any]], name: str, _module: nn.Module, _inputs: Any, answer: Any) -> None:
    answers.append((name, answer))


def _of_empty_image(model: nn.Module, forward: Any) -> Any:
    """What forward answers to zeros (1, C, H, W) of 64 px, or of the network's usual size where it reads no other or needs more."""
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None:
        raise ConfigError(f"a map needs a convolutional network; {type(model).__name__} has no convolution. Choose another.")
    config: Any = getattr(model, "pretrained_cfg", None) or {}
    usual = tuple(config.get("input_size", (3, 224, 224))[-2:])
    for size in (usual,) if config.get("fixed_input_size") else ((64, 64), usual):
        with suppress(RuntimeError):
            return forward(torch.zeros(1, first.in_channels, *size, device=first.weight.device, dtype=first.weight.dtype))
    raise ConfigError(f"a layer is found on an empty image, but {type(model).__name__} cannot read one of {usual} px. Name a layer.")


def _feature_modules(model: nn.Module) -> list[str]:
    info: Any = getattr(model, "feature_info", None)
    if not info:
        return []
    return list(dict.fromkeys(entry["module"] for entry in info))
