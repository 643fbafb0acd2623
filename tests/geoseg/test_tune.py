import json
from types import SimpleNamespace

import geopandas
import numpy as np
import pyproj
import pytest
import shapely

from geoseg import tune as module
from geoseg.chips import ChipConfig, Ground, cut_chips
from geoseg.chipset import open_chips
from geoseg.defaults import candidate_maps, default_outline, default_scan
from geoseg.grid import GeoGrid
from geoseg.tune import Explainers, tune, untuned
from geoseg.vectors import Points
from segcore.cam.calibrate import Calibration
from segcore.files import sha256
from segcore.io.memory import MemoryImage
from segcore.nets.classifier import build_classifier
from segcore.pipeline.refine import smoothed
from segcore.progress import Silent

BEST = "layer-cam@layer3"


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


class OneGoodMap:
    """The outline, blurred, as the map of one method; the others see all of the window."""

    members = 1

    def __init__(self, networks, choice, calibrations, *, device):
        self.choice, self.channels = choice, (choice.method,)

    def screen(self, windows):
        return (windows[:, :1] > 200).float().mean(dim=(2, 3)).mul(20).clamp(max=1)

    def maps(self, windows):
        import torch

        marks = (windows[:, 0] > 200).numpy().astype(np.float32)
        if str(self.choice) != BEST:
            return torch.ones(len(windows), 1, *windows.shape[-2:])
        return torch.from_numpy(np.stack([smoothed(own, 1.0) for own in marks]))[:, None]


@pytest.fixture(scope="module")
def network():
    return build_classifier("test_resnet", bands=1)


