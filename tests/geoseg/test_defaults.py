import pytest
from torch import nn

from geoseg.defaults import calibrated_maps, candidate_maps, default_outline, default_scan, stage_at
from segcore.cam.choice import MapChoice
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
    fused = MapChoice("layer-cam", "layer1+layer2+layer3+layer4")
    assert maps[:4] == [MapChoice("layer-cam", "layer2"), MapChoice("layer-cam", "layer3"), fused, MapChoice("grad-cam", "layer4")]
    assert default_outline(network, 128).choice == default_scan(network, 128).choice == maps[0]


def test_what_is_calibrated_has_stages_before_what_fuses_them(network):
    maps = calibrated_maps(network, ["score-cam"])
    assert set(candidate_maps(network)) < set(maps)
    assert maps[0] == candidate_maps(network)[0]
    assert maps[-1] == MapChoice("score-cam", "layer4")
    for choice in maps:
        assert all(maps.index(stage) < maps.index(choice) for stage in choice.stages)
    assert {choice.fuse for choice in maps if choice.stages} == {"weighted", "max"}
    assert len(set(map(str, maps))) == len(maps)


def test_lengths_grow_with_the_window(network):
    one, two = default_outline(network, 100), default_outline(network, 200)
    assert (two.shift, two.prior) == (2 * one.shift, 2 * one.prior)
    assert two.refining.smooth == 2 * one.refining.smooth
    assert two.refining.threshold == one.refining.threshold
    assert default_scan(network, 200).refining.smooth == 2 * default_scan(network, 100).refining.smooth


def test_weights_of_the_bands_are_passed_on(network):
    assert default_outline(network, 100).refining.bands == default_scan(network, 100).refining.bands == ()
    assert default_outline(network, 100, (0.5, -0.5)).refining.bands == (0.5, -0.5)
    assert default_scan(network, 100, (0.5, -0.5)).refining.bands == (0.5, -0.5)
