import json
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import shapely

from geoseg import recipe
from geoseg.model import SiteModel, load_model
from geoseg.outline import draw_outlines, neighbours, outline_sites, settings_digest
from geoseg.scene import RasterOptions, open_scene
from geoseg.vectors import read_points
from segcore.errors import BundleError, ConfigError, OutputError
from segcore.pipeline.refine import Refining
from segcore.progress import Silent


@pytest.fixture(scope="module")
def scene(tells):
    return open_scene(tells.raster, RasterOptions(), progress=Silent())


@pytest.fixture(scope="module")
def known(tells, scene):
    return read_points(tells.points, scene.grid)


@pytest.fixture(scope="module")
def drawn(tells, tell_model, tmp_path_factory):
    """OUT of the real model."""
    out = tmp_path_factory.mktemp("outline") / "OUT"
    return recipe.outline(tells.raster, tells.points, tell_model, out, threads=1, device="cpu"), out


@pytest.fixture
def bright_model(tell_model, bright, monkeypatch):
    """The model with a fake evidence."""
    monkeypatch.setattr(SiteModel, "evidence", lambda self, choice, device: bright)
    model = load_model(tell_model)
    return replace(model, outline=replace(model.outline, prior=8.0, refining=Refining(smooth=0.5, threshold=0.3)))


def disc_dice(tells, polygon, place):
    centre = shapely.Point(*tells.grid.to_map([(place[0] + 0.5, place[1] + 0.5)])[0])
    disc = centre.buffer(2.0 * 8 + 1)
    return 2 * polygon.intersection(disc).area / (polygon.area + disc.area)


def test_outlines_are_the_discs(tells, scene, known, bright_model, tmp_path):
    found = outline_sites(scene, known, bright_model, tmp_path / "OUT").found
    assert found["point_id"].tolist() == [f"t{i:02d}" for i in range(48)]
    assert min(disc_dice(tells, shape, place) for shape, place in zip(found.geometry, tells.places, strict=True)) > 0.9


def test_files_of_the_real_model(tells, drawn):
    outlines, out = drawn
    assert sorted(path.name for path in out.iterdir()) == ["outlines.geojson", "outlines.gpkg", "preview.png", "run.json"]
    found = geopandas.read_file(out / "outlines.gpkg", layer="outlines")
    missing = geopandas.read_file(out / "outlines.gpkg", layer="points")
    assert len(found) + len(missing) == 49
    assert {"point_id", "fold", "settings", "score", "score_spread", "activation_mean", "activation_max", "score_1"} <= set(found.columns)
    assert missing.set_index("point_id").loc["t48", "reason"] == "the point lies on nodata"
    assert np.median([disc_dice(tells, s, tells.places[int(i[1:])]) for i, s in zip(found.point_id, found.geometry, strict=True)]) > 0.7
    record = json.loads((out / "run.json").read_text())
    assert record["counts"] == {"points": 49, "outlines": len(found), "outside": 0}
    assert set(found["settings"]) == {record["config"]["digest"]}
    assert len(outlines.found) == len(found)
    assert ((found["score"] >= 0) & (found["score"] <= 1) & (found["activation_mean"] <= found["activation_max"])).all()


def test_folds_are_those_of_training(drawn, tell_model):
    fold = {site["id"]: site["fold"] for site in json.loads((tell_model / "bundle.json").read_text())["facts"]["sites"]}
    found = drawn[0].found
    assert {own: int(number) for own, number in zip(found["point_id"], found["fold"], strict=True)} == {
        i: fold[i] for i in found["point_id"]
    }


@pytest.mark.parametrize("moved", [0.0, 5000.0])
def test_other_ground_has_no_folds_and_another_file_of_the_same_ground_has(tells, scene, known, bright_model, moved):
    stretch = bright_model.facts["stretch"]
    a, b, c, *others = stretch["fingerprint"]["transform"].split(",")
    fingerprint = {**stretch["fingerprint"], "sha": "else", "transform": ",".join([a, b, str(float(c) + moved), *others])}
    model = replace(bright_model, facts={**bright_model.facts, "stretch": {**stretch, "fingerprint": fingerprint}})
    image_stretch = model.stretch_for(scene.wanted, scene.source.fingerprint)
    from segcore.data.stretch import StretchedImage

    image = StretchedImage(scene.wanted, image_stretch)
    found = draw_outlines(image, scene, known, model, model.outline, device="cpu", progress=Silent()).found
    assert found["fold"].isna().all() == (moved > 0)


