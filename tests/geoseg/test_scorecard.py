from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import torch
from torch import nn

from geoseg.area import read_area
from geoseg.findings import Findings
from geoseg.model import load_model
from geoseg.outline import Outlines
from geoseg.scene import RasterOptions, open_scene
from geoseg.scorecard import Truth, classifier_scores, outline_scores, scan_scores
from geoseg.vectors import read_points
from segcore.data.stretch import Stretch, StretchedImage
from segcore.errors import InputError
from segcore.progress import Silent


class Bright(nn.Module):
    """Logits from the brightest patch of a window."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        peak = nn.functional.avg_pool2d(images, 5).amax(dim=(1, 2, 3)) * self.weight
        return torch.stack([torch.zeros_like(peak), peak], dim=1)


@pytest.fixture(scope="module")
def scene(tells):
    return open_scene(tells.raster, RasterOptions(), progress=Silent())


@pytest.fixture
def image(scene):
    return StretchedImage(scene.source, Stretch((0.0,), (255.0,)))


@pytest.fixture(scope="module")
def truth(tells, scene):
    """The right half, with all discs of it."""
    (minx, maxy), (maxx, miny) = tells.grid.to_map([(0, 250), (400, 500)])
    area = read_area(f"{minx},{miny},{maxx},{maxy}", scene.grid)
    known = read_points(tells.points, scene.grid).only(np.arange(49) < 48)
    shapes = shapely.buffer(shapely.points(known.xy), 17.0)
    experts = geopandas.GeoDataFrame({"id": known.ids}, geometry=shapes, crs=known.crs)
    return Truth(points=known.only(area.holds(known.xy)), experts=experts, ignore=None, area=area)


@pytest.fixture
def model(tell_model):
    return replace(load_model(tell_model), networks=[Bright().eval()])


def test_a_classifier_that_sees_sites_is_perfect(scene, image, model, truth):
    scores = classifier_scores(scene, image, model, truth)
    assert scores["auc"] == scores["auc_rough"] == 1.0
    assert scores["windows_site"] == len(truth.points)
    assert scores["windows_empty"] == 4 * len(truth.points)


def test_one_that_sees_nothing_is_not(scene, image, model, truth):
    with torch.no_grad():
        model.networks[0].weight.zero_()
    scores = classifier_scores(scene, image, model, truth)
    assert scores["auc"] == scores["auc_rough"] == 0.5


def test_empty_windows_hold_no_outline_and_no_bare_point(tells, scene, image, model, truth, monkeypatch):
    read, windows = image.read, []
    monkeypatch.setattr(image, "read", lambda window: windows.append(window) or read(window))
    classifier_scores(scene, image, model, truth)
    assert not any(tells.truth[window.slices].any() for window in windows[len(truth.points) :])
    windows.clear()
    classifier_scores(scene, image, model, replace(truth, experts=truth.experts.iloc[:0]))
    assert len(windows) == 5 * len(truth.points)
    for window in windows[len(truth.points) :]:
        assert not any(0 <= r - window.row < 32 and 0 <= c - window.col < 32 for r, c in tells.places if c >= 250)
        assert window.col >= 250


def test_ground_without_room_is_refused(scene, image, model, truth):
    everything = geopandas.GeoDataFrame(geometry=[shapely.box(*scene.grid.bounds)], crs=truth.points.crs)
    one = replace(truth, points=truth.points.only(np.arange(len(truth.points)) < 1))
    for full in (replace(one, experts=everything), replace(one, ignore=everything)):
        with pytest.raises(InputError, match="windows without a site"):
            classifier_scores(scene, image, model, full)


def test_outlines_and_their_control(truth):
    shapes = truth.experts.set_index("id").loc[list(truth.points.ids)].geometry
    found = geopandas.GeoDataFrame({"point_id": truth.points.ids}, geometry=shapes.to_numpy(), crs=truth.points.crs)
    scores = outline_scores(Outlines(found=found.iloc[1:], missing=found.iloc[:0]), truth, disc_radius=8.5)
    assert scores["points"] == len(truth.points)
    assert scores["with_outline"] == len(truth.points) - 1
    assert scores["point_median_dice"] == pytest.approx(1)
    assert scores["disc_median_dice"] == pytest.approx(2 * 8.5**2 / (8.5**2 + 17**2), rel=0.01)


def test_scan_and_scores_of_windows_on_the_same_ground(tells, scene, truth, tmp_path):
    inside = truth.experts[truth.area.holds(np.column_stack([truth.experts.geometry.centroid.x, truth.experts.geometry.centroid.y]))]
    findings = Findings(sites=inside.iloc[::2].copy(), windows=inside.iloc[:0])
    window = truth.area.window
    bands = np.zeros((2, window.height, window.width), np.uint8)
    bands[1] = np.where(tells.truth[window.slices], 200, 20)
    bands[1][:10] = 255
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 2, "height": window.height, "width": window.width}
    with rasterio.open(
        tmp_path / "activation.tif", "w", crs=scene.grid.crs, transform=scene.grid.window_transform(window), **profile
    ) as target:
        target.write(bands)
    scores = scan_scores(findings, scene, str(tmp_path / "activation.tif"), truth, score_threshold=0.5)
    assert scores["object_recall"] == pytest.approx(len(findings.sites) / len(inside))
    assert scores["object_precision"] == 1
    assert scores["pixel_precision"] == 1
    assert 0.55 < scores["dice"] < 0.8
    assert 0.9 < scores["score_dice"] < 1
    missed = scan_scores(findings, scene, str(tmp_path / "activation.tif"), truth, score_threshold=0.99)
    assert missed["score_dice"] == 0
    hidden = geopandas.GeoDataFrame(geometry=[shapely.box(*scene.grid.bounds)], crs=truth.points.crs)
    nothing = scan_scores(findings, scene, str(tmp_path / "activation.tif"), replace(truth, ignore=hidden), score_threshold=0.5)
    assert nothing["score_dice"] is None
    assert nothing["dice"] is None
