"""What the thesis (Vădineanu, Leiden, ch. 2) found of annotation errors, and what rows of the study say about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan
from statistics import mean

from cellseg.study.grids import Grid, interval, level_name
from cellseg.study.statistics import interval_of, losses, losses_by_run
from cellseg.study.table import Row
from segcore.nets.names import NET_NAMES

FLAT = 2.0
"""Points of Dice: a loss below is none."""
LITTLE = 5.0
"""Points of Dice: a loss below is little."""
NEW = "not measured yet"

Rows = Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Figures of single runs, in points of Dice, one a run."""

    values: tuple[float, ...]
    what: str = ""
    """Which level or network, where the finding leaves it open."""
    others: tuple[tuple[float, ...], ...] = ()
    """The same of other levels and networks, where the finding speaks of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence, what speaks for it, and within which bounds it holds."""

    data: str
    """A set of error_sets."""
    words: str
    measure: Callable[[Rows], Measured]
    low: float
    high: float
    rule: str
    """The bounds in words."""


def loss_of(net: str, perturbation: str, level: float) -> Callable[[Rows], Measured]:
    """Points that a network loses, run by run."""
    return lambda rows: Measured(values=tuple(100 * own for own in losses(rows, net, perturbation, level)))


def loss_of_all(perturbation: str, level: float) -> Callable[[Rows], Measured]:
    """Points that the networks lose, averaged over the networks of each run: these share their labels."""

    def measure(rows: Rows) -> Measured:
        found = {net: losses_by_run(rows, net, perturbation, level) for net in NET_NAMES}
        there = {net: own for net, own in found.items() if own}
        runs = sorted(set.intersection(*map(set, there.values()))) if there else []
        return Measured(values=tuple(100 * mean(own[run] for own in there.values()) for run in runs), what=", ".join(there))

    return measure


def worst_loss(perturbation: str) -> Callable[[Rows], Measured]:
    """Points that the network loses that loses most, at its worst level; the others must keep the bounds too."""

    def measure(rows: Rows) -> Measured:
        keys = sorted({(row.net, row.level) for row in rows if row.perturbation == perturbation and row.net in NET_NAMES})
        found = {key: [100 * value for value in losses(rows, key[0], perturbation, key[1])] for key in keys}
        found = {key: own for key, own in found.items() if own}
        if not found:
            return Measured(values=())
        net, level = max(found, key=lambda key: mean(found[key]))
        what = f"the worst of {len(found)}, {net}, {level_name(perturbation, level)}"
        others = tuple(tuple(own) for key, own in found.items() if key != (net, level))
        return Measured(values=tuple(found[net, level]), what=what, others=others)

    return measure


def loss_of_ten_percent(perturbation: str) -> Callable[[Rows], Measured]:
    """Points that the networks lose per 10 %, at the lowest level."""

    def measure(rows: Rows) -> Measured:
        levels = sorted({row.level for row in rows if row.perturbation == perturbation})
        if not levels:
            return Measured(values=())
        found = loss_of_all(perturbation, levels[0])(rows)
        return Measured(values=tuple(value * 0.1 / levels[0] for value in found.values), what=f"at {level_name(perturbation, levels[0])}")

    return measure


def gap(better: str, worse: str, perturbation: str, level: float | None = None) -> Callable[[Rows], Measured]:
    """Points that one network is behind another at a level, or averaged over all levels, run by run."""

    def measure(rows: Rows) -> Measured:
        own = [row for row in rows if row.perturbation == perturbation and level in (None, row.level) and row.net in (better, worse)]
        dices = {(row.net, row.level, row.run): row.dice for row in own}
        levels = sorted({row.level for row in own})
        found: list[float] = []
        for run in sorted({row.run for row in own}):
            pairs = [(dices.get((better, at, run), nan), dices.get((worse, at, run), nan)) for at in levels]
            found.append(100 * mean(one - other for one, other in pairs))
        return Measured(values=tuple(value for value in found if not isnan(value)))

    return measure


def collapses(net: str, perturbation: str, above: float) -> Callable[[Rows], Measured]:
    """Restarts of each run above a level."""

    def measure(rows: Rows) -> Measured:
        own = [row for row in rows if (row.net, row.perturbation) == (net, perturbation) and row.level > above]
        return Measured(values=tuple(float(row.restarts) for row in own))

    return measure


