import pytest
from torch import nn

from geoseg.defaults import candidate_maps, default_outline, default_scan, stage_at
from segcore.cam.evidence import MapChoice
from segcore.errors import ConfigError
from segcore.nets.classifier import build_classifier


@pytest.fixture(scope="module")
def network():
    return build_classifier("test_resnet", bands=1)


def test_stages_are_found_by_their_stride(network):
    assert [stage_at(network, stride) for stride in (8, 16, 32)] == ["layer2", "layer3", "layer4"]
    assert stage_at(network, 1000) == "layer4"
    assert stage_at(network, 2) == "act1"


def test_a_network_without_stages_is_refused():
    with pytest.raises(ConfigError, match="Sequential lists none"):
        stage_at(nn.Sequential(), 8)


def test_candidates_begin_with_the_default(network):
    maps = candidate_maps(network)
    assert maps[:3] == [MapChoice("layer-cam", "layer2"), MapChoice("layer-cam", "layer3"), MapChoice("grad-cam", "layer4")]
    assert default_outline(network, 128).choice == default_scan(network, 128).choice == maps[0]


def test_lengths_grow_with_the_window(network):
    one, two = default_outline(network, 100), default_outline(network, 200)
    assert (two.shift, two.prior) == (2 * one.shift, 2 * one.prior)
    assert two.refining.smooth == 2 * one.refining.smooth
    assert two.refining.threshold == one.refining.threshold
    assert default_scan(network, 200).refining.smooth == 2 * default_scan(network, 100).refining.smooth
