"""The Gaussian against scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from segcore.cam.smooth import smooth
from segcore.errors import ConfigError


@given(shape=st.tuples(st.integers(1, 3), st.integers(1, 30), st.integers(1, 30)), sigma=st.floats(0, 12), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_equals_scipy_for_any_size(shape, sigma, seed):
    maps = np.random.default_rng(seed).random(shape)
    oracle = gaussian_filter(maps, (0, sigma, sigma), mode="nearest", truncate=4.0)
    np.testing.assert_allclose(smooth(torch.from_numpy(maps), sigma).numpy(), oracle, atol=1e-12)


def test_constant_stays_constant_and_zero_sigma_changes_nothing():
    maps = torch.full((2, 20, 30), 3.0)
    torch.testing.assert_close(smooth(maps, 7.3), maps)
    assert torch.equal(smooth(maps, 0), maps)


@pytest.mark.parametrize("sigma", [-1.0, float("nan"), float("inf")])
def test_sigma_out_of_range(sigma):
    with pytest.raises(ConfigError, match="in pixels, 0 or more"):
        smooth(torch.zeros(1, 4, 4), sigma)