def at_most(points: float) -> dict[str, object]:
    return {"low": -inf, "high": points, "rule": f"loss at most {points:g} point{'s' if points != 1 else ''}"}


def about(points: float) -> dict[str, object]:
    return {"low": points / 2, "high": 1.5 * points, "rule": f"{points / 2:g} to {1.5 * points:g} points"}


def nuclei(data: str, lag: float, most: float) -> tuple[Finding, ...]:
    """The findings on simulated nuclei of one kind."""
    return (
        Finding(data=data, words="U-Net is flat up to 30 % omission", measure=loss_of("unet", "omission", 0.3), **at_most(FLAT)),
        Finding(data=data, words="MSD is flat up to 30 % omission", measure=loss_of("msd", "omission", 0.3), **at_most(FLAT)),
        Finding(data=data, words="SegNet loses about 10 at 30 % omission", measure=loss_of("segnet", "omission", 0.3), **about(10)),
        Finding(data=data, words="MSD loses little at 70 % omission", measure=loss_of("msd", "omission", 0.7), **at_most(LITTLE)),
        Finding(
            data=data,
            words="MSD sometimes collapses above 30 % omission",
            measure=collapses("msd", "omission", 0.3),
            low=1e-9,
            high=inf,
            rule="any restart",
        ),
        Finding(data=data, words=f"bias costs up to {most:g}", measure=worst_loss("bias"), **at_most(most)),
        Finding(data=data, words=f"SegNet lags U-Net by {lag:g} under bias", measure=gap("unet", "segnet", "bias"), **about(lag)),
    )


FINDINGS = (
    *nuclei("hl60", lag=6, most=5),
    *nuclei("granulocyte", lag=10, most=19),
    Finding(
        data="combined_hl60",
        words="granulocytes taken for HL60 cost less than 1, even 70 % of them",
        measure=loss_of_all("inclusion", 0.7),
        **at_most(1),
    ),
    Finding(
        data="combined_granulocyte",
        words="HL60 taken for granulocytes cost 23 per 10 % of them",
        measure=loss_of_ten_percent("inclusion"),
        **about(23),
    ),
    Finding(data="consep", words="MSD is flat up to 50 % omission", measure=loss_of("msd", "omission", 0.5), **at_most(FLAT)),
    Finding(data="consep", words="U-Net loses 18 at 50 % omission", measure=loss_of("unet", "omission", 0.5), **about(18)),
    Finding(data="consep", words="SegNet loses 26 at 50 % omission", measure=loss_of("segnet", "omission", 0.5), **about(26)),
    Finding(data="consep", words="inclusion is flat up to 30 %", measure=loss_of_all("inclusion", 0.3), **at_most(FLAT)),
    Finding(data="consep", words="bias 6 leaves MSD 22 behind U-Net", measure=gap("unet", "msd", "bias", 6.0), **about(22)),
)


def findings_grid(rows: dict[str, Rows]) -> Grid:
    """A row for each finding. rows: those of each set."""
    return [["data", "finding", "holds if", "measured", "runs", "verdict"], *(_line(own, rows.get(own.data, ())) for own in FINDINGS)]


def verdict(own: Finding, measured: Measured) -> str:
    """holds where every interval lies within the bounds, does not hold where one lies outside; restarts are counted, not averaged."""
    if not measured.values:
        return NEW
    if own.rule == "any restart":
        return "holds" if any(measured.values) else "not seen"
    found = [interval_of(values) for values in (measured.values, *measured.others)]
    if all(own.low <= each.low and each.high <= own.high for each in found):
        return "holds"
    return "does not hold" if any(each.high < own.low or each.low > own.high for each in found) else "open"


def _line(own: Finding, rows: Rows) -> list[str]:
    measured = own.measure(rows)
    named = [own.data.replace("_", ", "), own.words, own.rule]
    if not measured.values:
        return [*named, "-", "0", NEW]
    if own.rule == "any restart":
        figure = f"{sum(measured.values):.0f} restarts"
    else:
        figure = f"{mean(measured.values):+.1f} ({interval(interval_of(measured.values), '+.1f')})"
    return [*named, figure + (f": {measured.what}" if measured.what else ""), str(len(measured.values)), verdict(own, measured)]
