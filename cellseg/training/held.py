"""Which images are learnt from, and which choose the best epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from cellseg.dataset import Dataset
from cellseg.splits import make_splits
from cellseg.tables import SPLITS_FILE
from segcore.errors import InputError

TRAIN, VALIDATION = "train", ("validation", "val")
"""Names of splits that have a meaning here."""
_DRAWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnable:
    """Images that may be learnt from."""

    names: tuple[str, ...]
    """To learn from; where validation is empty, a share of them is held back."""
    validation: tuple[str, ...]
    """Those that splits.csv holds back."""
    left_out: tuple[str, ...]
    """Images of other splits, such as test: neither is told of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Both sides of the training; names in alphabetical order."""

    train: tuple[str, ...]
    validation: tuple[str, ...]


def learnable(data: Dataset) -> Learnable:
    """All images where none has a split; else those of the split "train", and those of the split "validation" to judge.

    Raises:
        InputError: there are splits, and none is "train".
    """
    splits = {name: data.splits.get(name, ("", ""))[0] for name in data.names}
    named = sorted(set(splits.values()) - {""})
    if not named:
        return Learnable(names=data.names, validation=(), left_out=())
    if TRAIN not in named:
        raise InputError(
            f"where a dataset has splits, its split {TRAIN} is learnt from; {data.path} has {', '.join(named)}. "
            f"Name one of them {TRAIN} in {SPLITS_FILE}."
        )
    train = tuple(name for name in data.names if splits[name] == TRAIN)
    validation = tuple(name for name in data.names if splits[name] in VALIDATION)
    left = tuple(name for name in data.names if splits[name] not in (TRAIN, *VALIDATION))
    return Learnable(names=train, validation=validation, left_out=left)


def hold_back(data: Dataset, found: Learnable, showing: Collection[str], share: float, seed: int) -> Held:
    """Part the images; a group (patient, slide, volume) is on one side, and both sides show the target.

    Args:
        data: whose groups count.
        found: the images.
        showing: names of images with the target.
        share: of the images, for validation.
        seed: decides among ways to part them.

    Raises:
        InputError: there is one image or group, or only one has the target.
    """
    if found.validation:
        _require_both(data, found.names, found.validation, showing)
        return Held(train=found.names, validation=found.validation)
    groups = {name: data.splits[name][1] for name in found.names if name in data.splits}
    whole = {name: (groups.get(name, ""), "" if groups.get(name) else name) for name in found.names}
    if len(set(whole.values())) < 2:
        what = "an image" if len(found.names) == 1 else "a group of images"
        raise InputError(
            f"{what} is held back to choose the best epoch, so there are at least two; {data.path} has one to learn from, "
            f"{found.names[0]}. Add another."
        )
    if len({whole[name] for name in showing}) < 2:
        raise InputError(
            f"the target is needed in images to learn from and in others to judge; in {data.path} only {min(showing)} or its group "
            "shows it. Annotate more."
        )
    rng = np.random.default_rng([seed, 1])
    for _ in range(_DRAWS):
        parted = make_splits(found.names, groups, {TRAIN: 1 - share, VALIDATION[0]: share}, rng)
        sides = {name: split for name, (split, _) in parted.items()}
        if len({sides[name] for name in showing}) == 2:
            break
    else:
        _move_one(sides, whole, showing)
    train, held = (tuple(name for name in found.names if sides[name] == side) for side in (TRAIN, VALIDATION[0]))
    return Held(train=train, validation=held)


def _move_one(sides: dict[str, str], whole: Mapping[str, tuple[str, str]], showing: Collection[str]) -> None:
    """Put the smallest group that shows the target on the other side: all that show it are on one."""
    sizes = Counter(whole.values())
    moved = min((whole[name] for name in showing), key=lambda group: (sizes[group], group))
    for name, group in whole.items():
        if group == moved:
            sides[name] = VALIDATION[0] if sides[name] == TRAIN else TRAIN


def _require_both(data: Dataset, train: tuple[str, ...], validation: tuple[str, ...], showing: Collection[str]) -> None:
    for names, split in ((train, TRAIN), (validation, VALIDATION[0])):
        if not set(names) & set(showing):
            raise InputError(f"the target is needed in the splits train and validation; {data.path} has none in {split}. Change it.")
