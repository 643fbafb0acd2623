"""What a study runs: methods, perturbations, levels, runs; and how networks learn in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal

import numpy as np

from cellseg.study.names import BASELINE_NAMES
from segcore.errors import ConfigError
from segcore.nets.names import NET_NAMES

CLEAN = "clean"
KINDS = (CLEAN, "omission", "inclusion", "bias")
"""Perturbations in the order in which they are run and shown."""
BIAS_UNIT: Literal["image"] = "image"
"""What shares one draw of the bias: an image, as one annotator; Vădineanu et al. (MIDL 2022) draw once a volume where there are volumes."""
FORMAT = 3
"""Of the settings and the table; another one where the code makes other rows of the same settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How networks learn; the same for all runs of a study.

    Raises:
        ConfigError: a number out of range.
    """

    epochs: int = 20
    """Passes over the training patches; the best by validation is kept."""
    patch: int | None = None
    """Edge of a training patch in pixels; None: 256, or the shortest edge of the images where that is less."""
    depth: int = 100
    """Layers of the mixed-scale dense network; the others have their usual four levels."""
    width: int = 32
    """Channels of the first level of U-Net and SegNet."""
    batch: int = 8
    """Patches a step."""
    per_epoch: int | None = None
    """Patches an epoch; None: each patch about once."""
    learning_rate: float = 1e-3
    validation: float = 0.3
    """Share of the training images that choose the epoch."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32", "bf16"] = "32"
    threads: int = 1
    """Of the CPU, for each run: the last bits of a sum depend on them, so they are settings too."""

    def __post_init__(self) -> None:
        for name in ("epochs", "patch", "depth", "width", "batch", "per_epoch", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is a whole number from 1, got {value}.")
        if not 0 < self.validation < 1:
            raise ConfigError(f"validation is a share of the training images, above 0 and below 1, got {self.validation:g}.")

    def options(self, net: str) -> dict[str, Any]:
        """Settings of a network by its name."""
        return {"depth": self.depth} if net == "msd" else {"width": self.width}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Key:
    """One run."""

    net: str
    """Network or classical method."""
    perturbation: str
    """One of KINDS."""
    level: float
    """Rate of omission or inclusion, most pixels of a bias, 0 where labels are clean."""
    run: int
    """From 0."""

    @property
    def words(self) -> str:
        """For progress and folders: unet omission 0.3 run 1."""
        return f"{self.net} {self.perturbation}{f' {self.level:g}' if self.level else ''} run {self.run}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """Which runs there are. Clean labels are always among them; methods without a network run beside the networks.

    Raises:
        ConfigError: unknown or repeated names, levels out of range, or nothing to run.
    """

    target: str
    """Class that is segmented, and whose annotation is made worse."""
    nets: tuple[str, ...] = NET_NAMES
    baselines: tuple[str, ...] = BASELINE_NAMES
    omission: tuple[float, ...] = ()
    """Rates, above 0 to 1."""
    inclusion: tuple[float, ...] = ()
    bias: tuple[int, ...] = ()
    """Most pixels that outlines move, from 1."""
    runs: int = 10
    seed: int = 0
    learning: Learning = field(default_factory=Learning)

    def __post_init__(self) -> None:
        for names, known in ((self.nets, NET_NAMES), (self.baselines, BASELINE_NAMES)):
            if not set(names) <= set(known) or len(set(names)) < len(names):
                raise ConfigError(f"the methods of a study are of {', '.join(known)}, each once; got {', '.join(names)}.")
        if self.runs < 1 or self.seed < 0 or not (self.nets or self.baselines):
            raise ConfigError(f"a study has a method, at least one run and a seed from 0; got {self.runs} and {self.seed}.")
        if 1 in self.omission:
            raise ConfigError("an omission of 1 leaves nothing to learn from. Take rates below 1.")
        for kind, levels in self.levels.items():
            _require_levels(kind, levels)

    @property
    def levels(self) -> dict[str, tuple[float, ...]]:
        """Levels of each perturbation."""
        return {"omission": self.omission, "inclusion": self.inclusion, "bias": self.bias}

    def keys(self) -> Iterator[Key]:
        """All runs: the first of every point before the second of any, so that a study that is cut short has something of all."""
        points = [(CLEAN, 0.0), *((kind, float(level)) for kind, levels in self.levels.items() for level in levels)]
        for run in range(self.runs):
            for kind, level in points:
                for net in (*self.nets, *self.baselines):
                    yield Key(net=net, perturbation=kind, level=level, run=run)

    def label_seed(self, key: Key) -> int:
        """Start of the perturbation: the same for all methods, so that they are compared on the same labels."""
        return seed_of(self.seed, "labels", key.perturbation, f"{key.level:g}", str(key.run))

    def training_seed(self, key: Key) -> int:
        """Start of first weights, batches and other chance of a method: the same for all levels, whose first weights are so the same."""
        return seed_of(self.seed, "training", key.net, str(key.run))

    def split_seed(self, run: int) -> int:
        """Decides which images a run holds back for validation: the same ones for all methods and levels, as far as their labels allow."""
        return seed_of(self.seed, "split", str(run))

    def settings(self, data: str) -> dict[str, Any]:
        """What must agree between rows of one table. data: fingerprint of the dataset. Levels and runs may be added later."""
        learning = asdict(self.learning)
        return {"format": FORMAT, "target": self.target, "seed": self.seed, "bias_unit": BIAS_UNIT, "learning": learning, "data": data}


def _require_levels(kind: str, levels: tuple[float, ...]) -> None:
    whole = kind == "bias"
    good = all(level > 0 and (level % 1 == 0 if whole else level <= 1) for level in levels)
    if not good or len(set(levels)) < len(levels):
        rule, got = "whole pixels from 1" if whole else "rates above 0 to 1", ", ".join(f"{level:g}" for level in levels)
        raise ConfigError(f"levels of {kind} are {rule}, each once; got {got}. Clean labels come by themselves.")


def digest_of(settings: dict[str, Any]) -> str:
    """Twelve hexadecimal digits that stand for settings in a table."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def seed_of(seed: int, *words: str) -> int:
    """A seed of 32 bits that depends on all words, and not on what else is run."""
    entropy = int.from_bytes(sha256("|".join(words).encode()).digest(), "big")
    return int(np.random.SeedSequence([seed, entropy]).generate_state(1)[0])
