"""A dataset to a segmenter: looked through, parted, learnt, written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cellseg.dataset import Dataset
from cellseg.facts import FACTS_FILE
from cellseg.training.collapse import CollapseError
from cellseg.training.held import Held, hold_back, learnable
from cellseg.training.images import TargetImages
from cellseg.training.learn import Learnt, Material, learn
from cellseg.training.normalise import normalisation
from cellseg.training.patches import Survey, require_target, survey, thinned, tiles
from cellseg.training.rehearsal import Rehearsal, rehearse
from cellseg.training.settings import SegmenterTraining
from segcore.device import choose_device
from segcore.errors import ConfigError, InputError
from segcore.files import require_free, sha256
from segcore.metrics.pixels import dice, precision, recall
from segcore.progress import Progress, Silent, spoken
from segcore.provenance import collect
from segcore.train.bundle import Bundle, save_bundle
from segcore.train.loop import TrainConfig
from segcore.windows import GridConfig

BACKGROUND = "background"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A dataset looked through: what is learnt from, and how it was parted."""

    material: Material
    held: Held
    patch: int
    surveys: Mapping[str, Survey]


def train_segmenter(
    data: Dataset,
    out: Path,
    training: SegmenterTraining,
    loop: TrainConfig,
    *,
    labels: Dataset | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a segmenter of one class and write it as a bundle; returns the bundle's metrics.

    Where the dataset has splits, images of "train" are learnt from, and those of "validation" or "val" choose the best
    epoch. Without the latter a share of the images is held back for that, groups whole.

    Args:
        data: the images, planes or volumes; volumes are learnt from plane by plane.
        out: folder of the bundle.
        training: what is learnt and how.
        loop: epochs, learning rate, precision, device.
        labels: another dataset with the same names whose labels are learnt from and judged by, such as perturbed ones.
        overwrite: replace an earlier bundle.
        progress: hears of images, cost and epochs.

    Raises:
        ConfigError: the target is no class, a patch is larger than an image, labels have other names, bf16 without a GPU.
        InputError: nothing can be learnt: one image, splits without "train", no known pixel, no cell of the target, mixed pixel types.
        OutputError: out exists or cannot be written.
        CollapseError: every start ended with everything background.
        RunError: the loss is no number.
    """
    heard: Progress = progress or Silent()
    require_free(out, overwrite=overwrite, replaces="bundle.json")
    if loop.precision != "32" and choose_device(loop.device) == "cpu":
        raise ConfigError(f"precision {loop.precision} needs a GPU, here is none or --device cpu. Use --precision 32.")
    found = prepare(data, training, labels=labels, progress=heard)
    _say_cost(found, training, loop, heard)
    learnt = learn(found.material, training, loop, heard)
    if learnt.collapsed:
        raise CollapseError(
            f"the network calls everything background after each of {training.restarts + 1} starts; no model was written. "
            "Look at the labels, or give more epochs."
        )
    metrics = {"validation": _summary(learnt, found)}
    facts = {**_facts(data, training, found), "metrics": metrics}
    inputs = {"data": sha256(data.path / FACTS_FILE)} | ({} if labels is None else {"labels": sha256(labels.path / FACTS_FILE)})
    made = collect({"training": training.as_dict(), "loop": asdict(loop)}, inputs)
    bundle = Bundle(kind="segmenter", facts=facts, members=[learnt.network.state_dict()], provenance=made)
    save_bundle(bundle, out, overwrite=overwrite)
    return metrics


def prepare(data: Dataset, training: SegmenterTraining, *, labels: Dataset | None = None, progress: Progress | None = None) -> Prepared:
    """Look through the images that may be learnt from, and part them.

    Raises:
        ConfigError, InputError: as train_segmenter.
    """
    heard: Progress = progress or Silent()
    _require_fitting(data, labels, training.target)
    images, found = TargetImages(data, training.target, labels=labels), learnable(data)
    if found.left_out:
        heard.say(f"{len(found.left_out)} images of other splits than train and validation are left out")
    if data.facts.is_volume:
        heard.say("volumes are learnt from plane by plane")
    names = (*found.names, *found.validation)
    patch = training.patch_for(min(min(plane.height, plane.width) for name in names for plane in images.planes(name)[:1]))
    grid = GridConfig(window=patch, overlap=training.overlap_of(patch))
    surveys = {}
    for done, name in enumerate(names, 1):
        surveys[name] = survey(images, name, grid)
        heard.step("look through", done, len(names))
    require_target(list(surveys.values()), training.target, str((labels or data).path))
    held = hold_back(data, found, [name for name, own in surveys.items() if own.shows], training.validation, training.parted_by)
    material = Material(
        images=images,
        normalise=normalisation(surveys[name].moments for name in held.train),
        train=[patch for name in held.train for patch in surveys[name].patches],
        validation=thinned([own for name in held.validation for own in tiles(images, name, patch)], training.per_epoch),
        bytes={name: own.bytes for name, own in surveys.items()},
    )
    return Prepared(material=material, held=held, patch=patch, surveys=surveys)


def _require_fitting(data: Dataset, labels: Dataset | None, target: str) -> None:
    classes = (labels or data).classes
    if target not in classes:
        raise ConfigError(f"the target is a class of the data, which are {', '.join(sorted(classes))}; got {target!r}. Choose one.")
    if labels is None:
        return
    missing = [name for name in data.names if name not in labels.files]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"labels are paired with images by name; {labels.path} lacks {missing[0]}{more}. Give both the same names.")
    if data.facts.is_volume != labels.facts.is_volume:
        raise InputError(f"labels have the axes of their images; {data.path} is {data.axes}, {labels.path} {labels.axes}. Make them again.")


def expected(found: Prepared, training: SegmenterTraining, loop: TrainConfig) -> tuple[Rehearsal, float]:
    """A rehearsal of the training, and how many seconds one start of it takes at most.

    Raises:
        ConfigError: the network cannot learn from such patches.
    """
    each = training.patches_of(len(found.material.train))
    channels = len(found.material.normalise.mean)
    trial = rehearse(training, channels=channels, patch=found.patch, per_epoch=each, loop=loop)
    return trial, trial.seconds * (each + len(found.material.validation) / 3) * loop.epochs


def _say_cost(found: Prepared, training: SegmenterTraining, loop: TrainConfig, progress: Progress) -> None:
    each = training.patches_of(len(found.material.train))
    trial, seconds = expected(found, training, loop)
    sides = f"{len(found.held.train)} images to learn from, {len(found.held.validation)} to judge"
    what = f"{each} patches of {found.patch} px an epoch, {training.name} of {trial.weights:,} weights on {choose_device(loop.device)}"
    progress.say(f"{sides}; {what}: about {spoken(seconds)} at most")


def _facts(data: Dataset, training: SegmenterTraining, found: Prepared) -> dict[str, Any]:
    """What a bundle states of its network and what it learnt from."""
    size = data.pixel_size_um
    return {
        "net": training.name,
        "options": asdict(training.net),
        "channels": len(found.material.normalise.mean),
        "classes": [BACKGROUND, training.target],
        "target": training.target,
        "pixel_size_um": None if size is None else list(size[-2:]),
        "normalise": found.material.normalise.as_dict(),
        "pixel_type": found.surveys[found.held.train[0]].pixel_type,
        "patch": found.patch,
        "split": {"train": list(found.held.train), "validation": list(found.held.validation), "seed": training.parted_by},
    }


def _summary(learnt: Learnt, found: Prepared) -> dict[str, Any]:
    """Figures of the validation, JSON values."""
    history = learnt.history
    return {
        "dice": round(dice(learnt.counts), 5),
        "precision": round(precision(learnt.counts), 5),
        "recall": round(recall(learnt.counts), 5),
        "images": len(found.held.validation),
        "patches": len(found.material.validation),
        "collapses": learnt.collapses,
        "epochs": len(history.scores),
        "best_epoch": history.best + 1,
        "seconds": round(history.seconds, 1),
        "losses": [round(loss, 5) for loss in history.losses],
        "scores": [round(own, 5) for own in history.scores],
    }
