"""The registry."""

import copy
import subprocess
import sys

import pytest
import torch

from segcore.cam.capture import class_score
from segcore.cam.methods import CAMS
from segcore.cam.names import CAM_NAMES
from segcore.cam.smooth import smooth

SITE = class_score(1)


def test_names_and_registry_agree():
    assert tuple(CAMS) == CAM_NAMES


def test_names_need_no_torch():
    code = "import sys, segcore.cam.names; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_registry_is_read_only():
    with pytest.raises(TypeError):
        CAMS["grad-cam"] = CAMS["layer-cam"]


@pytest.mark.parametrize("name", CAMS)
def test_all_are_called_alike(name, lively, images):
    maps = CAMS[name](lively("resnet18"), images, "layer3", SITE)
    assert maps.shape == (3, 64, 64)
    assert maps.dtype == torch.float32
    assert maps.min() >= 0
    assert maps.max() > 0
    assert not maps.requires_grad


@pytest.mark.parametrize("name", CAMS)
def test_all_can_be_smoothed_alike(name, lively, images):
    raw = CAMS[name](lively("resnet18"), images, "layer3", SITE, sigma=0.0)
    torch.testing.assert_close(CAMS[name](lively("resnet18"), images, "layer3", SITE, sigma=2.0), smooth(raw, 2.0))


@pytest.mark.parametrize("name", CAMS)
@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_constant_image_gives_numbers(name, value, lively):
    for arch in ("resnet18", "densenet121"):
        model = lively(arch)
        maps = CAMS[name](model, torch.full((2, 1, 64, 64), value), model.feature_info[-1]["module"], SITE)
        assert maps.isfinite().all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", CAMS)
def test_a_gpu_draws_the_same_map(name, lively, images):
    model = lively("resnet18")
    wanted = CAMS[name](model, images, "layer3", SITE)
    found = CAMS[name](copy.deepcopy(model).cuda(), images.cuda(), "layer3", SITE).cpu()
    assert (found - wanted).abs().max() <= 1e-4 * wanted.max()
