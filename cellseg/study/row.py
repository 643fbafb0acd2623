"""One run of a study: worse labels, a method that learns from them, its Dice on clean labels of other images."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.dataset import Dataset, open_dataset
from cellseg.image import IGNORE
from cellseg.perturb.bias import Bias
from cellseg.perturb.folder import perturb_dataset
from cellseg.perturb.inclusion import Inclusion
from cellseg.perturb.omission import Omission
from cellseg.perturb.perturbation import Perturbation
from cellseg.study.learners import Learner, Lesson
from cellseg.study.plan import BIAS_UNIT, CLEAN, Key, StudyPlan
from cellseg.study.table import Row
from segcore.errors import ConfigError
from segcore.metrics.pixels import Counts, count, dice, precision, recall
from segcore.nets.names import NET_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that a process needs to make a row; plain values, so that it can be sent."""

    key: Key
    plan: StudyPlan
    data: Path
    train: tuple[str, ...]
    """Names of the images that are learnt from."""
    test: tuple[str, ...]
    work: Path
    """Folder for what is made on the way; each job has its own in it, and removes it."""
    learner: Learner
    commit: str
    settings: str

    def make(self) -> Row:
        """Run it.

        Raises:
            SegError: what the perturbation or the learner refuses.
        """
        start = time.monotonic()
        data = open_dataset(self.data)
        folder = self.work / self.key.words.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return self._row(data, folder, start)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _row(self, data: Dataset, folder: Path, start: float) -> Row:
        plan, key = self.plan, self.key
        own = data.only(self.train)
        labels = self._labels(own, folder)
        reached = self._reached(own, labels)
        lesson = Lesson(
            net=key.net,
            data=own,
            labels=labels,
            target=plan.target,
            learning=plan.learning,
            seed=plan.training_seed(key),
            split_seed=plan.split_seed(key.run),
            folder=folder,
        )
        learnt = self.learner(lesson)
        counts = judge(learnt.predict, data.only(self.test), plan.target)
        return Row(
            data=data.facts.name,
            target=plan.target,
            net=key.net,
            **self._columns(),
            perturbation=key.perturbation,
            level=key.level,
            run=key.run,
            dice=round(dice(counts), 6),
            precision=round(precision(counts), 6),
            recall=round(recall(counts), 6),
            seconds=round(time.monotonic() - start, 1),
            restarts=learnt.restarts,
            epoch=learnt.epoch,
            parameters=learnt.parameters,
            seed=lesson.seed,
            commit=self.commit,
            settings=self.settings,
            reached=reached,
        )

    def _columns(self) -> dict[str, int]:
        """The settings that have a column of their own."""
        own, net = self.plan.learning, self.key.net
        if net not in NET_NAMES:
            return dict.fromkeys(("depth", "width", "epochs", "patch", "patches"), 0)
        size = {"depth": own.depth if net == "msd" else 0, "width": 0 if net == "msd" else own.width}
        return size | {"epochs": own.epochs, "patch": own.patch or 0, "patches": own.per_epoch or 0}

    def _labels(self, data: Dataset, folder: Path) -> Dataset:
        """The training images with the labels of this run."""
        if self.key.perturbation == CLEAN:
            return data
        worse = perturbation_of(self.key, self.plan.target)
        return open_dataset(perturb_dataset(data, worse, folder / "labels", seed=self.plan.label_seed(self.key)))

    def _reached(self, data: Dataset, labels: Dataset) -> float:
        """Share of the target that was left out, or of the others that was taken for it; nan where labels are clean or biased.

        Raises:
            ConfigError: nothing of the target is left.
        """
        if self.key.perturbation == CLEAN:
            return nan
        target, others = _cells(data, self.plan.target)
        left, _ = _cells(labels, self.plan.target)
        if not left:
            raise ConfigError(
                f"a method learns from what is left of the target; {self.key.words} leaves no {self.plan.target!r} on {len(data)} images, "
                "for rates are of each image. Take a lower level, or larger images."
            )
        if self.key.perturbation == "omission":
            return round((target - left) / target, 6)
        return round((left - target) / others, 6) if self.key.perturbation == "inclusion" and others else nan


def perturbation_of(key: Key, target: str) -> Perturbation:
    """What is done to the labels of the target, which are not clean."""
    match key.perturbation:
        case "omission":
            return Omission(key.level, target=target)
        case "inclusion":
            return Inclusion(key.level, target)
        case _:
            return Bias(int(key.level), unit=BIAS_UNIT, target=target)


def _cells(data: Dataset, target: str) -> tuple[int, int]:
    """How many cells of the target there are, and how many others."""
    counts = [(len(image.ids_of(target)), len(image.ids)) for image in data]
    own = sum(found for found, _ in counts)
    return own, sum(every for _, every in counts) - own


def judge(predict: Callable[[NDArray[Any]], NDArray[np.bool_]], data: Dataset, target: str) -> Counts:
    """Pixels that agree and differ, of all images pooled; unknown ones count neither way."""
    return sum((count(predict(image.pixels), image.mask(target), image.instances == IGNORE) for image in data), Counts())
