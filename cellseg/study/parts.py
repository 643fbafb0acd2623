"""Which images of a dataset are learnt from, which test, and which dataset it is."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from cellseg.dataset import Dataset
from cellseg.perturb.folder import check_perturbation
from cellseg.perturb.inclusion import Inclusion
from cellseg.splits import make_splits
from cellseg.study.plan import StudyPlan, seed_of
from cellseg.training.held import TRAIN, VALIDATION
from segcore.errors import ConfigError

TEST_SHARE = 0.3
"""Of the images, where the dataset says no splits."""


def parts(data: Dataset, plan: StudyPlan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the images to learn from and to test on: the splits train and test, or chosen by the seed.

    Images of the split validation, or val, are among those to learn from: training finds them there and judges by them.

    Raises:
        ConfigError: volumes, a class that the dataset or its training images do not have, or too few images.
    """
    if data.facts.is_volume:
        raise ConfigError(f"a study learns from 2-D images; {data.path} holds volumes. Make slices, as `cellseg simulate --slices` does.")
    if plan.target not in data.classes:
        raise ConfigError(
            f"the target is a class of the dataset, which are {', '.join(data.classes)}; got {plan.target!r:.80}. Choose one."
        )
    if plan.inclusion:
        check_perturbation(data, Inclusion(1.0, plan.target))
    if len(data) < 3:
        raise ConfigError(
            "a study learns from some images, validates on others and tests on others still, so it needs at least three; "
            f"{data.path} has {len(data)}. Add others."
        )
    train, test = _named(data) if {own for own, _ in data.splits.values()} else _drawn(data, plan)
    for names, words in ((train, "learn from"), (test, "test on")):
        if not any(len(data[name].ids_of(plan.target)) for name in names):
            raise ConfigError(
                f"the target is on some images of each part; none of the {len(names)} to {words} has {plan.target!r}. Label more."
            )
    if plan.inclusion and not any(len(data[name].ids) > len(data[name].ids_of(plan.target)) for name in train):
        raise ConfigError(
            f"inclusion takes cells of other classes for the target; the {len(train)} images to learn from have {plan.target!r} only. "
            "Leave inclusion out."
        )
    return train, test


def fingerprint(data: Dataset) -> str:
    """A digest of what a dataset holds: another pixel, label, class or split is another dataset, another file format is not.

    Raises:
        InputError: an image cannot be read.
    """
    digest = sha256("|".join((data.facts.name, data.axes, *data.classes)).encode())
    for image in data:
        classes = [image.class_of(own) for own in image.ids]
        for array in (image.pixels, image.instances):
            digest.update(f"{array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        digest.update(repr((image.name, data.splits.get(image.name), classes)).encode())
    return digest.hexdigest()[:16]


def _named(data: Dataset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the splits say; images of other splits are left out."""
    learnt = {*data.split(TRAIN).names, *(name for name, (split, _) in data.splits.items() if split in VALIDATION)}
    return tuple(name for name in data.names if name in learnt), data.split("test").names


def _drawn(data: Dataset, plan: StudyPlan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    rng = np.random.default_rng(seed_of(plan.seed, "parts"))
    found = make_splits(data.names, {}, {"train": 1 - TEST_SHARE, "test": TEST_SHARE}, rng)
    train, test = (tuple(name for name in data.names if found[name][0] == part) for part in ("train", "test"))
    return train, test
