import dataclasses
import subprocess
import sys
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from segcore.crf import REFERENCE, CrfConfig, refine
from segcore.crf.backends import BACKENDS
from segcore.crf.names import BACKEND_NAMES
from segcore.errors import MissingExtraError, ShapeError


@pytest.fixture(params=BACKEND_NAMES)
def config(request):
    if request.param == "pydensecrf":
        pytest.importorskip("pydensecrf.densecrf")
    return dataclasses.replace(REFERENCE, backend=request.param)


def scene(height, width, *, seed=0, bands=None):
    """A smooth noisy image 0..255, with bands (C, H, W) or without (H, W), and a probability (H, W), float32."""
    rng = np.random.default_rng(seed)
    image = np.stack([gaussian_filter(rng.standard_normal((height, width)), 12) for _ in range(bands or 1)])
    low, span = image.min((1, 2), keepdims=True), np.ptp(image, (1, 2), keepdims=True)
    image = (255 * (image - low) / span + rng.normal(0, 4, image.shape)).clip(0, 255)
    logit = gaussian_filter(rng.standard_normal((height, width)), 10)
    probability = 1 / (1 + np.exp(-1.5 * (logit - logit.mean()) / logit.std()))
    return torch.tensor(probability, dtype=torch.float32), torch.tensor(image if bands else image[0], dtype=torch.float32)


def test_names_are_those_of_the_registry():
    assert tuple(BACKENDS) == BACKEND_NAMES == get_args(get_type_hints(CrfConfig)["backend"])
    with pytest.raises(TypeError):
        BACKENDS["mine"] = None


def test_names_load_nothing_heavy():
    code = (
        "import sys, segcore.crf.names, segcore.crf.config; print([own for own in ('torch', 'numpy', 'pydensecrf') if own in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_name_the_package_does_not_have():
    import segcore.crf

    with pytest.raises(AttributeError, match="no attribute 'refined'"):
        segcore.crf.refined  # noqa: B018


def test_the_backends_agree_on_a_smooth_image():
    pytest.importorskip("pydensecrf.densecrf")
    probability, image = scene(512, 512, seed=1)
    grid = refine(probability, image, REFERENCE)
    assert ((grid > 0.5) != (probability > 0.5)).float().mean() > 0.05
    other = refine(probability, image, dataclasses.replace(REFERENCE, backend="pydensecrf"))
    assert ((grid > 0.5) == (other > 0.5)).float().mean() >= 0.98


def test_a_batch_equals_its_images_one_by_one(config):
    pairs = [scene(45, 61, seed=seed, bands=3) for seed in range(3)]
    probability, image = (torch.stack(tensors) for tensors in zip(*pairs, strict=True))
    together = refine(probability, image, config, origin=(13, -5))
    alone = torch.stack([refine(p, i, config, origin=(13, -5)) for p, i in pairs])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_one_band_may_have_an_axis_of_its_own(config):
    probability, image = scene(30, 41)
    assert torch.equal(refine(probability, image[None], config), refine(probability, image, config))
    batched = refine(probability[None], image[None], config)
    assert batched.shape == (1, 30, 41)
    assert torch.equal(refine(probability[None], image[None, None], config), batched)
    assert refine(probability[None], image[None, None], config).dtype == torch.float32


def test_arguments_come_back_unchanged_and_bytes_equal_floats(config):
    probability, image = scene(20, 30, bands=2)
    image = image.round()
    before = probability.clone(), image.clone()
    refined = refine(probability.requires_grad_(), image.to(torch.uint8), config)
    assert not refined.requires_grad
    torch.testing.assert_close(refined, refine(probability.double(), image, config), atol=1e-5, rtol=0)
    assert torch.equal(probability, before[0])
    assert torch.equal(image, before[1])


def test_several_bands_that_say_the_same_are_one_band_on_the_grid():
    probability, image = scene(50, 70)
    one = refine(probability, image, REFERENCE)
    torch.testing.assert_close(refine(probability, torch.stack([image] * 3), REFERENCE), one, atol=1e-4, rtol=0)
    torch.testing.assert_close(refine(probability, torch.stack([image, 255 - image]), REFERENCE), one, atol=1e-4, rtol=0)


def test_multiples_of_a_band_are_that_band_with_another_span_on_the_grid():
    probability, image = scene(50, 70)
    several = refine(probability, torch.stack([image, image / 2, image / 4]), REFERENCE)
    span = (1 + 1 / 4 + 1 / 16) / (1 + 1 / 2 + 1 / 4)  # of the weighted mean, beside the band itself
    alone = refine(probability, image, dataclasses.replace(REFERENCE, intensity_sigma=REFERENCE.intensity_sigma / span))
    torch.testing.assert_close(several, alone, atol=1e-3, rtol=0)
    assert (several - refine(probability, image, dataclasses.replace(REFERENCE, appearance_weight=0.0))).abs().mean() > 0.01


def test_without_the_extra_the_way_out_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    probability, image = scene(10, 10)
    with pytest.raises(MissingExtraError, match=r"needs the extra crf.*pip install 'geocellseg\[crf\]'"):
        refine(probability, image, CrfConfig(backend="pydensecrf"))
    assert refine(probability, image, CrfConfig()).shape == (10, 10)


@pytest.mark.parametrize(
    ("probability", "image", "text"),
    [
        (torch.rand(3), torch.rand(3), r"probability is \(H, W\) or \(B, H, W\).*got shape \(3,\)"),
        (torch.rand(0, 3), torch.rand(0, 3), r"at least one pixel, got shape \(0, 3\)"),
        (torch.rand(4, 3), torch.rand(3, 4), r"one shape, got \(3, 4\) and \(4, 3\)"),
        (torch.rand(2, 4, 3), torch.rand(4, 3), r"one shape, got \(4, 3\) and \(2, 4, 3\)"),
        (torch.rand(4, 3), torch.rand(2, 3, 4), r"one shape, got \(2, 3, 4\) and \(4, 3\)\. Put an axis of bands before H"),
        (torch.rand(4, 3), torch.rand(4, 3, 2), r"one shape, got \(4, 3, 2\)"),
        (torch.rand(4, 3), torch.rand(0, 4, 3), r"one shape, got \(0, 4, 3\)"),
        (torch.ones(4, 3, dtype=torch.int64), torch.rand(4, 3), "floating tensor of 0..1, got torch.int64"),
        (torch.full((4, 3), 1.5), torch.rand(4, 3), r"probability holds numbers of 0\.\.1, got 1\.5 to 1\.5"),
        (torch.full((4, 3), -0.1), torch.rand(4, 3), r"probability holds numbers of 0\.\.1, got -0\.1"),
        (torch.tensor([[0.5, torch.nan]]), torch.rand(1, 2), r"probability holds .* got nan to nan.*fill missing pixels"),
        (torch.rand(4, 3), torch.full((4, 3), 256.0), r"image holds numbers of 0\.\.255, got 256"),
        (torch.rand(1, 2), torch.tensor([[0.5, torch.nan]]), r"image holds .* got nan to nan"),
    ],
)
def test_what_cannot_be_refined_is_refused(config, probability, image, text):
    with pytest.raises(ShapeError, match=text):
        refine(probability, image, config)
