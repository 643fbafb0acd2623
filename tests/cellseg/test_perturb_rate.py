"""Rates are exact, and nonsense is refused."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellseg.perturb import Bias, Merge, Omission, SaltPepper, Segments, Shift
from cellseg.perturb.inclusion import Inclusion
from cellseg.perturb.rate import count_of, drawn
from segcore.errors import ConfigError


@settings(deadline=None)
@given(percent=st.integers(0, 100), total=st.integers(0, 3000))
def test_counts_are_rounded_half_up_from_the_rate_as_written(percent, total):
    exact = Fraction(percent, 100) * total
    count = count_of(percent / 100, total)
    assert abs(count - exact) <= Fraction(1, 2)
    if (exact * 2).denominator == 1 and (exact * 2) % 2 == 1:
        assert count == exact + Fraction(1, 2)


def test_counts_by_hand():
    assert [count_of(0.5, n) for n in (0, 1, 2, 3)] == [0, 1, 1, 2]
    assert count_of(0.29, 50) == 15  # 14.5, although 0.29 * 50 is 14.499999999999998 in floating point
    assert (count_of(0, 7), count_of(1, 7)) == (0, 7)


def test_a_higher_rate_draws_the_same_objects_and_more():
    ids = np.arange(1, 41, dtype=np.int32)
    few, many = (set(drawn(rate, ids, np.random.default_rng(3)).tolist()) for rate in (0.2, 0.5))
    assert len(few) == 8
    assert few < many


@pytest.mark.parametrize("rate", [-0.1, 1.0001, float("nan"), float("inf"), "0.3", None, True])
@pytest.mark.parametrize(
    "kind", [Omission, Merge, SaltPepper, Segments, lambda rate: Inclusion(rate, "a"), lambda rate: Segments(0.1, removed=rate)]
)
def test_rates_outside_0_to_1_are_refused(kind, rate):
    with pytest.raises(ConfigError, match="is a share between 0 and 1, got"):
        kind(rate)


@pytest.mark.parametrize("count", [0, -1, 1.5, float("nan"), "2", True])
@pytest.mark.parametrize("kind", [Bias, Shift])
def test_steps_are_whole_pixels_from_1(kind, count):
    with pytest.raises(ConfigError, match="is a whole number of pixels from 1, got"):
        kind(count)


def test_other_settings_are_checked():
    with pytest.raises(ConfigError, match="one of cell, image, volume; got 'slide'"):
        Bias(2, unit="slide")
    with pytest.raises(ConfigError, match="scale > 0"):
        Segments(scale=0)
    with pytest.raises(ConfigError, match="scale > 0"):
        Segments(sigma=float("nan"))
