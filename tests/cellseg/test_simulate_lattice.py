"""Smooth noise against scipy's B-splines, and what it promises."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

from cellseg.simulate.lattice import Lattice, smooth_noise, spread


def test_spread_is_the_cubic_b_spline_of_scipy():
    values = np.random.default_rng(0).standard_normal(9).astype(np.float32)
    places = np.linspace(0, 6, 50)
    expected = BSpline(np.arange(-3.0, 10.0), values.astype(float), 3)(places + 0)
    np.testing.assert_allclose(spread(values, 0, places), expected, atol=1e-5)


def test_spread_keeps_constants_and_lines():
    assert spread(np.full((4, 7), 3, np.float32), 1, np.linspace(0, 4, 11)) == pytest.approx(3)
    line = np.arange(8, dtype=np.float32) - 1  # point i stands at place i - 1
    np.testing.assert_allclose(spread(line, 0, np.linspace(0, 5, 21)), np.linspace(0, 5, 21), atol=1e-5)


@pytest.mark.parametrize("shape", [(60, 70), (24, 40, 50)])
def test_noise_has_mean_0_and_deviation_1(shape):
    noise = smooth_noise(shape, (0.2, 0.1, 0.1)[-len(shape) :], 1.0, np.random.default_rng(1))
    assert (noise.shape, noise.dtype) == (shape, np.float32)
    assert noise.mean() == pytest.approx(0, abs=0.15)
    assert noise.std() == pytest.approx(1, abs=0.15)


def test_noise_changes_over_its_length():
    noise = smooth_noise((400, 400), (0.1, 0.1), 2.0, np.random.default_rng(2))
    near, far = ((noise[:, step:] - noise[:, :-step]).std() for step in (2, 60))
    assert near < 0.25 < 1 < far


def test_a_plane_is_the_plane_of_the_box():
    lattice = Lattice.draw((9, 20, 30), (0.5, 0.2, 0.2), 1.5, np.random.default_rng(3))
    box = lattice.box((9, 20, 30))
    for number in (0, 4, 8):
        assert (lattice.plane(number, (20, 30)) == box[number]).all()
