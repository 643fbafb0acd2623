import numpy as np
import pytest
import torch

import geoseg.calibration as module
from geoseg.calibration import calibrate_maps
from geoseg.chipset import ChipSet, open_chips
from geoseg.defaults import calibrated_maps
from segcore.cam.calibrate import calibrate
from segcore.cam.choice import MapChoice
from segcore.errors import ConfigError
from segcore.nets.classifier import build_classifier
from segcore.progress import Silent


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def test_calibration_sees_the_sites_of_the_pool_only(tell_chips, monkeypatch):
    chips, seen, crops = open_chips(tell_chips), [], ChipSet.crops

    def spy(self, index):
        seen.append(index)
        return crops(self, index)

    monkeypatch.setattr(ChipSet, "crops", spy)
    network = build_classifier("test_resnet", bands=1).eval()
    pool = np.array([3, 5, 8, 60, 70])
    found = calibrate_maps([network], chips, [pool], [MapChoice("layer-cam", "layer2")], progress=Silent())
    assert seen == [3, 5, 8]
    assert found["layer-cam@layer2"][0].scale > 0


def test_a_map_that_is_empty_is_left_out_unless_it_is_the_first(tell_chips, monkeypatch):
    calls = []

    def empty_second(maps, **_):
        calls.append(len(list(maps)))
        return calibrate([torch.zeros(4)] if len(calls) == 2 else [torch.ones(4)])

    monkeypatch.setattr(module, "calibrate", empty_second)
    network, heard, chips = build_classifier("test_resnet", bands=1).eval(), Heard(), open_chips(tell_chips)
    choices = [MapChoice("layer-cam", "layer2"), MapChoice("grad-cam", "layer4"), MapChoice("layer-cam", "layer3")]
    found = calibrate_maps([network], chips, [np.arange(4)], choices, progress=heard)
    assert sorted(found) == ["layer-cam@layer2", "layer-cam@layer3"]
    assert heard.lines[0].startswith("grad-cam@layer4 is left out: a scale needs maps above 0")
    calls[:] = [0]
    with pytest.raises(ConfigError, match="maps above 0"):
        calibrate_maps([network], chips, [np.arange(4)], choices, progress=heard)


def test_a_fused_map_keeps_the_scale_of_each_stage(tell_chips):
    network, chips = build_classifier("test_resnet", bands=1).eval(), open_chips(tell_chips)
    maps = [choice for choice in calibrated_maps(network) if choice.method == "layer-cam"]
    found = calibrate_maps([network], chips, [np.arange(4)], maps, progress=Silent())
    for choice in maps:
        (own,) = found[str(choice)]
        assert own.stages == tuple(found[str(stage)][0].scale for stage in choice.stages)
    assert sorted(len(own.stages) for (own,) in found.values()) == [0, 0, 0, 0, 4, 4]


def test_a_fused_map_without_one_of_its_stages_is_left_out(tell_chips):
    network, heard, chips = build_classifier("test_resnet", bands=1).eval(), Heard(), open_chips(tell_chips)
    choices = [MapChoice("layer-cam", "layer2"), MapChoice("layer-cam", "layer2+layer3")]
    assert list(calibrate_maps([network], chips, [np.arange(4)], choices, progress=heard)) == ["layer-cam@layer2"]
    assert heard.lines == ["layer-cam@layer2+layer3 is left out: a fused map needs the scale of each stage; layer-cam@layer3 has none."]


def test_dear_maps_say_what_they_cost(tell_chips):
    network, heard, chips = build_classifier("test_resnet", bands=1).eval(), Heard(), open_chips(tell_chips)
    found = calibrate_maps([network], chips, [np.arange(4)], calibrated_maps(network, ["occlusion"])[-1:], progress=heard)
    assert list(found) == ["occlusion@layer4"]
    assert heard.lines[0].startswith("calibrating occlusion@layer4: ")
    assert heard.lines[0].endswith(" min")