@pytest.fixture(scope="module")
def lying(tells, tmp_path_factory):
    """CHIPS of 24 long sites that lie in all directions, and their outlines."""
    folder, rng = tmp_path_factory.mktemp("lying"), np.random.default_rng(5)
    grid = GeoGrid(crs=tells.grid.crs, transform=tells.grid.transform, height=500, width=700)
    places = [(60 + 100 * (i // 6), 60 + 110 * (i % 6)) for i in range(24)]
    rows, cols = np.mgrid[:500, :700]
    pixels, shapes = rng.normal(80, 10, (500, 700)), []
    for row, col in places:
        angle = rng.uniform(0, np.pi)
        along = (rows - row) * np.sin(angle) + (cols - col) * np.cos(angle)
        across = (rows - row) * np.cos(angle) - (cols - col) * np.sin(angle)
        pixels[(along / 15) ** 2 + (across / 5) ** 2 <= 1] = 240
        centre = shapely.affinity.scale(shapely.Point(0, 0).buffer(1), 30, 10)
        turned = shapely.affinity.rotate(centre, -np.degrees(angle), origin=(0, 0))
        shapes.append(shapely.affinity.translate(turned, *grid.to_map([(row + 0.5, col + 0.5)])[0]))
    crs = pyproj.CRS.from_wkt(grid.crs.to_wkt())
    xy = grid.to_map(np.array(places) + 0.5)
    known = Points(ids=tuple(f"s{i}" for i in range(24)), xy=xy, crs=crs, labels=None, notes=(), outside=0)
    source = MemoryImage(np.clip(pixels, 0, 255).astype(np.uint8))
    cut_chips(Ground(source=source, grid=grid, fingerprint={}, sites=known), folder / "C", ChipConfig(window=48, min_distance=40.0))
    geopandas.GeoDataFrame(geometry=shapes, crs=crs).to_file(folder / "experts.gpkg")
    return SimpleNamespace(chips=open_chips(folder / "C"), experts=folder / "experts.gpkg")


def explainers(lying, networks, calibrations):
    folds = np.zeros(len(lying.chips.labels), dtype=np.int64)
    return Explainers(networks=networks, calibrations=calibrations, folds=folds, device="cpu")


@pytest.fixture(scope="module")
def tuned(network, lying):
    """What was chosen, what was said, and the sites that each half looked at."""
    looked = {"fit": set(), "held": set()}
    examples = module.examples

    def spy(chips, sites, half, explain, shift):
        looked["fit" if half is sites.fit else "held"] |= {site.index for site in half}
        return examples(chips, sites, half, explain, shift)

    calibrations = {str(choice): [Calibration(scale=1.0)] for choice in candidate_maps(network)}
    heard = Heard()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CamEvidence", OneGoodMap)
        patch.setattr(module, "examples", spy)
        found = tune(explainers(lying, [network], calibrations), lying.chips, lying.experts, progress=heard)
    return found, heard, looked


def test_the_map_of_the_outlines_is_chosen_and_beats_discs(tuned, lying):
    found, heard, _ = tuned
    assert str(found.outline.choice) == str(found.scan.choice) == BEST
    held = found.report["outline"]["held"]
    assert held["dice"] > 0.85
    assert held["dice"] > held["disc"] + 0.1
    assert found.report["sites"] == {"fit": 12, "held": 12, "fresh": 24}
    assert found.report["scan"]["held"]["dice"] > 0.7
    assert found.tuned_on == sha256(lying.experts)
    assert heard.lines[-1].startswith(f"outlines: {BEST}, median Dice {held['dice']:.2f}")


def test_the_report_names_every_candidate(tuned, network):
    report = json.loads(json.dumps(tuned[0].report, allow_nan=False))
    assert [own["map"] for own in report["outline"]["maps"]] == [str(choice) for choice in candidate_maps(network)]
    assert max(report["outline"]["maps"], key=lambda own: own["dice"])["map"] == BEST
    assert report["outline"]["fit"]["dice"] == max(own["dice"] for own in report["outline"]["crf"])
    assert report["scan"]["fit"]["dice"] == max(own["dice"] for own in report["scan"]["crf"])
    assert 0 < report["scan"]["fit"]["score_threshold"] < 1


def test_the_halves_share_no_site(tuned):
    looked = tuned[2]
    assert looked["fit"] | looked["held"] == set(range(24))
    assert not looked["fit"] & looked["held"]


def test_maps_that_are_not_calibrated_are_not_tried(lying, network, monkeypatch):
    monkeypatch.setattr(module, "CamEvidence", OneGoodMap)
    monkeypatch.setattr(module, "choose_crf", lambda seen, chosen, window: (chosen, []))
    monkeypatch.setattr(module, "choose_scan_crf", lambda seen, chosen, window: (chosen, []))
    found = tune(explainers(lying, [network], {BEST: [Calibration(scale=1.0)]}), lying.chips, lying.experts, progress=Silent())
    assert [own["map"] for own in found.report["outline"]["maps"]] == [BEST]


def test_without_outlines_the_defaults_hold(network):
    found = untuned(network, 64)
    assert found.tuned_on == "defaults"
    assert found.report == {}
    assert found.outline == default_outline(network, 64)
    assert found.scan == default_scan(network, 64)
    weighed = untuned(network, 64, bands=(0.75, 0.25))
    assert weighed.outline.refining.bands == weighed.scan.refining.bands == (0.75, 0.25)


def test_tuned_settings_keep_the_weights_of_the_bands(lying, network, monkeypatch):
    monkeypatch.setattr(module, "CamEvidence", OneGoodMap)
    monkeypatch.setattr(module, "guide_weights", lambda chips: (1.0,))
    found = tune(explainers(lying, [network], {BEST: [Calibration(scale=1.0)]}), lying.chips, lying.experts, progress=Silent())
    assert found.outline.refining.bands == found.scan.refining.bands == (1.0,)


def test_a_chip_is_explained_by_networks_that_did_not_learn_from_it(network):
    networks = [build_classifier("test_resnet", bands=1) for _ in range(3)]
    calibrations = {BEST: [Calibration(scale=float(scale)) for scale in (1, 2, 3)]}
    own = Explainers(networks=networks, calibrations=calibrations, folds=np.array([0, 2, 4]), device="cpu")
    assert own.fresh.tolist() == [True, True, False]
    (choice,) = own.choices
    explain = own.of(choice)
    assert [explain(chip).networks for chip in range(3)] == [networks[:1], networks[2:], networks]
    assert [c.scale for c in explain(1).calibrations] == [3.0]


def test_a_sixth_network_holds_the_first_fold_back_too():
    networks = [build_classifier("test_resnet", bands=1) for _ in range(6)]
    calibrations = {BEST: [Calibration(scale=1.0)] * 6}
    own = Explainers(networks=networks, calibrations=calibrations, folds=np.array([0]), device="cpu")
    assert own.of(own.choices[0])(0).networks == [networks[0], networks[5]]
