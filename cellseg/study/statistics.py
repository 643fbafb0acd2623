"""What the rows of a study say: mean, spread and interval of each point; networks compared in pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan, nan
from statistics import mean, stdev

import numpy as np

from cellseg.study.plan import CLEAN, KINDS, seed_of
from cellseg.study.table import Row
from segcore.metrics.compare import Interval, SignedRank, bootstrap_ci, holm, wilcoxon
from segcore.nets.names import NET_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """All runs of one method at one level."""

    net: str
    perturbation: str
    level: float
    dices: tuple[float, ...]
    """Dice of each run, in the order of the runs; nan where nothing was there to find."""
    restarts: int
    """Of all runs together."""
    seconds: float
    """A run, on average."""

    @property
    def mean(self) -> float:
        """Of Dice."""
        return mean(self.dices)

    @property
    def deviation(self) -> float:
        """Standard deviation of Dice between runs (n - 1); nan of one run."""
        return stdev(self.dices) if len(self.dices) > 1 else nan

    @property
    def interval(self) -> Interval:
        """Where the mean lies with 95 % confidence, by the bootstrap over runs."""
        return interval_of(self.dices, self.net, self.perturbation, f"{self.level:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """Two networks under one perturbation; pairs are runs of one level that learnt from the same labels."""

    perturbation: str
    one: str
    other: str
    gains: tuple[float, ...]
    """Dice of one less Dice of the other, a number a pair."""
    test: SignedRank
    adjusted: float
    """p after Holm, over all comparisons of the table."""

    @property
    def gain(self) -> float:
        """On average."""
        return mean(self.gains)

    @property
    def interval(self) -> Interval:
        """Of the gain, 95 %, by the bootstrap over pairs."""
        return interval_of(self.gains, self.perturbation, self.one, self.other)


def interval_of(values: Sequence[float], *words: str) -> Interval:
    """95 % interval of a mean; its chance depends on the words alone, so that a table comes out the same again."""
    if any(isnan(value) for value in values):
        return Interval(low=nan, high=nan)
    return bootstrap_ci(values, np.random.default_rng(seed_of(0, *words)))


def points(rows: Iterable[Row]) -> list[Point]:
    """Rows gathered by method and level: perturbations in order, levels ascending, methods in the order of the rows."""
    groups: dict[tuple[str, float, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.perturbation, row.level, row.net), []).append(row)
    nets = list(dict.fromkeys(net for _, _, net in groups))
    order = sorted(groups, key=lambda key: (KINDS.index(key[0]), key[1], nets.index(key[2])))
    return [_point(key, sorted(groups[key], key=lambda row: row.run)) for key in order]


def versus(rows: Iterable[Row]) -> list[Versus]:
    """Every two networks compared under each perturbation, levels together, by Wilcoxon's test with Holm's correction."""
    dices = {(row.net, row.perturbation, row.level, row.run): row.dice for row in rows if not isnan(row.dice)}
    nets = [net for net in NET_NAMES if any(key[0] == net for key in dices)]
    found: list[tuple[str, str, str, tuple[float, ...], SignedRank]] = []
    for perturbation in KINDS:
        for one, other in combinations(nets, 2):
            keys = sorted(key[1:] for key in dices if key[0] == one and key[1] == perturbation and (other, *key[1:]) in dices)
            left, right = ([dices[net, *key] for key in keys] for net in (one, other))
            if keys:
                gains = tuple(a - b for a, b in zip(left, right, strict=True))
                found.append((perturbation, one, other, gains, wilcoxon(left, right)))
    adjusted = holm([test.p for *_, test in found])
    return [
        Versus(perturbation=kind, one=one, other=other, gains=gains, test=test, adjusted=p)
        for (kind, one, other, gains, test), p in zip(found, adjusted, strict=True)
    ]


def losses(rows: Iterable[Row], net: str, perturbation: str, level: float) -> list[float]:
    """Dice that a method loses to a perturbation: clean less perturbed, run by run; runs that lack either are left out."""
    own = {(row.perturbation, row.level, row.run): row.dice for row in rows if row.net == net and not isnan(row.dice)}
    runs = sorted(run for kind, _, run in own if kind == CLEAN)
    return [own[CLEAN, 0.0, run] - own[perturbation, level, run] for run in runs if (perturbation, level, run) in own]


def _point(key: tuple[str, float, str], rows: list[Row]) -> Point:
    perturbation, level, net = key
    return Point(
        net=net,
        perturbation=perturbation,
        level=level,
        dices=tuple(row.dice for row in rows),
        restarts=sum(row.restarts for row in rows),
        seconds=mean(row.seconds for row in rows),
    )
