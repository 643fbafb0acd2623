"""Window classifiers: any convolutional network of timm, for any number of bands, with two outputs."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import nn

from segcore._compat import import_timm
from segcore.errors import BundleError, ConfigError, InputError

CLASSES = 2
"""Outputs of every classifier: 0 = no site, 1 = site."""


def build_classifier(arch: str, *, bands: int, weights: str | Path = "none") -> nn.Module:
    """A timm network that maps float32 images (B, bands, H, W) to logits (B, 2).

    weights "none" starts at random (from torch's global generator), "imagenet" downloads timm's pretrained weights,
    anything else is a .safetensors file of the same architecture. Where the weights were made for another number of
    bands, timm adapts the first convolution: summed over the bands for one band, else repeated and rescaled. A head
    for another number of classes is replaced by a fresh one.

    Raises:
        ConfigError: timm knows no such architecture, or bands < 1.
        InputError: the weights cannot be had: no file, no safetensors, hub out of reach.
        BundleError: the file is damaged or belongs to another architecture.
    """
    timm = import_timm()
    if bands < 1:
        raise ConfigError(f"a classifier reads at least one band, got {bands}.")
    _check_arch(timm, arch)
    if str(weights) == "none":
        return _create(timm, arch, bands=bands, classes=CLASSES)
    if str(weights) == "imagenet":
        return _from_hub(timm, arch, bands)
    return _from_file(timm, arch, bands, Path(weights))


def _check_arch(timm: Any, arch: str) -> None:
    name, _, tag = arch.partition(".")
    if not timm.is_model(name):
        near = ", ".join(get_close_matches(name, timm.list_models(), n=5)) or "for example resnet34, densenet121, vgg16"
        raise ConfigError(f"a network is named as in timm; {arch!r} is not there. Close names: {near}.")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(name)]
    if tag and tag not in tags:
        raise ConfigError(f"what follows the point names timm's weights; {name} has {', '.join(tags) or 'none'}; got {tag!r}.")


def _create(timm: Any, arch: str, *, bands: int, classes: int, **source: Any) -> nn.Module:
    model: nn.Module = timm.create_model(arch, in_chans=bands, num_classes=classes, **source)
    return model


def _from_hub(timm: Any, arch: str, bands: int) -> nn.Module:
    if not timm.list_pretrained(arch.partition(".")[0]):
        raise InputError(f"timm has no pretrained weights of {arch}. Choose --weights none or another network.")
    try:
        return _create(timm, arch, bands=bands, classes=CLASSES, pretrained=True)
    except Exception as error:  # the hub's client, its transport and urllib each bring their own error tree
        raise InputError(
            f"the pretrained weights of {arch} could not be downloaded ({type(error).__name__}). "
            "Pass --weights with a local .safetensors file of this network, or none."
        ) from error


def _from_file(timm: Any, arch: str, bands: int, path: Path) -> nn.Module:
    """Load strictly with the file's own head, then replace the head: a name that does not fit is never skipped."""
    if path.suffix != ".safetensors":
        raise InputError(f'weights are "none", "imagenet" or a .safetensors file, got {str(path)!r}.')
    if not path.is_file():
        raise InputError(f"a weights file is needed, but {path} is not there.")
    config = timm.get_pretrained_cfg(arch)
    try:
        file_bands, classes = _file_sizes(path, config, bands)
        source = {"file": str(path), "num_classes": classes, "label_offset": 0, "input_size": (file_bands, *config.input_size[1:])}
        model = _create(timm, arch, bands=bands, classes=classes, pretrained=True, pretrained_cfg_overlay=source)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{path} must be a safetensors file, but cannot be read as such. Make it again.") from error
    except (RuntimeError, KeyError, ValueError) as error:
        raise BundleError(f"{path} does not hold weights of {arch} for {bands} band(s). Name the network that it was made for.") from error
    if classes != CLASSES:
        reset: Any = model.reset_classifier
        reset(CLASSES)
    return model


def _file_sizes(path: Path, config: Any, bands: int) -> tuple[int, int]:
    """Bands of the first convolution and classes of the head that a file holds; 0 classes where it has no head."""
    with safe_open(path, framework="pt") as stored:
        names = set(stored.keys())

        def shape(module: str | Sequence[str] | None) -> list[int] | None:
            name = module if isinstance(module, str) or not module else module[0]
            weight = f"{name}.weight"
            return list(stored.get_slice(weight).get_shape()) if weight in names else None

        first, head = shape(config.first_conv), shape(config.classifier)
    return (first[1] if first and len(first) == 4 else bands), (head[0] if head else 0)
