import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from segcore.crf.gaussian import NormalisedGaussian, gaussian_mass, gaussian_sum, local_mean

CPU = torch.device("cpu")


def test_one_pixel_spreads_as_the_formula_says():
    image = torch.zeros(1, 9, 11)
    image[0, 4, 5] = 1.0
    row, col = np.mgrid[-4:5, -5:6]
    expected = np.exp(-0.5 * ((row / 1.5) ** 2 + (col / 2.5) ** 2))
    np.testing.assert_allclose(gaussian_sum(image, (1.5, 2.5))[0], expected, atol=1e-6)


@pytest.mark.parametrize("sigma", [(0.4, 3.0), (3.0, 1.0), (20.0, 5.0)])
@pytest.mark.parametrize("shape", [(2, 63, 130), (1, 1, 7), (1, 65, 64)])
def test_equals_scipy_inside_and_outside_is_nothing(shape, sigma):
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    mass = [np.exp(-0.5 * (np.arange(-np.ceil(4 * s), np.ceil(4 * s) + 1) / s) ** 2).sum() for s in sigma]
    reach = [int(np.ceil(4 * s)) for s in sigma]
    oracle = [gaussian_filter(plane, sigma, mode="constant", radius=reach) * mass[0] * mass[1] for plane in image.double().numpy()]
    np.testing.assert_allclose(gaussian_sum(image, sigma), np.stack(oracle), rtol=2e-5, atol=1e-5)


@given(st.integers(1, 90), st.integers(1, 90), st.floats(0.3, 30))
@settings(max_examples=25, deadline=None)
def test_mass_is_the_sum_over_ones(height, width, sigma):
    ones = torch.ones(1, height, width)
    torch.testing.assert_close(gaussian_mass((height, width), (sigma, 2.0), CPU), gaussian_sum(ones, (sigma, 2.0)))


def test_local_mean_of_a_constant_is_that_constant_up_to_the_border():
    torch.testing.assert_close(local_mean(torch.full((1, 40, 30), 7.0), (5.0, 8.0)), torch.full((1, 40, 30), 7.0))


def test_normalised_filter_is_symmetric():
    a, b = torch.rand(2, 1, 20, 33, generator=torch.Generator().manual_seed(1))
    kernel = NormalisedGaussian((20, 33), (3.0, 2.0), CPU)
    torch.testing.assert_close((a * kernel.filter(b)).sum(), (kernel.filter(a) * b).sum())
