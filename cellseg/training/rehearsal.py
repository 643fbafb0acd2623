"""A few steps on empty patches, before the work: whether they can be done, and how long they take."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from cellseg.training.learn import first_network, step
from cellseg.training.settings import SegmenterTraining
from segcore.device import choose_device
from segcore.errors import ConfigError
from segcore.train.loop import TrainConfig, open_fabric


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a training will be like."""

    weights: int
    """Numbers that the network learns."""
    seconds: float
    """Of one patch in a step."""


def rehearse(training: SegmenterTraining, *, channels: int, patch: int, per_epoch: int, loop: TrainConfig) -> Rehearsal:
    """Train a network that is thrown away on the largest and the smallest batch of an epoch, with the loop's device and precision.

    Raises:
        ConfigError: the network cannot learn from such patches, or memory has no room for a batch.
    """
    where, fabric = choose_device(loop.device), open_fabric(loop)
    network = fabric.setup(first_network(training, channels, 0)).train()
    largest = min(training.batch, per_epoch)
    seconds = 0.0
    try:
        for size in (per_epoch % largest or largest, largest):  # the first one wakes the libraries up
            images = torch.zeros(size, channels, patch, patch, device=where)
            labels = torch.zeros(size, patch, patch, dtype=torch.int64, device=where)
            start = time.monotonic()
            loss = step(network, (images, labels, training.loss))
            fabric.backward(loss)
            loss.detach().item()
            seconds = time.monotonic() - start
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"a network must be able to learn from {size} patches of {patch} px at once; {training.name} on {where}: {why}. "
            "Change --patch or --depth."
        ) from error
    return Rehearsal(weights=sum(own.numel() for own in network.parameters()), seconds=seconds / largest)
