from types import SimpleNamespace

import numpy as np
import pytest

from geoseg.chipset import FLAG_VALID
from geoseg.guide import guide_weights
from segcore.crf.components import principal_weights


def chips(pixels, valid=None):
    count, _, height, width = pixels.shape
    flags = np.full((count, height, width), FLAG_VALID, np.uint8) if valid is None else valid.astype(np.uint8) * FLAG_VALID
    return SimpleNamespace(chips=pixels, flags=flags)


def test_one_band_needs_no_weights():
    assert guide_weights(chips(np.zeros((3, 1, 8, 8), np.uint8))) == ()


def test_weights_are_those_of_the_valid_pixels():
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 120, (5, 1, 20, 20))
    pixels = np.concatenate([2 * grey, 255 - grey, np.full_like(grey, 9)], axis=1).astype(np.uint8)
    valid = np.ones((5, 20, 20), bool)
    valid[:, :7] = False
    pixels[:, :, :7] = rng.integers(0, 255, pixels[:, :, :7].shape)
    assert guide_weights(chips(pixels, valid)) == pytest.approx((2 / 3, -1 / 3, 0.0), abs=1e-6)
    assert guide_weights(chips(pixels)) != pytest.approx((2 / 3, -1 / 3, 0.0), abs=1e-3)


def test_many_pixels_are_thinned(monkeypatch):
    monkeypatch.setattr("geoseg.guide._PIXELS", 500)
    seen = []
    monkeypatch.setattr("geoseg.guide.principal_weights", lambda pixels: seen.append(pixels.shape) or principal_weights(pixels))
    pixels = np.random.default_rng(2).integers(0, 255, (8, 2, 30, 30)).astype(np.uint8)
    assert len(guide_weights(chips(pixels))) == 2
    ((bands, count),) = seen
    assert bands == 2
    assert 250 <= count <= 750


def test_without_a_valid_pixel_there_are_no_weights():
    assert guide_weights(chips(np.ones((2, 3, 5, 5), np.uint8), np.zeros((2, 5, 5), bool))) == ()
