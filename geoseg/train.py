"""Chips to a model: site / no-site classifiers, calibrated once, with the settings that outline and scan use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from geoseg.calibration import calibrate_maps
from geoseg.chipset import ChipSet, open_chips, training_batches
from geoseg.defaults import calibrated_maps
from geoseg.folds import FOLDS, apart, make_folds
from geoseg.guide import guide_weights
from geoseg.model import NO_RELU, settings_to_facts
from geoseg.tune import Explainers, Tuned, tune, untuned
from geoseg.tuning_sites import outlined_sites
from segcore.cam.calibrate import Calibration
from segcore.cam.choice import MapChoice
from segcore.cam.gradient import layer_cams
from segcore.cam.guided import has_relus
from segcore.cam.names import DEAR
from segcore.cam.scores import class_score
from segcore.data.variants import Augment, corner_shift
from segcore.device import choose_device
from segcore.errors import ConfigError, InputError
from segcore.files import require_free, sha256
from segcore.nets.classifier import build_classifier
from segcore.predict import predict_windows
from segcore.progress import Progress, Silent
from segcore.provenance import collect
from segcore.train.bundle import Bundle, save_bundle
from segcore.train.loop import History, TrainConfig, fit, seeded


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTraining:
    """How site classifiers learn."""

    arch: str = "resnet34"
    """Any convolutional classifier of timm."""
    members: int = 5
    """Networks in the ensemble; each starts elsewhere and holds another fifth of the ground back."""
    split: Literal["spatial", "random"] = "spatial"
    weights: str = "none"
    """none, imagenet, or a .safetensors file."""
    budget: Literal["small", "full"] = "full"
    """full: every chip about twice an epoch, in batches of 32; small: 20 batches of 16 an epoch, for a quick look."""
    augment: Augment = "rotate"
    """rotate: quarter turns and mirrors; flip: up-down only, better where the sun always stands on one side."""
    calibrate: tuple[str, ...] = ()
    """Methods of hundreds of forward calls to calibrate too: occlusion, score-cam."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.members < 1:
            raise ConfigError(f"an ensemble has at least one member, got {self.members}.")
        if foreign := set(self.calibrate) - set(DEAR):
            raise ConfigError(f"{', '.join(DEAR)} can be calibrated too, the others are anyway; got {', '.join(sorted(foreign))}.")

    def batches(self, chips: int) -> tuple[int, int]:
        """(windows in a batch, batches in an epoch) for so many training chips."""
        return (16, 20) if self.budget == "small" else (32, max(20, -(-2 * chips // 32)))


def train_sites(
    chips_path: Path,
    out: Path,
    training: SiteTraining,
    loop: TrainConfig,
    *,
    outlines: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train an ensemble on a chip set, calibrate its maps, choose settings, write a bundle; returns the bundle's metrics.

    outlines: polygons that an expert drew around some of the training sites; they choose map, lengths, cut and CRF.

    Raises:
        InputError: the chip set is unusable, or has too few sites for the split.
        OutputError: out exists or cannot be written.
    """
    heard: Progress = progress or Silent()
    require_free(out, overwrite=overwrite)
    chips = open_chips(chips_path)
    folds = make_folds(chips.places, chips.labels, split=training.split, window=chips.window, seed=training.seed)
    if training.split == "random":
        heard.say("split random: neighbouring sites are on both sides, so validation figures flatter")
    pools = learning_pools(chips, folds, training)
    networks = _build(chips, training)
    maps = _rehearse(networks[0], training, chips)
    if outlines is not None:
        outlined_sites(chips, outlines)  # what is wrong with them is said before the training, not after it
    histories = _fit(networks, chips, folds, pools, training, loop, heard)
    device = choose_device(loop.device)
    networks = [network.to(device) for network in networks]
    if not has_relus(networks[0], torch.zeros(1, chips.chips.shape[1], chips.window, chips.window, device=device)):
        heard.say(f"guiding has no effect in {training.arch}: {NO_RELU}")
    calibrations = calibrate_maps(networks, chips, pools, maps, progress=heard)
    explainers = Explainers(networks=networks, calibrations=calibrations, folds=folds, device=device)
    tuned = (
        tune(explainers, chips, outlines, progress=heard) if outlines else untuned(networks[0], chips.window, bands=guide_weights(chips))
    )
    judged = enumerate(zip(histories, networks, strict=True))
    metrics = {"validation": [_summary(history, network, chips, folds, i) for i, (history, network) in judged]}
    facts = {**_facts(training, chips, folds), **_measured(chips, calibrations, tuned), "metrics": metrics}
    made = collect({**asdict(training), **asdict(loop)}, {"chips": sha256(chips_path / "chips.json"), "raster": chips.facts["fingerprint"]})
    bundle = Bundle(kind="site-classifier", facts=facts, members=[n.state_dict() for n in networks], provenance=made)
    save_bundle(bundle, out, overwrite=overwrite)
    return metrics


def _facts(training: SiteTraining, chips: ChipSet, folds: NDArray[np.int64]) -> dict[str, Any]:
    """What a bundle states of its networks and what they learnt from."""
    return {
        "arch": training.arch,
        "bands": int(chips.chips.shape[1]),
        "classes": ["no site", "site"],
        "window": chips.window,
        "pixel_size": chips.facts["pixel_size"],
        "stretch": {**chips.facts["stretch"], "mode": chips.facts["stretch_mode"], "fingerprint": chips.facts["fingerprint"]},
        "split": {"kind": training.split, "folds": FOLDS, "seed": training.seed},
        "sites": _sites(chips, folds),
    }


def _measured(chips: ChipSet, calibrations: Mapping[str, list[Calibration]], tuned: Tuned) -> dict[str, Any]:
    """What a bundle states of its maps and settings."""
    return {
        "calibration": {key: [own.to_dict() for own in values] for key, values in calibrations.items()},
        **settings_to_facts(tuned.outline, tuned.scan, chips.window),
        "tuned_on": tuned.tuned_on,
        "tuning": tuned.report,
    }


def learning_pools(chips: ChipSet, folds: NDArray[np.int64], training: SiteTraining) -> list[NDArray[np.int64]]:
    """Numbers of the chips that each member learns from; member m is judged on fold m (modulo 5).

    In a spatial split no window that is learnt from can share a pixel with one that is judged.

    Raises:
        InputError: a member would see sites only, negatives only, or nothing.
    """
    reach = chips.window + 2 * corner_shift((1, 1), chips.window)[0] + int(chips.facts["jitter"])
    pools = []
    for member in range(training.members):
        held = folds == member % FOLDS
        pool = np.flatnonzero(apart(chips.places, held, reach) if training.split == "spatial" else ~held)
        if len(set(chips.labels[pool].tolist())) < 2:
            raise InputError(
                f"each network needs sites and negatives {reach} px away from those that it is judged on; network {member + 1} "
                "has none. Add sites on other ground, cut chips with a smaller --window, or use --split random."
            )
        pools.append(pool)
    return pools


def _build(chips: ChipSet, training: SiteTraining) -> list[nn.Module]:
    """Networks whose first weights follow from the seed alone; the global generator is left as it was."""
    networks = []
    for member in range(training.members):
        with seeded(training.seed * 1000 + member):
            networks.append(build_classifier(training.arch, bands=int(chips.chips.shape[1]), weights=training.weights))
    return networks


def _rehearse(network: nn.Module, training: SiteTraining, chips: ChipSet) -> list[MapChoice]:
    """The maps to calibrate; each layer is looked into once, so that what cannot work is said before the training.

    Raises:
        ConfigError: the network is not convolutional, or cannot read windows of that size.
    """
    window = torch.zeros(1, chips.chips.shape[1], chips.window, chips.window)
    try:
        maps = calibrated_maps(network, training.calibrate)
        layer_cams(network.eval(), window, list(dict.fromkeys(layer for choice in maps for layer in choice.layers)), class_score(1))
    except (AssertionError, RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"a convolutional network that reads {chips.window} px is needed; {training.arch}: {why}. Choose another --arch."
        ) from error
    return maps


def _fit(
    networks: Sequence[nn.Module],
    chips: ChipSet,
    folds: NDArray[np.int64],
    pools: Sequence[NDArray[np.int64]],
    training: SiteTraining,
    loop: TrainConfig,
    progress: Progress,
) -> list[History]:
    size, count = training.batches(len(chips.labels))
    judged = [_validation(chips, np.flatnonzero(folds == member % FOLDS)) for member in range(training.members)]

    def batches(member: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        seed = [training.seed, member, epoch]
        return training_batches(chips, pools[member], batch=size, count=count, augment=training.augment, seed=seed)

    def score(network: nn.Module, member: int) -> float:
        windows, labels = judged[member]
        chance = np.clip(np.where(labels == 1, p := predict_windows(network, windows), 1 - p), 1e-6, 1)
        return float(np.mean([np.log(chance[labels == label]).mean() for label in (0, 1)]))

    return fit(networks, batches, _step, score, loop, progress)


def _step(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    windows, labels = batch
    return nn.functional.cross_entropy(network(windows), labels)


def _validation(chips: ChipSet, members: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """One plain crop of each held-back chip, a corner or the centre in turn, and the labels."""
    windows = []
    for turn, i in enumerate(members):
        crops = list(chips.crops(int(i)))
        windows.append(crops[turn % len(crops)])
    return np.stack(windows), chips.labels[members]


def _summary(history: History, network: nn.Module, chips: ChipSet, folds: NDArray[np.int64], member: int) -> dict[str, Any]:
    windows, labels = _validation(chips, np.flatnonzero(folds == member % FOLDS))
    return {
        "auc": float(roc_auc_score(labels, predict_windows(network, windows))),
        "sites": int(labels.sum()),
        "negatives": int((1 - labels).sum()),
        "epochs": len(history.scores),
        "best_epoch": history.best + 1,
        "seconds": round(history.seconds, 1),
        "losses": [round(loss, 5) for loss in history.losses],
        "scores": [round(own, 5) for own in history.scores],
    }


def _sites(chips: ChipSet, folds: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Each training site with its fold: member m never learnt from fold m."""
    points = chips.facts["points"]
    return [{**{k: points[i][k] for k in ("id", "row", "col")}, "fold": int(folds[i])} for i in np.flatnonzero(chips.labels == 1)]
