import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from segcore.crf import REFERENCE, CrfConfig, refine
from segcore.crf.contrast import contrast
from segcore.windows import Window, block_grid


def scene(height, width, *, seed=0, blur=12.0, noise=4.0, grain=10.0, gain=1.5):
    """A smooth noisy image 0..255 and a probability of its own, both (height, width) float32."""
    rng = np.random.default_rng(seed)
    image = gaussian_filter(rng.standard_normal((height, width)), blur)
    image = 255 * (image - image.min()) / np.ptp(image) + rng.normal(0, noise, (height, width))
    logit = gaussian_filter(rng.standard_normal((height, width)), grain)
    probability = 1 / (1 + np.exp(-gain * (logit - logit.mean()) / logit.std()))
    return torch.tensor(probability, dtype=torch.float32), torch.tensor(image.clip(0, 255), dtype=torch.float32)


def pairwise(rows, cols, sigma, grey=None, intensity_sigma=1.0):
    distance = ((rows[:, None] - rows) / sigma[0]) ** 2 + ((cols[:, None] - cols) / sigma[1]) ** 2
    if grey is not None:
        distance += ((grey[:, None] - grey) / intensity_sigma) ** 2
    kernel = np.exp(-0.5 * distance)
    scale = kernel.sum(1) ** -0.5
    return kernel * scale[:, None] * scale


def brute_force(probability, image, config):
    """Mean field with full N x N kernels, self-message included, two labels written out."""
    p = probability.double().numpy().reshape(-1).clip(1e-5, 1 - 1e-5)
    grey = image.double().numpy().reshape(-1)
    rows, cols = (axis.reshape(-1).astype(float) for axis in np.indices(probability.shape))
    kernel = config.smooth_weight * pairwise(rows, cols, config.smooth_pair)
    kernel += config.appearance_weight * pairwise(rows, cols, config.appearance_pair, grey, config.intensity_sigma)
    q = np.stack([1 - p, p])
    energy = -np.log(q)
    for _ in range(config.iterations):
        q = np.exp(-energy + q @ kernel)
        q /= q.sum(0)
    return torch.from_numpy(q[1].reshape(probability.shape))


def labels_differ(a, b):
    return ((a > 0.5) != (b > 0.5)).float().mean().item()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("config", "options"),
    [
        (REFERENCE, {}),
        (CrfConfig(), {"noise": 15.0}),
        (dataclasses.replace(REFERENCE, appearance_sigma=(8.0, 20.0), smooth_sigma=(1.0, 4.0)), {"blur": 6.0}),
        (dataclasses.replace(REFERENCE, appearance_sigma=10.0), {"blur": 5.0}),
    ],
    ids=["reference", "default", "anisotropic", "narrow"],
)
def test_equals_brute_force(config, options, seed):
    probability, image = scene(40, 50, seed=seed, grain=4.0, **options)
    expected = brute_force(probability, image, config)
    refined = refine(probability, image, config)
    assert refined.shape == (40, 50)
    assert refined.dtype == torch.float32
    assert labels_differ(probability, expected) > 0.05  # the CRF has something to say here
    assert 0.1 < (expected > 0.5).float().mean() < 0.9
    assert labels_differ(refined, expected) <= 0.01
    assert (refined - expected).abs().mean() <= 0.003


def test_gaussian_alone_equals_brute_force():
    probability, image = scene(37, 50, grain=3.0)
    config = CrfConfig(appearance_weight=0.0, smooth_sigma=(2.0, 4.0))
    torch.testing.assert_close(refine(probability, image, config), brute_force(probability, image, config).float(), atol=2e-4, rtol=0)


def test_rows_and_columns_are_not_mixed_up():
    probability, image = scene(30, 50)
    config = dataclasses.replace(REFERENCE, appearance_sigma=(5.0, 30.0), smooth_sigma=(1.0, 4.0))
    turned = dataclasses.replace(REFERENCE, appearance_sigma=(30.0, 5.0), smooth_sigma=(4.0, 1.0))
    torch.testing.assert_close(refine(probability, image, config), refine(probability.T, image.T, turned).T, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("shape", "config"), [((512, 512), REFERENCE), ((400, 610), CrfConfig())], ids=["reference", "default"])
