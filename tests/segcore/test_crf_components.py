import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from segcore.crf.components import principal_weights, project
from segcore.errors import ConfigError, ShapeError


@given(seed=st.integers(0, 999), bands=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_weights_are_the_first_principal_component(seed, bands):
    rng = np.random.default_rng(seed)
    pixels = rng.normal(size=(bands, bands)) @ rng.normal(size=(bands, 200)) + 100
    found = np.array(principal_weights(pixels))
    oracle = PCA(1).fit(pixels.T).components_[0]
    assert np.abs(found).sum() == pytest.approx(1)
    assert found.sum() >= -1e-9
    assert abs(found @ oracle) / np.linalg.norm(found) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("bands", "weights"),
    [
        ([[0, 1, 2]], [1.0]),
        ([[0, 1, 2], [0, 2, 4], [0, 1, 2]], [0.25, 0.5, 0.25]),
        ([[0, 4, 8], [20, 18, 16]], [2 / 3, -1 / 3]),
        ([[0, 1, 2], [9, 8, 7]], [0.5, -0.5]),  # the sum is 0: the first is positive
        ([[9, 8, 7], [0, 1, 2]], [0.5, -0.5]),
        ([[7, 7, 7], [0, 1, 2]], [0.0, 1.0]),
        ([[7, 7, 7], [0, 0, 0]], [0.5, 0.5]),
        ([[5], [6], [7], [8]], [0.25] * 4),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_weights_by_hand(bands, weights, dtype):
    assert principal_weights(np.array(bands, dtype=dtype)) == pytest.approx(tuple(weights), abs=1e-12)


@pytest.mark.parametrize("bands", [np.zeros(3), np.zeros((0, 3)), np.zeros((2, 0)), np.array([[1.0, np.nan]]), np.array([[np.inf, 1.0]])])
def test_bands_that_are_none_are_refused(bands):
    with pytest.raises(ShapeError, match=r"bands are \(C, N\) numbers"):
        principal_weights(bands)


def test_one_band_from_several_by_hand():
    image = torch.tensor([[[0, 255, 0, 255, 100]], [[0, 255, 255, 0, 40]]], dtype=torch.uint8)
    assert project(image, [1.0, 0.0]).tolist() == [[0, 255, 0, 255, 100]]
    torch.testing.assert_close(project(image, [3.0, 1.0]), torch.tensor([[0.0, 255.0, 63.75, 191.25, 85.0]]))
    torch.testing.assert_close(project(image, [0.5, -0.5]), torch.tensor([[127.5, 127.5, 0.0, 255.0, 157.5]]))
    torch.testing.assert_close(project(image, [-1.0, 0.0]), torch.tensor([[255.0, 0.0, 255.0, 0.0, 155.0]]))


@given(seed=st.integers(0, 999), weights=st.lists(st.floats(-2, 2), min_size=1, max_size=5).filter(lambda own: sum(map(abs, own)) > 0.1))
@settings(max_examples=50, deadline=None)
def test_one_band_is_affine_within_0_to_255_and_pixel_by_pixel(seed, weights):
    image = torch.randint(0, 256, (2, len(weights), 7, 9), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    before = image.clone()
    grey = project(image, weights)
    assert grey.shape == (2, 7, 9)
    assert grey.dtype == torch.float32
    assert 0 <= grey.min() <= grey.max() <= 255
    assert torch.equal(grey[1, 2:5, 3:], project(image[1, :, 2:5, 3:], weights))
    assert torch.equal(image, before)
    span = np.abs(weights).sum()
    expected = np.tensordot(weights, image.numpy().astype(float), (0, 1)) / span
    rest = grey.numpy() - expected
    np.testing.assert_allclose(rest, rest[0, 0, 0], atol=1e-3)


@pytest.mark.parametrize("weights", [[], [1.0], [1.0, 1.0, 1.0], [0.0, 0.0], [1.0, np.nan], [np.inf, 1.0]])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ConfigError, match=r"2 band\(s\) need as many weights"):
        project(torch.zeros(2, 3, 3), weights)
