"""Networks with maps as evidence."""

import pytest
import torch

from segcore.cam.calibrate import Calibration
from segcore.cam.capture import class_score
from segcore.cam.evidence import CamEvidence, MapChoice
from segcore.cam.methods import CAMS
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


def test_a_choice_has_a_name_and_knows_its_methods():
    assert str(CHOICE) == "layer-cam@layer3"
    assert hash(MapChoice("layer-cam", "layer3")) == hash(CHOICE)
    with pytest.raises(ConfigError, match=r"is one of grad-cam, .*; got 'xray'"):
        MapChoice("xray", "layer3")


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