def test_labels_agree_with_pydensecrf(shape, config):
    densecrf = pytest.importorskip("pydensecrf.densecrf")
    height, width = shape
    probability, image = scene(height, width)
    row, col = np.indices(shape, dtype=np.float32) / 40
    features = np.stack([col, row, image.numpy() / 13]).reshape(3, -1).astype(np.float32)
    unary = -torch.stack([1 - probability, probability]).clamp(1e-5, 1).log().reshape(2, -1)
    model = densecrf.DenseCRF2D(width, height, 2)
    model.setUnaryEnergy(np.ascontiguousarray(unary.numpy()))
    model.addPairwiseGaussian(sxy=3, compat=3)
    model.addPairwiseEnergy(np.ascontiguousarray(features), compat=config.appearance_weight)
    oracle = torch.from_numpy(np.array(model.inference(5))[1].reshape(shape))
    assert labels_differ(refine(probability, image, config), oracle) <= 0.02


def tiled(probability, image, config, halo, block=256):
    """The scene in blocks, each read with a halo cut at the scene's edge and refined at its own origin."""
    whole = Window(0, 0, *probability.shape)
    result = torch.empty_like(probability)
    for core in block_grid((whole.height, whole.width), block):
        read = core.grow(halo).overlap(whole)
        refined = refine(probability[read.slices], image[read.slices], config, origin=(read.row, read.col))
        result[core.slices] = refined[core.shift(-read.row, -read.col).slices]
    return result


@pytest.mark.parametrize("config", [REFERENCE, CrfConfig(), CrfConfig(guide="contrast")], ids=["reference", "default", "contrast"])
def test_tiled_equals_whole(config):
    probability, image = scene(600, 700, seed=1)
    whole = refine(probability, image, config)
    assert labels_differ(whole, tiled(probability, image, config, config.halo)) <= 0.001


def test_without_a_halo_tiles_show():
    probability, image = scene(600, 700, seed=1)
    assert labels_differ(refine(probability, image, REFERENCE), tiled(probability, image, REFERENCE, 0)) > 0.01


def test_a_batch_equals_its_images_one_by_one():
    pairs = [scene(45, 61, seed=seed) for seed in range(3)]
    probability, image = (torch.stack(tensors) for tensors in zip(*pairs, strict=True))
    together = refine(probability, image, REFERENCE, origin=(13, -5))
    alone = torch.stack([refine(p, i, REFERENCE, origin=(13, -5)) for p, i in pairs])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@given(st.integers(0, 99), st.integers(1, 30), st.integers(1, 30), st.booleans())
@settings(max_examples=20, deadline=None)
def test_foreground_and_background_are_alike(seed, height, width, contrast_guide):
    generator = torch.Generator().manual_seed(seed)
    probability = torch.rand(height, width, generator=generator)
    image = 255 * torch.rand(height, width, generator=generator)
    config = CrfConfig(appearance_sigma=7.0, guide="contrast" if contrast_guide else "intensity")
    q = refine(probability, image, config)
    assert ((q >= 0) & (q <= 1)).all()
    torch.testing.assert_close(refine(1 - probability, image, config), 1 - q, atol=1e-3, rtol=0)


def test_without_kernels_only_the_clip_remains():
    probability, image = torch.tensor([[0.0, 0.25, 1.0]]), torch.zeros(1, 3)
    refined = refine(probability, image, CrfConfig(smooth_weight=0.0, appearance_weight=0.0))
    torch.testing.assert_close(refined, torch.tensor([[1e-5, 0.25, 1 - 1e-5]]))


def test_arguments_come_back_unchanged_and_bytes_equal_floats():
    probability, image = scene(20, 30)
    image = image.round()
    before = probability.clone(), image.clone()
    refined = refine(probability.requires_grad_(), image.to(torch.uint8), REFERENCE)
    assert not refined.requires_grad
    torch.testing.assert_close(refined, refine(probability.double(), image, REFERENCE), atol=1e-5, rtol=0)
    assert torch.equal(probability, before[0])
    assert torch.equal(image, before[1])


def test_an_edge_in_the_image_stops_the_label():
    image = torch.zeros(40, 40)
    image[:, 20:] = 200
    probability = torch.full((40, 40), 0.45)
    probability[:, 20:] = 0.55
    probability[:, 18:20] = 0.6  # the map leaks two pixels over the edge
    refined = refine(probability, image, CrfConfig(smooth_weight=0.0, appearance_weight=10.0))
    assert torch.equal(refined > 0.5, image > 100)


def test_contrast_brings_a_lit_and_a_shaded_wall_together():
    image = torch.full((1, 61, 61), 128.0)
    image[:, :, 25] += 60
    image[:, :, 35] -= 60
    guide = contrast(image, (10.0, 10.0))[0, 30]
    assert guide[25] == pytest.approx(guide[35].item(), rel=0.05)
    assert guide[25] > 80
    assert guide[[5, 30, 55]].max() < 10
    assert contrast(torch.tensor([[[0.0, 255.0]]]), (10.0, 10.0)).max() <= 255
