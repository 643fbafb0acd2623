"""Patches to a trained network; one that calls everything background begins anew."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from cellseg.image import IGNORE
from cellseg.training.ahead import made_ahead
from cellseg.training.augment import augment
from cellseg.training.images import TargetImages
from cellseg.training.normalise import Normalisation
from cellseg.training.patches import Patch, by_shards, draw_epoch
from cellseg.training.settings import SegmenterTraining
from segcore.device import choose_device
from segcore.losses import LOSSES
from segcore.metrics.pixels import Counts, count, dice
from segcore.nets.build import build_net
from segcore.progress import Progress
from segcore.train.loop import History, TrainConfig, fit, seeded

CLASSES = 2
"""Outputs of a segmenter: 0 = background, 1 = target."""
_MOST_WORKERS = 8

Batch = tuple[Tensor, Tensor, str]
"""Images (B, C, h, w) float32, labels (B, h, w) int64, name of the loss."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """What a network learns from and is judged by."""

    images: TargetImages
    normalise: Normalisation
    train: Sequence[Patch]
    validation: Sequence[Patch]
    """These count a pixel once, see tiles."""
    bytes: Mapping[str, int]
    """Memory of each image of train, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learnt:
    """A trained network, in eval mode on the CPU."""

    network: nn.Module
    history: History
    counts: Counts
    """Of the validation patches, in the epoch whose weights were kept, as they chose it."""
    collapses: int
    """Starts that ended with everything background, before this one."""

    @property
    def collapsed(self) -> bool:
        """Whether this one calls everything background too."""
        return self.counts.tp + self.counts.fp == 0


def learn(material: Material, training: SegmenterTraining, loop: TrainConfig, progress: Progress) -> Learnt:
    """Train until a network finds anything in the validation patches, training.restarts + 1 times at most.

    Raises:
        RunError: as segcore.train.loop.fit.
    """
    for attempt in range(training.restarts + 1):
        network = first_network(training, len(material.normalise.mean), attempt)
        feed = _Feed(material=material, training=training, attempt=attempt, workers=_workers(loop))
        (history,) = fit([network], feed.batches, step, feed.score, loop, progress)
        learnt = Learnt(network=network, history=history, counts=feed.judged[history.best], collapses=attempt)
        if not learnt.collapsed:
            break
        left = training.restarts - attempt
        progress.say(f"the network calls everything background: start {attempt + 1} failed, {left} more to try")
    return learnt


def first_network(training: SegmenterTraining, channels: int, attempt: int) -> nn.Module:
    """A network whose first weights follow from the seed and the attempt; PyTorch's generators are left as they were."""
    with seeded(training.seed * 1000 + attempt):
        return build_net(training.net, channels=channels, classes=CLASSES)


def step(network: nn.Module, batch: Batch) -> Tensor:
    """Loss of a batch."""
    images, labels, loss = batch
    return LOSSES[loss](network(images), labels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Feed:
    """Batches of one attempt. What happens to a patch follows from (seed, attempt, epoch, its place in the epoch)."""

    material: Material
    training: SegmenterTraining
    attempt: int
    workers: int
    judged: list[Counts] = field(default_factory=list)
    """What each epoch was scored by."""

    def batches(self, _: int, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        material, training = self.material, self.training
        rng = np.random.default_rng([training.seed, self.attempt, epoch])
        drawn = draw_epoch(material.train, training.patches_of(len(material.train)), training.balance, rng)
        drawn = by_shards(drawn, material.bytes, material.images.keep, rng)
        loss = training.loss_at(epoch)
        ready = made_ahead(lambda item: self._load(item[1], epoch, item[0]), enumerate(drawn), self.workers)
        for images, labels in _batched(ready, training.batch):
            yield images, labels, loss

    def score(self, network: nn.Module, _: int) -> float:
        """Dice of the validation patches; 0 where nothing is found."""
        self.judged.append(self.judge(network))
        found = dice(self.judged[-1])
        return 0.0 if np.isnan(found) else found

    def judge(self, network: nn.Module) -> Counts:
        """Pixels of the validation patches, each once, as the network calls them."""
        device = next(network.parameters()).device
        total = Counts()
        ready = made_ahead(lambda patch: self._load(patch, None, 0), self.material.validation, self.workers)
        with torch.no_grad():
            for images, labels in _batched(ready, self.training.batch):
                logits = network(images.to(device)).cpu()
                found = (logits[:, 1] > logits[:, 0]).numpy()
                total += count(found, (labels == 1).numpy(), ignore=(labels < 0).numpy())
        return total

    def _load(self, patch: Patch, epoch: int | None, place: int) -> tuple[Tensor, Tensor]:
        """Image (C, h, w) and labels (h, w) of a patch; changed by chance, or without an epoch unknown where others are judged."""
        pixels, target = self.material.images.read(patch.plane, patch.window)
        if epoch is None:
            target = target.copy()
            target[: patch.again[0]], target[:, : patch.again[1]] = IGNORE, IGNORE
        else:
            rng = np.random.default_rng([self.training.seed, self.attempt, epoch, place + 1])
            pixels, target = augment(pixels, target, self.training.augment, rng)
        return torch.from_numpy(self.material.normalise.apply(pixels)), torch.from_numpy(target.astype(np.int64))


def _batched(pairs: Iterator[tuple[Tensor, Tensor]], size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs stacked to batches; the last one may be smaller."""
    while batch := list(islice(pairs, size)):
        yield torch.stack([pixels for pixels, _ in batch]), torch.stack([labels for _, labels in batch])


def _workers(loop: TrainConfig) -> int:
    """Threads that make patches ready: a processor that also computes the network gets none."""
    return min(_MOST_WORKERS, os.cpu_count() or 1) if choose_device(loop.device) == "cuda" else 0
