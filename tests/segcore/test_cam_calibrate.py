"""One scale for all images."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segcore.cam.calibrate import Calibration, calibrate
from segcore.errors import BundleError, ConfigError, ShapeError


def parts(seed, *sizes):
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.lognormal(0, 3, size).astype(np.float32)) for size in sizes]


@given(seed=st.integers(0, 2**32 - 1), quantile=st.floats(0.01, 1.0))
@settings(max_examples=30, deadline=None)
def test_the_scale_is_the_quantile_of_all_pixels(seed, quantile):
    maps = parts(seed, (2, 9, 7), (1, 9, 7), (4, 5, 5))
    exact = np.quantile(torch.cat([part.flatten() for part in maps]).numpy(), quantile, method="inverted_cdf")
    scale = calibrate(maps, quantile=quantile).scale
    assert exact * (1 - 2**-11) <= scale <= exact


def test_order_and_batches_do_not_matter():
    maps = parts(1, (2, 9, 7), (1, 9, 7), (4, 5, 5))
    whole = torch.cat([part.flatten() for part in maps])
    assert calibrate(reversed(maps)) == calibrate([whole]) == calibrate(iter(maps))


def test_zeros_count():
    assert calibrate([torch.tensor([0.0, -0.0, 0.0, 4.0])], quantile=0.76).scale == 4.0
    with pytest.raises(ConfigError, match=r"75 % of 4 pixels are 0"):
        calibrate([torch.tensor([0.0, -0.0, 0.0, 4.0])], quantile=0.75)


@pytest.mark.parametrize("maps", [[], [torch.zeros(2, 4, 4)]])
def test_maps_of_nothing_are_refused(maps):
    with pytest.raises(ConfigError, match="a scale needs maps above 0"):
        calibrate(maps)


@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
def test_maps_that_are_none_are_refused(value):
    with pytest.raises(ShapeError, match="finite values of 0 or more"):
        calibrate([torch.tensor([1.0, value])])


@pytest.mark.parametrize("quantile", [0.0, 1.01, math.nan])
def test_quantiles_that_are_none_are_refused(quantile):
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        calibrate([torch.ones(3)], quantile=quantile)


def test_the_logistic_by_hand():
    found = Calibration(scale=2.0, gain=10.0, midpoint=0.5).apply(torch.tensor([0.0, 1.0, 2.0, 1e9]))
    low = 1 / (1 + math.exp(5))
    wanted = [0.0, (0.5 - low) / (1 - low), (1 / (1 + math.exp(-5)) - low) / (1 - low), 1.0]
    torch.testing.assert_close(found, torch.tensor(wanted))


@given(scale=st.floats(1e-6, 1e6), gain=st.floats(0.1, 200), midpoint=st.floats(0, 5), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_zero_stays_zero_and_order_is_kept(scale, gain, midpoint, seed):
    maps = torch.cat([torch.zeros(1), torch.rand(50, generator=torch.Generator().manual_seed(seed)).sort().values * 3 * scale])
    values = Calibration(scale=scale, gain=gain, midpoint=midpoint).apply(maps)
    assert values[0] == 0
    assert (values.diff() >= 0).all()
    assert values.max() <= 1


def test_the_default_is_the_hyperbolic_tangent():
    maps = torch.linspace(0, 8, 100)
    torch.testing.assert_close(Calibration(scale=2.0).apply(maps), torch.tanh(maps / 2), rtol=1e-5, atol=1e-6)


def test_one_scale_keeps_an_empty_image_empty():
    site, empty = torch.tensor([[0.0, 5.0, 5.0]]), torch.tensor([[0.0, 0.01, 0.02]])
    values = calibrate([site]).apply(torch.stack([site, empty]))
    assert values[0].max() == pytest.approx(math.tanh(1), rel=1e-3)
    assert values[1].max() < 0.01


def test_json_round_trip():
    kept = Calibration(scale=0.1 + 0.2, gain=7.0, midpoint=0.25)
    assert Calibration.from_dict(json.loads(json.dumps(kept.to_dict()))) == kept
    assert kept.to_dict() == {"scale": 0.1 + 0.2, "gain": 7.0, "midpoint": 0.25}


@pytest.mark.parametrize("values", [{}, {"scale": "a"}, {"scale": 1.0, "bias": 2.0}, {"scale": -1.0}, {"scale": None}])
def test_foreign_dictionaries_are_refused(values):
    with pytest.raises(BundleError, match="scale, gain and midpoint"):
        Calibration.from_dict(values)


@pytest.mark.parametrize("change", [{"scale": 0.0}, {"gain": 0.0}, {"midpoint": -0.1}, {"scale": math.nan}, {"gain": math.inf}])
def test_values_out_of_range_are_refused(change):
    with pytest.raises(ConfigError, match="scale > 0, gain > 0 and midpoint >= 0"):
        Calibration(**{"scale": 1.0, **change})
