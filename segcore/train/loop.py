"""One readable loop that trains every network of the project; it knows neither classes nor masks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from segcore._compat import import_fabric
from segcore.device import choose_device
from segcore.errors import ConfigError, RunError
from segcore.progress import Progress, Silent, spoken

Batches = Callable[[int, int], Iterable[Any]]
"""(member, epoch) -> that epoch's batches; a batch is a tensor or a nest of tensors."""
Step = Callable[[nn.Module, Any], Tensor]
"""(network, batch) -> loss, a scalar tensor."""
Score = Callable[[nn.Module, int], float]
"""(network in eval mode, member) -> how good it is on its validation data; higher is better."""

_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How long and how fast to learn."""

    epochs: int = 40
    """Upper bound; the learning rate falls to zero along a cosine over these epochs."""
    patience: int = 10
    """Stop after so many epochs without a better score."""
    learning_rate: float = 1e-3
    precision: Literal["32", "bf16"] = "32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0
    """Start of what networks draw themselves, such as dropout; PyTorch's own generator is left as it was."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.patience < 1:
            name, value = ("epochs", self.epochs) if self.epochs < 1 else ("patience", self.patience)
            raise ConfigError(f"{name} is a whole number from 1, got {value}. Give more.")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"the learning rate is positive and finite, got {self.learning_rate:g}.")
        if self.precision not in _PRECISIONS:
            raise ConfigError(f"precision is 32 or bf16, got {self.precision}.")
        choose_device(self.device)


@dataclass(slots=True)
class History:
    """What happened while one network learned."""

    losses: list[float] = field(default_factory=list)
    """Mean training loss per epoch."""
    scores: list[float] = field(default_factory=list)
    """Validation score per epoch."""
    seconds: float = 0.0

    @property
    def best(self) -> int:
        """Index of the epoch whose weights were kept."""
        return max(range(len(self.scores)), key=self.scores.__getitem__)


def fit(
    networks: Sequence[nn.Module],
    batches: Batches,
    step: Step,
    score: Score,
    config: TrainConfig,
    progress: Progress | None = None,
) -> list[History]:
    """Train networks one after the other with Adam; each ends in eval mode, on the CPU, with its best weights.

    Of epochs with equal scores the first is the best. After the first epoch the predicted time for everything is said.

    Raises:
        RunError: the loss became NaN or infinite, a score is NaN, or an epoch had no batch.
    """
    heard: Progress = progress or Silent()
    fabric = open_fabric(config)
    histories = []
    for member, network in enumerate(networks):
        with seeded(config.seed + member):
            histories.append(_fit_one(fabric, network, member, len(networks), batches, step, score, config, heard))
    return histories


def open_fabric(config: TrainConfig) -> Any:
    """The lightning Fabric of a training: one device, cpu or cuda, and its precision."""
    return import_fabric().Fabric(accelerator=choose_device(config.device), devices=1, precision=_PRECISIONS[config.precision])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it PyTorch's generators, of all devices, begin at seed, any whole number; afterwards they are as they were."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count() if torch.cuda.is_available() else 0)):
        torch.manual_seed(seed % 2**63)
        yield


def _fit_one(
    fabric: Any,
    network: nn.Module,
    member: int,
    members: int,
    batches: Batches,
    step: Step,
    score: Score,
    config: TrainConfig,
    progress: Progress,
) -> History:
    history = History()
    best: dict[str, Tensor] = {}
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    model, optimizer = fabric.setup(network, optimizer)
    start = time.monotonic()
    for epoch in range(config.epochs):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))
        history.losses.append(_run_epoch(fabric, model, optimizer, batches(member, epoch), step))
        with torch.no_grad():
            history.scores.append(_number(score(model.eval(), member)))
        if history.best == epoch:
            best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        if member == 0 and epoch == 0:
            most = (time.monotonic() - start) * config.epochs * members
            progress.say(
                f"by the first of {config.epochs} epochs: about {spoken(most)} at most{f' for {members} networks' if members > 1 else ''}"
            )
        progress.step(f"network {member + 1} of {members}", epoch + 1, config.epochs)
        if epoch - history.best >= config.patience:
            break
    network.load_state_dict(best)
    network.cpu().eval()
    history.seconds = time.monotonic() - start
    return history


def _run_epoch(fabric: Any, model: nn.Module, optimizer: Any, batches: Iterable[Any], step: Step) -> float:
    """Mean loss over one epoch's batches."""
    model.train()
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss = step(model, fabric.to_device(batch))
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise RunError(
                "the loss must stay finite, but became NaN or infinite. Look for NaN and huge values in the images, or try "
                "--precision 32 or another --seed."
            )
        fabric.backward(loss)
        optimizer.step()
    if not losses:
        raise RunError("an epoch needs at least one batch, but there was none. Give more training data.")
    return sum(losses) / len(losses)


def _number(score: float) -> float:
    if math.isnan(score):
        raise RunError("a validation score must be a number, but is NaN. Check that the validation data hold every class.")
    return score
