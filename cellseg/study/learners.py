"""How a method of a study learns: networks through cellseg.training, classical methods through cellseg.baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cellseg.dataset import Dataset
from cellseg.study.names import BASELINE_NAMES
from cellseg.study.plan import Learning

if TYPE_CHECKING:
    from cellseg.training.settings import SegmenterTraining
    from segcore.train.loop import TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """What a method is to learn."""

    net: str
    data: Dataset
    """Training images with their own labels; those that the dataset has for validation are among them, in a split of that name."""
    labels: Dataset
    """The same images with the labels that are learnt from."""
    target: str
    learning: Learning
    seed: int
    """Start of all chance but that of the next."""
    split_seed: int
    """Decides which images a network holds back; methods without one learn from all."""
    folder: Path
    """Scratch, which the caller removes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learnt:
    """What has been learnt."""

    predict: Callable[[NDArray[Any]], NDArray[np.bool_]]
    """Pixels (C, H, W) -> what is taken for the target, (H, W)."""
    restarts: int = 0
    epoch: int = 0
    parameters: int = 0


class Learner(Protocol):
    """A function that learns; it is sent to other processes, so it stands in a module."""

    def __call__(self, lesson: Lesson) -> Learnt:
        """Learn.

        Raises:
            SegError: the data cannot be learnt from.
        """
        ...


def learn(lesson: Lesson) -> Learnt:
    """The learner of all methods by name."""
    return learn_baseline(lesson) if lesson.net in BASELINE_NAMES else learn_network(lesson)


def learn_baseline(lesson: Lesson) -> Learnt:
    """Fit a classical method, on all images of the lesson: it has no epoch to choose."""
    from cellseg.baselines import BASELINES

    fitted = BASELINES[lesson.net](lesson.labels, lesson.target, np.random.default_rng(lesson.seed))
    return Learnt(predict=fitted.predict)


def learn_network(lesson: Lesson) -> Learnt:
    """Train a network; the epoch is chosen on held-back images with the labels that are learnt from, as whoever has no others must.

    One that calls everything background after its last restart is what it is: nothing is found, and the epoch is 0.

    Raises:
        SegError: as cellseg.training.segmenter.train_segmenter, but for that.
    """
    from cellseg.predict import load_segmenter
    from cellseg.training.collapse import CollapseError
    from cellseg.training.segmenter import train_segmenter
    from segcore.threads import torch_threads

    own, model = lesson.learning, lesson.folder / "model"
    training, loop = settings_of(lesson)
    try:
        with torch_threads(own.threads):
            facts = train_segmenter(lesson.data, model, training, loop, labels=lesson.labels)["validation"]
    except CollapseError:
        return Learnt(predict=lambda pixels: np.zeros(pixels.shape[1:], dtype=bool), restarts=training.restarts)
    segmenter = load_segmenter(model, device=own.device)

    def predict(pixels: NDArray[Any]) -> NDArray[np.bool_]:
        with torch_threads(own.threads):
            return np.asarray(segmenter.predict(pixels) >= 0.5)

    parameters = sum(weights.numel() for weights in segmenter.network.parameters())
    return Learnt(predict=predict, restarts=int(facts["collapses"]), epoch=int(facts["best_epoch"]), parameters=parameters)


def defaults() -> dict[str, Any]:
    """How networks learn where a plan does not say: part of the settings of a study, since other defaults make other rows."""
    from cellseg.training.settings import MSD_START, OVERLAP, PATCH, SegmenterTraining

    own = SegmenterTraining(target="").as_dict()
    kept = {name: own[name] for name in ("stride", "balance", "loss", "start", "augment", "restarts")}
    return {**kept, "patch": PATCH, "overlap": OVERLAP, "msd_start": MSD_START}


def settings_of(lesson: Lesson) -> tuple[SegmenterTraining, TrainConfig]:
    """What cellseg.training is asked for.

    Raises:
        ConfigError: a number out of range.
    """
    from cellseg.training.settings import SegmenterTraining
    from segcore.nets.build import config_from
    from segcore.train.loop import TrainConfig

    own = lesson.learning
    training = SegmenterTraining(
        target=lesson.target,
        net=config_from(lesson.net, own.options(lesson.net)),
        patch=own.patch,
        batch=own.batch,
        per_epoch=own.per_epoch,
        validation=own.validation,
        seed=lesson.seed,
        split_seed=lesson.split_seed,
    )
    loop = TrainConfig(
        epochs=own.epochs,
        patience=own.epochs,
        learning_rate=own.learning_rate,
        precision=own.precision,
        device=own.device,
        seed=lesson.seed,
    )
    return training, loop