def test_the_same_again_is_the_same(tells, tell_model, drawn, tmp_path):
    again = recipe.outline(tells.raster, tells.points, tell_model, tmp_path / "OUT", threads=1, device="cpu")
    assert again.found.drop(columns="geometry").equals(drawn[0].found.drop(columns="geometry"))
    assert shapely.equals_exact(again.found.geometry.to_numpy(), drawn[0].found.geometry.to_numpy()).all()
    assert (tmp_path / "OUT" / "outlines.geojson").read_bytes() == (drawn[1] / "outlines.geojson").read_bytes()
    assert (tmp_path / "OUT" / "preview.png").read_bytes() == (drawn[1] / "preview.png").read_bytes()


def test_nothing_leaves_the_area(tells, tell_model, tmp_path):
    row, col = tells.places[10]
    (minx, maxy), (maxx, miny) = tells.grid.to_map([(row - 60, col - 60), (row + 60, col + 2)])
    options = RasterOptions(area=f"{minx},{miny},{maxx},{maxy}")
    found = recipe.outline(tells.raster, tells.points, tell_model, tmp_path / "OUT", options=options, threads=1, device="cpu").found
    assert "t10" in found["point_id"].tolist()
    assert len(found) < 12
    assert found.total_bounds[2] <= maxx + 1e-6


def test_two_points_on_one_pixel_are_one_site(tells, scene, known, bright_model, tmp_path):
    twice = replace(known.only(np.arange(49) < 2), ids=("a", "b"), xy=known.xy[[0, 0]] + [[0, 0], [0.3, 0.3]])
    outlines = outline_sites(scene, twice, bright_model, tmp_path / "OUT")
    assert outlines.found["point_id"].tolist() == ["a"]
    assert outlines.missing[["point_id", "reason"]].to_numpy().tolist() == [["b", "the point lies on the same pixel as a"]]


def test_points_without_evidence_are_listed_with_the_reason(tells, scene, known, bright_model, tmp_path):
    empty = replace(known.only(np.arange(49) < 1), xy=tells.grid.to_map([(70.5, 70.5)]))
    outlines = outline_sites(scene, empty, bright_model, tmp_path / "OUT")
    assert len(outlines.found) == 0
    assert geopandas.read_file(tmp_path / "OUT" / "outlines.gpkg", layer="points")["reason"].tolist() == ["no activation at the point"]
    assert json.loads((tmp_path / "OUT" / "outlines.geojson").read_text())["features"] == []


def test_neighbours_by_hand():
    assert neighbours([(0, 0), (0, 10), (11, 0), (10, 10)], 10) == [[1, 3], [0, 3], [3], [0, 1, 2]]
    assert neighbours([], 10) == []


def test_settings_have_a_digest(bright_model):
    one = settings_digest(bright_model.outline)
    assert len(one) == 8
    assert one == settings_digest(replace(bright_model.outline))
    assert one != settings_digest(replace(bright_model.outline, prior=8.5))


def test_what_does_not_fit_is_refused(tells, scene, known, bright_model, tmp_path, write_raster):
    with pytest.raises(ConfigError, match="must be calibrated"):
        outline_sites(scene, known, bright_model, tmp_path / "OUT", method="score-cam")
    two = open_scene(write_raster(np.ones((2, 50, 50), np.uint8)), RasterOptions(bands=(1, 2)), progress=Silent())
    with pytest.raises(BundleError, match="reads 1 band"):
        outline_sites(two, known, bright_model, tmp_path / "OUT")
    (tmp_path / "OUT").mkdir()
    with pytest.raises(OutputError, match="exists"):
        outline_sites(scene, known, bright_model, tmp_path / "OUT")
