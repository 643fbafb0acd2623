"""Paired tests and intervals: is one method better than another, or was it chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from segcore.errors import ConfigError, ShapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRank:
    """Result of a Wilcoxon signed-rank test."""

    pairs: int
    """Pairs that differ; the others say nothing."""
    statistic: float
    """The smaller of the two sums of ranks."""
    p: float
    """Two-sided, 0..1: how often chance alone gives a difference like this. See least_p."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a figure lies with some confidence; nan where nobody can say."""

    low: float
    high: float


def wilcoxon(one: Sequence[float], other: Sequence[float]) -> SignedRank:
    """Wilcoxon signed-rank test of pairs, two-sided (Wilcoxon 1945; scipy.stats.wilcoxon).

    Pairs without a difference are left out; where none is left p is 1. Exact up to 50 pairs of different ranks.

    Args:
        one: a value of each pair, finite.
        other: the other values, in the same order.

    Raises:
        ShapeError: other lengths, or values that are not finite.
    """
    from scipy import stats

    left, right = _numbers(one), _numbers(other)
    if left.shape != right.shape:
        raise ShapeError(f"pairs are compared one by one; got {len(left)} values and {len(right)}. Leave out what has no partner.")
    differences = left - right
    differences = differences[differences != 0]
    if not len(differences):
        return SignedRank(pairs=0, statistic=0.0, p=1.0)
    found = stats.wilcoxon(differences)
    return SignedRank(pairs=len(differences), statistic=float(found.statistic), p=min(1.0, float(found.pvalue)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values of several tests, in the order given (Holm 1979): reject where one is below the level wanted.

    The k-th smallest of m is multiplied by m - k + 1, never below the one before it, at most 1.

    Raises:
        ConfigError: a p value outside 0..1.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ConfigError(f"a p value is a number from 0 to 1; got {', '.join(f'{p:g}' for p in p_values)}. Leave out tests without one.")
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted


def least_p(pairs: int) -> float:
    """The least p that Wilcoxon's test can give of so many pairs that differ, two-sided: 2 / 2**n, and 1 of none."""
    return min(1.0, 2.0 / 2.0**pairs)


def mean_interval(values: Sequence[float], *, level: float = 0.95) -> Interval:
    """Interval of the mean by Student's t with n - 1 degrees of freedom, for few values of about normal spread (Student 1908).

    Args:
        values: one of each run, finite and independent. Of fewer than two the interval is nan.
        level: how often such an interval covers the mean, 0 < level < 1.

    Raises:
        ConfigError: level out of range.
        ShapeError: values that are not finite.
    """
    from scipy import stats

    if not 0 < level < 1:
        raise ConfigError(f"an interval has a level between 0 and 1; got {level:g}.")
    numbers = _numbers(values)
    if len(numbers) < 2:
        return Interval(low=nan, high=nan)
    middle = float(numbers.mean())
    reach = float(stats.t.ppf((1 + level) / 2, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return Interval(low=middle - reach, high=middle + reach)


def _numbers(values: Sequence[float]) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ShapeError(f"values are one finite number a run; got {numbers.tolist()!s:.80}. Leave out runs that gave none.")
    return numbers
