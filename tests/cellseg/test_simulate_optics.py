"""Blur and camera."""

import numpy as np
import pytest

from cellseg.simulate.optics import Optics
from segcore.errors import ConfigError


def test_blur_is_anisotropic_and_keeps_the_light():
    optics = Optics()
    light = np.zeros((41, 41, 41), np.float32)
    light[20, 20, 20] = 1000
    seen = optics.blur(light)
    assert seen.sum() == pytest.approx(1000, rel=1e-3)
    places = np.arange(41) - 20
    widths = [float(np.sqrt((seen.sum(tuple(o for o in range(3) if o != axis)) * places**2).sum() / 1000)) for axis in range(3)]
    for axis in range(3):
        assert widths[axis] * optics.pixel_um[axis] == pytest.approx(optics.blur_um[axis], rel=0.06)


def test_light_stays_within_the_margin():
    optics = Optics()
    shape = [2 * margin + 1 for margin in optics.margin]
    light = np.zeros(shape, np.float32)
    light[optics.margin] = 1
    assert optics.blur(light).sum() == pytest.approx(1, rel=1e-3)


def test_grey_values_have_the_statistics_of_the_camera():
    optics = Optics()
    grey = optics.expose(np.full((300, 300), 20, np.float32), np.random.default_rng(0)).astype(float)
    assert grey.mean() == pytest.approx(optics.offset + optics.gain * 20, rel=0.01)
    assert grey.std() == pytest.approx(np.hypot(optics.gain * np.sqrt(20), optics.read_noise), rel=0.02)


def test_grey_values_are_16_bits_and_cut_at_their_end():
    grey = Optics(gain=1e4).expose(np.array([[0, 1000]], np.float32), np.random.default_rng(0))
    assert grey.dtype == np.uint16
    assert grey[0, 1] == 65535


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"pixel_um": (0.2, 0, 0.1)}, "pixel_um is three"), ({"gain": 0}, "gain is > 0, got 0"), ({"haze": -1}, "haze is >= 0, got -1")],
)
def test_values_out_of_range(wrong, words):
    with pytest.raises(ConfigError, match=words):
        Optics(**wrong)
