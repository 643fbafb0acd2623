import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from segcore.crf import REFERENCE, CrfConfig, refine
from segcore.crf.contrast import contrast
from segcore.windows import Window, block_grid

densecrf = pytest.importorskip("pydensecrf.densecrf")
BOTH = dataclasses.replace(REFERENCE, backend="pydensecrf")


def scene(height, width, *, bands=3, seed=0, blur=6.0, grain=4.0):
    """Smooth noisy bands 0..255 (C, H, W), and a probability (H, W), float32."""
    rng = np.random.default_rng(seed)
    image = np.stack([gaussian_filter(rng.standard_normal((height, width)), blur) for _ in range(bands)])
    image -= image.min((1, 2), keepdims=True)
    image = 255 * image / image.max((1, 2), keepdims=True) + rng.normal(0, 4, image.shape)
    logit = gaussian_filter(rng.standard_normal((height, width)), grain)
    probability = 1 / (1 + np.exp(-1.5 * (logit - logit.mean()) / logit.std()))
    return torch.tensor(probability, dtype=torch.float32), torch.tensor(image.clip(0, 255), dtype=torch.float32)


def pairwise(features):
    """D^-1/2 K D^-1/2 of features (D, N) in their sigmas, float64."""
    kernel = np.exp(-0.5 * ((features[:, :, None] - features[:, None]) ** 2).sum(0))
    scale = kernel.sum(1) ** -0.5
    return kernel * scale[:, None] * scale


def brute_force(probability, image, config):
    """Mean field with full N x N kernels, self-message included, two labels written out."""
    p = probability.double().numpy().reshape(-1).clip(1e-5, 1 - 1e-5)
    place = np.indices(probability.shape).reshape(2, -1).astype(float)
    smooth, appearance = (place / np.array(pair)[:, None] for pair in (config.smooth_pair, config.appearance_pair))
    guide = contrast(image, config.contrast_pair) if config.guide == "contrast" else image
    grey = guide.double().numpy().reshape(len(image), -1) / config.intensity_sigma
    kernel = config.smooth_weight * pairwise(smooth) + config.appearance_weight * pairwise(np.concatenate([appearance, grey]))
    q = np.stack([1 - p, p])
    energy = -np.log(q)
    for _ in range(config.iterations):
        q = np.exp(-energy + q @ kernel)
        q /= q.sum(0)
    return torch.from_numpy(q[1].reshape(probability.shape))


def labels_equal(a, b):
    return ((a > 0.5) == (b > 0.5)).float().mean().item()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "config",
    [
        BOTH,
        dataclasses.replace(BOTH, appearance_sigma=(8.0, 30.0), smooth_sigma=(1.0, 4.0), intensity_sigma=30.0),
        dataclasses.replace(BOTH, guide="contrast"),
    ],
    ids=["reference", "anisotropic", "contrast"],
)
def test_three_bands_equal_brute_force(config, seed):
    probability, image = scene(32, 40, seed=seed, blur=10.0)
    expected = brute_force(probability, image, config)
    refined = refine(probability, image, config)
    assert refined.dtype == torch.float32
    assert labels_equal(probability, expected) < 0.98  # the CRF has something to say here
    assert labels_equal(refined, expected) >= 0.95
    assert (refined - expected).abs().mean() <= 0.03


@pytest.mark.parametrize("bands", [1, 3, 4, 8])
@pytest.mark.parametrize("shape", [(24, 40), (40, 24)])
@pytest.mark.parametrize("sigma", [3.0, (2.0, 4.0)])
def test_gaussian_alone_equals_brute_force(bands, shape, sigma):
    _, image = scene(*shape, bands=bands)
    probability = torch.sigmoid(2 * torch.rand(shape, generator=torch.Generator().manual_seed(bands)).logit(eps=0.01))
    config = CrfConfig(backend="pydensecrf", appearance_weight=0.0, smooth_sigma=sigma)
    expected = brute_force(probability, image, config)
    assert (probability - expected).abs().mean() > 0.025
    assert (refine(probability, image, config) - expected).abs().mean() <= 0.003


@pytest.mark.parametrize("shape", [(24, 40), (40, 24)])
def test_at_the_origin_it_is_pydensecrf_as_others_call_it(shape):
    probability, image = scene(*shape)
    config = dataclasses.replace(BOTH, appearance_sigma=(8.0, 20.0), smooth_sigma=(2.0, 4.0))
    model = densecrf.DenseCRF2D(shape[1], shape[0], 2)
    model.setUnaryEnergy(-torch.stack([1 - probability, probability]).log().reshape(2, -1).numpy().copy())
    model.addPairwiseGaussian(sxy=(4, 2), compat=3)
    colours = np.ascontiguousarray(image.permute(1, 2, 0).round().to(torch.uint8).numpy())
    model.addPairwiseBilateral(sxy=(20, 8), srgb=13, rgbim=colours, compat=10)
    oracle = torch.from_numpy(np.array(model.inference(5))[1].reshape(shape))
    torch.testing.assert_close(refine(probability, image.round(), config), oracle, atol=1e-4, rtol=0)


def test_without_kernels_only_the_clip_remains():
    probability, image = torch.tensor([[0.0, 0.25, 1.0]]), torch.zeros(1, 3)
    refined = refine(probability, image, CrfConfig(backend="pydensecrf", smooth_weight=0.0, appearance_weight=0.0))
    torch.testing.assert_close(refined, torch.tensor([[1e-5, 0.25, 1 - 1e-5]]))


def test_every_band_counts():
    probability, image = scene(40, 50)
    for band in range(3):
        other = image.clone()
        other[band] = 128
        assert (refine(probability, image, BOTH) - refine(probability, other, BOTH)).abs().mean() > 0.003


def tiled(probability, image, config, *, absolute):
    """The scene in blocks of 100 px, each read with a halo and refined at its own origin, or as if it began there."""
    whole = Window(0, 0, *probability.shape)
    result = torch.empty_like(probability)
    for core in block_grid((whole.height, whole.width), 100):
        read = core.grow(config.halo).overlap(whole)
        origin = (read.row, read.col) if absolute else (0, 0)
        refined = refine(probability[read.slices], image[:, *read.slices], config, origin=origin)
        result[core.slices] = refined[core.shift(-read.row, -read.col).slices]
    return result


def test_tiled_equals_whole_because_coordinates_are_absolute():
    config = dataclasses.replace(BOTH, appearance_sigma=12.0)
    probability, image = scene(300, 350, blur=12.0, grain=10.0)
    whole = refine(probability, image, config)
    assert 1 - labels_equal(whole, tiled(probability, image, config, absolute=True)) <= 0.001
    assert 1 - labels_equal(whole, tiled(probability, image, config, absolute=False)) > 0.002


@pytest.mark.parametrize("turns", [(100, 70), (-1000, 3000), (10**6, -(10**6))])
def test_the_lattice_repeats_itself(turns):
    """One period is 3 sigma in rows and sqrt(3) sigma in columns; with these sigmas that is 15 px and 7 px to 1e-7."""
    probability, image = scene(60, 70, blur=10.0)
    sigma = (5.0, 7 / 3**0.5)
    config = dataclasses.replace(BOTH, smooth_sigma=sigma, appearance_sigma=sigma)
    here = refine(probability, image, config, origin=(4, 3))
    there = refine(probability, image, config, origin=(4 + 15 * turns[0], 3 + 7 * turns[1]))
    assert (here - there).abs().mean() <= 1e-3
    assert (here - refine(probability, image, config, origin=(9, 5))).abs().mean() > 2e-3
