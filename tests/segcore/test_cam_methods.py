"""The registry."""

import copy
import subprocess
import sys

import pytest
import torch

from segcore.cam.methods import CAMS, site_score
from segcore.cam.names import CAM_NAMES, DEAR, GUIDED
from segcore.cam.smooth import smooth


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
    maps = CAMS[name](lively("resnet18"), images, "layer3", site_score(name))
    assert maps.shape == (3, 64, 64)
    assert maps.dtype == torch.float32
    assert maps.min() >= 0
    assert maps.max() > 0
    assert not maps.requires_grad


@pytest.mark.parametrize("name", CAMS)
def test_all_can_be_smoothed_alike(name, lively, images):
    raw = "guided-grad-cam" if name == "smooth-guided-grad-cam" else name
    maps, score = CAMS[raw](lively("resnet18"), images, "layer3", site_score(raw)), site_score(name)
    torch.testing.assert_close(CAMS[name](lively("resnet18"), images, "layer3", score, sigma=2.0), smooth(maps, 2.0))


def test_what_takes_no_gradient_explains_the_probability():
    logits = torch.tensor([[0.0, 2.0], [1.0, 1.0]])
    for name in CAMS:
        wanted = logits.softmax(dim=1)[:, 1] if name in DEAR else logits[:, 1]
        torch.testing.assert_close(site_score(name)(logits), wanted)


def test_groups_of_names_are_of_the_registry():
    assert set(DEAR) | set(GUIDED) < set(CAM_NAMES)


@pytest.mark.parametrize("name", CAMS)
@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_constant_image_gives_numbers(name, value, lively):
    for arch in ("resnet18",) if name in DEAR else ("resnet18", "densenet121"):
        model = lively(arch)
        maps = CAMS[name](model, torch.full((2, 1, 64, 64), value), model.feature_info[-1]["module"], site_score(name))
        assert maps.isfinite().all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", CAMS)
def test_a_gpu_draws_the_same_map(name, lively, images):
    model = lively("resnet18")
    wanted = CAMS[name](model, images, "layer3", site_score(name))
    found = CAMS[name](copy.deepcopy(model).cuda(), images.cuda(), "layer3", site_score(name)).cpu()
    assert (found - wanted).abs().max() <= 1e-4 * wanted.max()
