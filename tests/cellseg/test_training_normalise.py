import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellseg.training.normalise import Normalisation, moments, normalisation, read_normalisation
from segcore.errors import BundleError, ConfigError, InputError, ShapeError


@given(st.integers(0, 2**31), st.integers(1, 4), st.lists(st.integers(1, 30), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_pooled_moments_are_those_of_all_pixels(seed, channels, lengths):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(1000, 50, (channels, length, 3)) for length in lengths]
    found = normalisation(moments(part, "x") for part in parts)
    whole = np.concatenate([part.reshape(channels, -1) for part in parts], axis=1)
    np.testing.assert_allclose(found.mean, whole.mean(axis=1))
    np.testing.assert_allclose(found.spread, whole.std(axis=1), rtol=1e-4)


def test_normalised_pixels_have_mean_0_and_spread_1():
    pixels = np.random.default_rng(0).integers(0, 65535, (2, 50, 60), dtype=np.uint16)
    out = normalisation([moments(pixels, "x")]).apply(pixels)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.mean(axis=(1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=(1, 2)), 1, atol=1e-4)


def test_a_channel_of_one_colour_keeps_a_spread_of_1():
    assert normalisation([moments(np.full((1, 4, 4), 7, np.uint8), "x")]) == Normalisation(mean=(7.0,), spread=(1.0,))
    assert normalisation([moments(np.zeros((1, 4, 4), np.uint8), "x")]) == Normalisation(mean=(0.0,), spread=(1.0,))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused(value):
    pixels = np.zeros((1, 4, 4), np.float32)
    pixels[0, 2, 2] = value
    with pytest.raises(InputError, match="finite numbers; dish-3 has NaN or an infinity"):
        moments(pixels, "dish-3")


def test_other_channels_are_refused():
    with pytest.raises(ShapeError, match="has 2 channels here, got 3"):
        Normalisation(mean=(0.0, 0.0), spread=(1.0, 1.0)).apply(np.zeros((3, 2, 2)))


@pytest.mark.parametrize(
    ("mean", "spread", "text"),
    [
        ((), (), r"at least one; got \(\) and \(\)"),
        ((1.0, 2.0), (1.0,), "each channel has a mean and a spread"),
        ((1.0,), (0.0,), "spreads above 0"),
        ((np.nan,), (1.0,), "are finite"),
        ((1.0,), (np.inf,), "are finite"),
    ],
)
def test_what_is_no_scaling_is_refused(mean, spread, text):
    with pytest.raises(ConfigError, match=text):
        Normalisation(mean=mean, spread=spread)


def test_what_is_written_is_read():
    own = Normalisation(mean=(1.5, 2.5), spread=(0.25, 3.0))
    assert read_normalisation(own.as_dict(), 2) == own


@pytest.mark.parametrize(
    "found",
    [
        None,
        {"mean": [1]},
        {"mean": [1], "spread": ["wide"]},
        {"mean": [1, 2], "spread": [1, 1]},
        {"mean": [1], "spread": [0]},
        {"mean": [], "spread": []},
    ],
)
def test_what_is_garbled_is_refused(found):
    with pytest.raises(BundleError, match=r"a segmenter says the mean and spread of .*Train it again"):
        read_normalisation(found, 1)
