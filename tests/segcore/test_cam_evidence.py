"""Networks with maps as evidence."""

import pytest
import torch

from segcore.cam.calibrate import Calibration
from segcore.cam.choice import MapChoice
from segcore.cam.evidence import CamEvidence
from segcore.cam.gradient import layer_cams
from segcore.cam.methods import CAMS
from segcore.cam.scores import class_score
from segcore.data.bands import as_input
from segcore.errors import ConfigError

CHOICE = MapChoice("layer-cam", "layer3")
PARTS = [Calibration(scale=0.02), Calibration(scale=0.05, gain=4.0)]


@pytest.fixture
def windows(images):
    return ((images[:2, :, :40, :48] * 0.15 + 0.5).clamp(0, 1) * 255).to(torch.uint8)


@pytest.fixture
def evidence(lively):
    return CamEvidence([lively("resnet18"), lively("resnet10t")], CHOICE, PARTS)


def test_scores_are_those_of_each_network(evidence, windows):
    scores = evidence.screen(windows)
    assert scores.shape == (2, evidence.members) == (2, 2)
    assert scores.dtype == torch.float32
    with torch.no_grad():
        for member, network in enumerate(evidence.networks):
            expected = network(as_input(windows.numpy())).softmax(dim=1)[:, 1]
            torch.testing.assert_close(scores[:, member], expected, atol=1e-6, rtol=0)


def test_the_map_is_the_mean_of_calibrated_maps(evidence, windows):
    maps = evidence.maps(windows)
    parts = [
        calibration.apply(CAMS["layer-cam"](network, as_input(windows.numpy()), "layer3", class_score(1)))
        for network, calibration in zip(evidence.networks, PARTS, strict=True)
    ]
    assert maps.shape == (2, len(evidence.channels), 40, 48)
    assert evidence.channels == ("layer-cam",)
    assert maps.dtype == torch.float32
    assert 0 <= maps.min() < maps.max() <= 1
    torch.testing.assert_close(maps[:, 0], (parts[0] + parts[1]) / 2)


def test_the_maps_of_members_are_apart(evidence, windows):
    maps = evidence.member_maps(windows)
    assert maps.shape == (2, 2, 40, 48)
    torch.testing.assert_close(maps.mean(dim=0)[:, None], evidence.maps(windows))
    assert maps.std(dim=0).max() > 0


def test_fused_maps_use_the_scale_of_each_stage(lively, windows):
    choice = MapChoice("layer-cam", "layer2+layer3", "max")
    part = Calibration(scale=0.8, stages=(0.03, 0.05))
    network, images = lively("resnet18"), as_input(windows.numpy())
    stages = layer_cams(network, images, ("layer2", "layer3"), class_score(1))
    expected = torch.maximum(torch.tanh(2 * stages[0] / 0.03), torch.tanh(2 * stages[1] / 0.05))
    torch.testing.assert_close(CamEvidence([network], choice, [part]).maps(windows)[:, 0], part.apply(expected))


def test_a_window_does_not_depend_on_its_batch(evidence, windows):
    alone = torch.cat([evidence.maps(own[None]) for own in windows])
    torch.testing.assert_close(evidence.maps(windows), alone, atol=1e-5, rtol=0)


def test_networks_are_in_evaluation_mode_and_unchanged(lively, windows):
    network = lively("resnet18")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    evidence = CamEvidence([network.train()], CHOICE, PARTS[:1])
    evidence.screen(windows)
    evidence.maps(windows)
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("count", [0, 1])
def test_each_network_needs_its_calibration(lively, count):
    with pytest.raises(ConfigError, match=r"at least one, needs its calibration; got .* and 0\. Calibrate layer-cam@layer3 first"):
        CamEvidence([lively("resnet18")] * count, CHOICE, [])
