"""Where to compute."""

from __future__ import annotations

import torch

from segcore.errors import ConfigError


def choose_device(name: str) -> str:
    """cpu or cuda; auto takes a GPU where there is one.

    Raises:
        ConfigError: cuda is asked for and there is none, or the name is another one.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"a device is auto, cpu or cuda, got {name!r}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda needs a GPU that PyTorch sees; there is none. Use --device cpu.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
