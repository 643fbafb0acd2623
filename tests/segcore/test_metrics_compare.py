"""Paired tests and intervals against their definitions, by hand and by brute force."""

from itertools import product
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segcore.errors import ConfigError, ShapeError
from segcore.metrics.compare import holm, least_p, mean_interval, wilcoxon

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def by_signs(differences):
    """(statistic, two-sided p): all ways of giving the ranks a sign are equally likely."""
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    seen = min(ranks[differences > 0].sum(), ranks[differences < 0].sum())
    sums = [sum(rank for rank, positive in zip(ranks, signs, strict=True) if positive) for signs in product((0, 1), repeat=len(ranks))]
    return seen, min(1.0, 2 * np.mean([total <= seen for total in sums]))


@pytest.mark.parametrize("seed", range(5))
def test_signed_ranks_are_those_of_all_signs(seed):
    one, other = np.random.default_rng(seed).normal(size=(2, 8))
    found = wilcoxon(one + 0.5, other)
    statistic, p = by_signs(one + 0.5 - other)
    assert (found.pairs, found.statistic) == (8, statistic)
    assert found.p == pytest.approx(p, abs=1e-12)


def test_six_runs_that_all_gain_are_just_enough():
    better = [0.91, 0.93, 0.95, 0.94, 0.92, 0.97]
    assert wilcoxon(better, [0.90, 0.91, 0.92, 0.90, 0.87, 0.91]).p == pytest.approx(2 / 2**6)
    assert wilcoxon(better[:5], [0.90, 0.91, 0.92, 0.90, 0.87]).p == pytest.approx(2 / 2**5)


@pytest.mark.parametrize("pairs", [1, 2, 5, 9])
def test_no_pairs_give_less_than_the_least_p(pairs):
    assert wilcoxon(list(np.linspace(0.1, 0.5, pairs)), [0] * pairs).p == pytest.approx(least_p(pairs))
    assert least_p(0) == 1


def test_equal_pairs_say_nothing():
    assert wilcoxon([0.5, 0.6], [0.5, 0.6]).p == 1
    assert wilcoxon([], []).pairs == 0
    assert wilcoxon([0.5, 0.6, 0.9], [0.5, 0.5, 0.7]).pairs == 2


@given(SHARES, SHARES)
@settings(max_examples=30, deadline=None)
def test_swapping_the_sides_changes_no_p(one, other):
    size = min(len(one), len(other))
    there, back = wilcoxon(one[:size], other[:size]), wilcoxon(other[:size], one[:size])
    assert 0 <= there.p <= 1
    assert there.p == pytest.approx(back.p)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(SHARES)
def test_holm_never_lowers_and_keeps_the_order(values):
    adjusted = holm(values)
    assert all(new >= old for new, old in zip(adjusted, values, strict=True))
    assert max(adjusted) <= 1
    assert [adjusted[place] for place in np.argsort(values, kind="stable")] == sorted(adjusted)
    assert min(adjusted) == pytest.approx(min(1, len(values) * min(values)))


def test_an_interval_by_hand():
    found = mean_interval([0.1, 0.3])
    assert (found.low, found.high) == pytest.approx((0.2 - 12.7062 * 0.1, 0.2 + 12.7062 * 0.1), abs=1e-5)
    found = mean_interval([1.0, 2.0, 3.0], level=0.9)
    assert (found.low, found.high) == pytest.approx((2 - 2.919986 / 3**0.5, 2 + 2.919986 / 3**0.5), abs=1e-5)


@pytest.mark.parametrize("size", [2, 3, 10])
def test_an_interval_of_few_values_covers_the_mean_as_often_as_it_says(size):
    draws = np.random.default_rng(size).normal(0.8, 0.1, (1500, size))
    inside = [found.low <= 0.8 <= found.high for found in map(mean_interval, draws)]
    assert 0.93 <= np.mean(inside) <= 0.97


def test_one_value_has_no_interval_and_equal_ones_have_no_width():
    assert isnan(mean_interval([0.4]).low)
    assert isnan(mean_interval([]).high)
    same = mean_interval([0.4, 0.4])
    assert (same.low, same.high) == (0.4, 0.4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: wilcoxon([1, 2], [1]), ShapeError, "Leave out what has no partner"),
        (lambda: wilcoxon([np.nan], [1]), ShapeError, "one finite number a run"),
        (lambda: holm([0.2, 1.2]), ConfigError, "a number from 0 to 1; got 0.2, 1.2"),
        (lambda: mean_interval([1, 2], level=95), ConfigError, "between 0 and 1; got 95"),
        (lambda: mean_interval([1, np.inf]), ShapeError, "Leave out runs that gave none"),
    ],
)
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
