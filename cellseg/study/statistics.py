"""What the rows of a study say: mean, spread and interval of each point; networks compared in pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan, nan
from statistics import mean, stdev

from cellseg.study.plan import CLEAN, KINDS
from cellseg.study.table import Row
from segcore.metrics.compare import Interval, SignedRank, holm, least_p, mean_interval, wilcoxon
from segcore.nets.names import NET_NAMES

_Place = tuple[str, str, float, int]
"""Network, perturbation, level, run."""


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
    reached: float
    """Share of the cells that was really left out or included, on average; nan where a row does not say."""

    @property
    def mean(self) -> float:
        """Of Dice."""
        return mean(self.dices)

    @property
    def deviation(self) -> float:
        """Standard deviation of Dice between runs (n - 1); nan of one run, and where one found nothing to judge."""
        return nan if len(self.dices) < 2 or any(map(isnan, self.dices)) else stdev(self.dices)

    @property
    def interval(self) -> Interval:
        """Of the mean, 95 %, over runs, within 0..1; see interval_of."""
        own = interval_of(self.dices)
        return Interval(low=max(own.low, 0.0), high=min(own.high, 1.0))  # in this order nan stays nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """Two networks under one perturbation; a pair is a run, in which both learn from the same labels at each level.

    Levels of one run share first weights and held-back images, so they are averaged, not counted as pairs of their own.
    """

    perturbation: str
    one: str
    other: str
    gains: tuple[float, ...]
    """Dice of one less Dice of the other, mean over the levels; a number a run."""
    test: SignedRank
    adjusted: float
    """p after Holm, over all comparisons of the table."""
    least: float
    """The least that this could be, whatever was measured, of so many pairs in each comparison."""

    @property
    def gain(self) -> float:
        """On average."""
        return mean(self.gains)

    @property
    def interval(self) -> Interval:
        """Of the gain, 95 %, over runs; see interval_of."""
        return interval_of(self.gains)


def interval_of(values: Sequence[float]) -> Interval:
    """95 % interval of a mean over runs, by Student's t; nan of one run, and where a value is nan.

    It covers the chance of training and of worse labels on one split of the images; other images may give another mean.
    """
    return Interval(low=nan, high=nan) if any(map(isnan, values)) else mean_interval(values)


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
            left, right = _over_levels(dices, one, other, perturbation)
            if left:
                gains = tuple(a - b for a, b in zip(left, right, strict=True))
                found.append((perturbation, one, other, gains, wilcoxon(left, right)))
    adjusted, least = holm([test.p for *_, test in found]), holm([least_p(test.pairs) for *_, test in found])
    return [
        Versus(perturbation=kind, one=one, other=other, gains=gains, test=test, adjusted=p, least=lowest)
        for (kind, one, other, gains, test), p, lowest in zip(found, adjusted, least, strict=True)
    ]


def losses(rows: Iterable[Row], net: str, perturbation: str, level: float) -> list[float]:
    """Dice that a method loses to a perturbation: clean less perturbed, run by run; runs that lack either are left out."""
    return list(losses_by_run(rows, net, perturbation, level).values())


def losses_by_run(rows: Iterable[Row], net: str, perturbation: str, level: float) -> dict[int, float]:
    """The same by the number of the run, ascending."""
    own = {(row.perturbation, row.level, row.run): row.dice for row in rows if row.net == net and not isnan(row.dice)}
    runs = sorted(run for kind, _, run in own if kind == CLEAN)
    return {run: own[CLEAN, 0.0, run] - own[perturbation, level, run] for run in runs if (perturbation, level, run) in own}


def _over_levels(dices: dict[_Place, float], one: str, other: str, perturbation: str) -> tuple[list[float], list[float]]:
    """Dice of two networks, averaged over the levels of each run that has all levels of both."""
    own = [key for key in dices if key[0] in (one, other) and key[1] == perturbation]
    levels = sorted({level for _, _, level, _ in own})
    runs = [
        run
        for run in sorted({run for *_, run in own})
        if all((net, perturbation, level, run) in dices for net in (one, other) for level in levels)
    ]
    left, right = ([mean(dices[net, perturbation, level, run] for level in levels) for run in runs] for net in (one, other))
    return left, right


def _point(key: tuple[str, float, str], rows: list[Row]) -> Point:
    perturbation, level, net = key
    return Point(
        net=net,
        perturbation=perturbation,
        level=level,
        dices=tuple(row.dice for row in rows),
        restarts=sum(row.restarts for row in rows),
        seconds=mean(row.seconds for row in rows),
        reached=mean(row.reached for row in rows),
    )
