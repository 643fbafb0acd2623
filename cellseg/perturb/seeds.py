"""Chance of an image that depends on a seed and its name, not on its place in a list."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from segcore.errors import ConfigError


def image_rng(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for an image: neither the order of images nor those left out change it.

    Raises:
        ConfigError: the seed is not a whole number from 0.
    """
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(f"a seed is a whole number from 0, got {seed!r}.")
    return np.random.default_rng([int(seed), int.from_bytes(sha256(name.encode()).digest(), "big")])
