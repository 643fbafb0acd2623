"""Splits that keep groups whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose

import numpy as np

from segcore.errors import ConfigError


def make_splits(
    names: Sequence[str], groups: Mapping[str, str], shares: Mapping[str, float], rng: np.random.Generator
) -> dict[str, tuple[str, str]]:
    """Put images into splits at random; a group (a patient, a slide, a volume) is never split.

    Larger groups are placed first, each where most images are still missing, so that the shares are met as well as whole
    groups allow; every split gets at least one group.

    Args:
        names: of the images.
        groups: group of an image; one left out, or "", stands alone.
        shares: of each split, above 0, together 1.
        rng: decides among groups of one size.

    Returns:
        {name: (split, group)}, in the order of names: what write_dataset takes.

    Raises:
        ConfigError: shares that are none, names that are there twice, groups of unknown images, or fewer groups than splits.
    """
    _require_shares(shares)
    if len(set(names)) < len(names) or groups.keys() - set(names):
        raise ConfigError("images are split by their names, each there once, and groups are of these images; got others or one twice.")
    members: dict[tuple[str, str], list[str]] = {}
    for name in names:
        group = groups.get(name, "")
        members.setdefault((group, "" if group else name), []).append(name)
    if len(members) < len(shares):
        raise ConfigError(f"each split needs a group of its own; got {len(members)} groups for {len(shares)} splits. Ask for fewer splits.")
    keys = list(members)
    order = sorted((keys[at] for at in rng.permutation(len(keys))), key=lambda key: -len(members[key]))
    missing = {split: share * len(names) for split, share in shares.items()}
    empty = dict.fromkeys(shares)
    found: dict[str, tuple[str, str]] = {}
    for number, key in enumerate(order):
        open_splits = empty if len(order) - number == len(empty) else missing
        split = max(open_splits, key=missing.__getitem__)
        empty.pop(split, None)
        missing[split] -= len(members[key])
        found |= {name: (split, key[0]) for name in members[key]}
    return {name: found[name] for name in names}


def _require_shares(shares: Mapping[str, float]) -> None:
    if not shares or not all(name for name in shares) or min(shares.values()) <= 0 or not isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise ConfigError(f'shares of splits are above 0 and together 1, as {{"train": 0.8, "test": 0.2}}; got {dict(shares)}.')
