from __future__ import annotations

import math

import numpy as np
import pytest

from geoseg.bands import Validity


def _validity(*nodata: float | None, floating: bool = False) -> Validity:
    return Validity(nodata=nodata, alpha=None, masked=False, floating=floating)


def test_every_band_counts() -> None:
    pixels = np.array([[[0, 1, 2]], [[5, 9, 2]]], dtype=np.uint8)
    assert _validity(0, 9).of(pixels).tolist() == [[False, False, True]]
    assert _validity(None, 9).of(pixels).tolist() == [[True, False, True]]


def test_floats_must_be_finite() -> None:
    pixels = np.array([[[np.nan, np.inf, -np.inf, 0.0, 1.0]]], dtype=np.float32)
    assert _validity(None, floating=True).of(pixels).tolist() == [[False, False, False, True, True]]
    assert _validity(math.nan, floating=True).of(pixels).tolist() == [[False, False, False, True, True]]


def test_a_value_is_compared_in_the_precision_of_the_pixels() -> None:
    pixels = np.array([[[0.1, 0.2]]], dtype=np.float32)
    assert _validity(0.1, floating=True).of(pixels).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("validity", "needs", "always"),
    [
        (_validity(None), False, True),
        (_validity(0), True, False),
        (_validity(None, floating=True), True, False),
        (Validity(nodata=(None,), alpha=2, masked=False, floating=False), False, False),
        (Validity(nodata=(None,), alpha=None, masked=True, floating=False), False, False),
    ],
)
def test_when_pixels_are_needed(validity: Validity, needs: bool, always: bool) -> None:
    assert (validity.needs_pixels, validity.always) == (needs, always)


def test_what_a_warp_is_told() -> None:
    assert _validity(None, 7).warp_nodata("uint8") == 7
    assert _validity(None).warp_nodata("uint8") is None
    assert math.isnan(_validity(None, floating=True).warp_nodata("float32") or 0)
