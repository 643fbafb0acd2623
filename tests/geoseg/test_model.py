import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from geoseg.known import OutlineSettings
from geoseg.model import load_model, settings_from_facts, settings_to_facts
from geoseg.scanning import ScanSettings
from segcore.cam.choice import MapChoice
from segcore.crf.config import CrfConfig
from segcore.data.stretch import Stretch
from segcore.errors import BundleError, ConfigError
from segcore.io.memory import MemoryImage
from segcore.nets.classifier import build_classifier
from segcore.pipeline.refine import Refining


@pytest.fixture(scope="module")
def model(tell_model):
    return load_model(tell_model)


def spoiled(tell_model, target, change):
    shutil.copytree(tell_model, target)
    content = json.loads((target / "bundle.json").read_text())
    change(content["facts"])
    (target / "bundle.json").write_text(json.dumps(content))
    return target


@pytest.mark.parametrize("window", [32, 128, 400])
@pytest.mark.parametrize("crf", [None, CrfConfig(), CrfConfig(guide="contrast", appearance_weight=5.0)])
def test_settings_survive_the_units_of_a_window(window, crf):
    refining = Refining(smooth=0.055 * window, threshold=0.3, crf=crf)
    choice = MapChoice("layer-cam", "layer2")
    outline = OutlineSettings(choice=choice, shift=round(0.1875 * window), prior=0.11 * window, refining=refining)
    scan = ScanSettings(choice=choice, gate=0.5, refining=refining)
    facts = json.loads(json.dumps({**settings_to_facts(outline, scan, window), "window": window}))
    back = settings_from_facts(facts)
    assert back[0].shift == outline.shift
    for own, want in ((back[0].refining, refining), (back[1].refining, refining)):
        assert own.smooth == pytest.approx(want.smooth)
        assert own.threshold == want.threshold
        assert (own.crf is None) == (crf is None)
        if crf and own.crf:
            assert own.crf.appearance_pair == pytest.approx(crf.appearance_pair)
            assert (own.crf.guide, own.crf.appearance_weight) == (crf.guide, crf.appearance_weight)
    half = settings_from_facts({**facts, "window": window // 2})
    assert half[1].refining.smooth == pytest.approx(refining.smooth / 2)


def test_a_model_knows_its_images(model):
    assert (model.window, model.pixel_size, model.bands, len(model.networks)) == (32, 2.0, 1, 1)
    assert not model.networks[0].training
    with pytest.raises(BundleError, match=r"reads 1 band\(s\); array has 2. Choose them with --bands"):
        model.require_bands(MemoryImage(np.zeros((2, 5, 5), np.uint8)))


def test_the_stretch_is_that_of_training_on_the_same_raster(model):
    known = model.facts["stretch"]
    other = MemoryImage(np.arange(100, dtype=np.uint8).reshape(10, 10))
    assert model.stretch_for(other, known["fingerprint"]) == Stretch(tuple(known["low"]), tuple(known["high"]))
    assert model.stretch_for(other, {"sha256": "another"}).low[0] == pytest.approx(1.98)


def test_maps_are_chosen_by_name(model):
    default = MapChoice("layer-cam", "layer3")
    assert model.choose(None, default) is default
    assert model.choose("layer-cam", default) is default
    assert model.choose("grad-cam", default) == MapChoice("grad-cam", "layer4")
    assert model.choose("layer-cam@layer2", default) == MapChoice("layer-cam", "layer2")
    assert [str(choice) for choice in model.choices] == list(model.calibrations)
    with pytest.raises(ConfigError, match=r"MODEL has layer-cam@layer2, .*; got occlusion. Train with --calibrate occlusion"):
        model.choose("occlusion", default)
    with pytest.raises(ConfigError, match=r"has layer-cam@layer2, .*; got grad-cam@layer1. Choose one of them"):
        model.choose("grad-cam@layer1", default)
    with pytest.raises(ConfigError, match=r"a map is one of occlusion, .*; got 'magic'"):
        model.choose("magic", default)


def test_a_calibration_that_does_not_fit_its_map_is_refused(tell_model, tmp_path):
    def cut(facts):
        key = next(key for key in facts["calibration"] if "+" in key)
        facts["calibration"][key][0]["stages"].pop()

    with pytest.raises(BundleError, match="has not one scale for each stage"):
        load_model(spoiled(tell_model, tmp_path / "cut", cut))
    with pytest.raises(BundleError, match="got 'xray'"):
        load_model(spoiled(tell_model, tmp_path / "new", lambda facts: facts["calibration"].update({"xray@layer1": []})))


def test_guiding_without_a_relu_is_said(model):
    assert model.note(MapChoice("guided-backprop", "layer4")) is None
    silent = replace(
        model, networks=[build_classifier("efficientnet_b0", bands=1).eval()], facts={**model.facts, "arch": "efficientnet_b0"}
    )
    assert silent.note(MapChoice("layer-cam", "bn2")) is None
    assert silent.note(MapChoice("guided-grad-cam", "bn2")).startswith("guiding has no effect in efficientnet_b0: it has no ReLU")


def test_evidence_of_a_model(model):
    import torch

    evidence = model.evidence(model.scan.choice, device="cpu")
    windows = torch.zeros((3, 1, 32, 32), dtype=torch.uint8)
    assert evidence.screen(windows).shape == (3, 1)
    assert evidence.maps(windows).shape == (3, 1, 32, 32)


def drop_choice(facts):
    facts["calibration"].pop("{method}@{layer}".format(**facts["scan"]["choice"]))


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.update(arch="test_byobnet"),
        lambda facts: facts.update(arch="no such network"),
        lambda facts: facts.update(bands=3),
        lambda facts: facts["outline"].pop("prior"),
        lambda facts: facts["scan"]["refining"].update(threshold=2),
        lambda facts: facts["scan"].update(gate=7),
        lambda facts: facts["calibration"].update({"grad-cam@layer4": [{"scale": -1}]}),
        drop_choice,
    ],
)
def test_what_does_not_fit_together_is_refused(tell_model, tmp_path, change):
    with pytest.raises(BundleError, match="is no whole site classifier"):
        load_model(spoiled(tell_model, tmp_path / "M", change))


def test_the_digest_names_the_model(tell_model, model, tmp_path):
    assert load_model(tell_model).digest == model.digest
    assert load_model(spoiled(tell_model, tmp_path / "M", lambda facts: facts.update(pixel_size=2.5))).digest != model.digest


def test_gates_are_probabilities():
    settings = ScanSettings(choice=MapChoice("grad-cam", "x"), gate=0.5, refining=Refining(smooth=2.0, threshold=0.5))
    assert settings.scaled(2).refining.smooth == 4.0
    with pytest.raises(ConfigError, match="gate is a probability"):
        replace(settings, gate=1.5)
