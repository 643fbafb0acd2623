from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
import torch
from matplotlib.image import imread

from geoseg import recipe
from geoseg.explain import draw_explained, explain
from geoseg.model import SiteModel, load_model
from geoseg.scene import RasterOptions, open_scene
from geoseg.views import view_of
from segcore.errors import InputError, OutputError
from segcore.progress import Silent
from segcore.windows import Window

GREY = 128


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


class TwoEyes:
    """Two networks: 0.9 and 0.5 where the window is bright, 0 elsewhere."""

    members, channels = 2, ("bright",)

    def screen(self, windows):
        return torch.tensor([[0.8, 0.6]]).expand(len(windows), 2)

    def member_maps(self, windows):
        bright = (windows[:, 0] > 200).float()
        return torch.stack([0.9 * bright, 0.5 * bright])


@pytest.fixture(scope="module")
def scene(tells):
    return open_scene(tells.raster, RasterOptions(), progress=Silent())


@pytest.fixture(scope="module")
def model(tell_model):
    return load_model(tell_model)


@pytest.fixture
def eyes(monkeypatch):
    """The model with evidence that can be worked out by hand."""
    monkeypatch.setattr(SiteModel, "evidence", lambda self, choice, device: TwoEyes())


def look(scenes, models, xy, **options):
    """Models over scenes, explained at a place."""
    return explain([view_of(scene, model, model.path.name) for scene, model in zip(scenes, models, strict=True)], xy, **options)


def centre(tells, place):
    x, y = tells.grid.to_map([(place[0] + 0.5, place[1] + 0.5)])[0]
    return float(x), float(y)


def other_layers(model, **renamed):
    """The model with its calibrations under other layers."""

    def change(key):
        method, _, layer = key.partition("@")
        return f"{method}@{renamed.get(layer, layer)}"

    outline, scan = (replace(own, choice=type(own.choice).parse(change(str(own.choice)))) for own in (model.outline, model.scan))
    return replace(model, calibrations={change(key): value for key, value in model.calibrations.items()}, outline=outline, scan=scan)


def test_figures_by_hand(tells, scene, model, eyes):
    place = tells.places[10]
    seen = look([scene], [model], centre(tells, place), methods=["grad-cam"])
    (row,) = seen.rows
    (own,) = row.maps
    assert row.window == Window(place[0] - 16, place[1] - 16, 32, 32)
    assert (own.peak, own.spread) == (pytest.approx(0.7), pytest.approx(0.2))
    assert np.allclose(own.values, 0.7 * (row.image[0] > 200))
    assert row.scores.tolist() == [pytest.approx(0.8), pytest.approx(0.6)]
    assert (row.transform @ (16.5, 16.5)) == pytest.approx(centre(tells, place))
    assert row.valid.all()
    assert (seen.raster, seen.crs, seen.xy) == ("tells", "EPSG:32638", centre(tells, place))


def test_a_map_is_that_of_the_ensemble(tells, scene, model):
    xy = centre(tells, tells.places[3])
    seen = look([scene], [model], xy)
    (row,) = seen.rows
    assert sorted(seen.titles) == sorted(model.calibrations)
    assert seen.titles == tuple(str(own.choice) for own in row.maps)
    windows = torch.from_numpy(row.image[None])
    for own in row.maps:
        expected = model.evidence(own.choice, device="cpu").maps(windows)[0, 0].numpy()
        assert np.allclose(own.values, expected)
        assert own.peak == pytest.approx(float(expected.max()))
        assert own.spread == 0.0
    assert row.scores == pytest.approx(model.evidence(model.outline.choice, device="cpu").screen(windows)[0].numpy())


def test_a_window_may_hang_over_the_edge(tells, scene, model, eyes):
    (row,) = look([scene], [model], centre(tells, (2, 499)), methods=["grad-cam"]).rows
    assert row.window == Window(-14, 483, 32, 32)
    assert row.valid[14:, :17].all()
    assert row.valid.sum() == 18 * 17
    assert (row.image[0][~row.valid] == GREY).all()


@pytest.mark.parametrize(
    ("place", "words"), [((-1, 5), "must lie on the raster"), ((5, 500), "must lie on the raster"), ((395, 495), "lies on nodata")]
)
def test_places_without_pixels_are_refused(tells, scene, model, place, words):
    with pytest.raises(InputError, match=words):
        look([scene], [model], centre(tells, place))


def test_a_place_outside_the_area_is_refused(tells, model):
    scene = open_scene(tells.raster, RasterOptions(area="400100,3699600,400300,3699900"), progress=Silent())
    with pytest.raises(InputError, match="outside the area"):
        look([scene], [model], centre(tells, (390, 5)))


def test_swapped_coordinates_name_the_crs(tells, scene, model):
    x, y = centre(tells, tells.places[0])
    with pytest.raises(InputError, match=r"Give x,y in EPSG:32638\.$"):
        look([scene], [model], (y, x))


def test_in_degrees_the_place_is_in_degrees(tells, model, write_raster, eyes):
    pixels = np.random.default_rng(0).integers(1, 250, (1, 300, 300), dtype=np.uint8)
    place = {"crs": "EPSG:4326", "transform": type(tells.grid.transform)(2e-5, 0, 44.0, 0, -2e-5, 33.4)}
    scene = open_scene(write_raster(pixels, **place), RasterOptions(), pixel_size=model.pixel_size, progress=Silent())
    seen = look([scene], [model], (44.003, 33.397), methods=["grad-cam"])
    (lon, lat) = (
        geopandas.GeoSeries([shapely.Point(seen.rows[0].transform @ (16.5, 16.5))], crs=scene.grid.crs.to_wkt()).to_crs(4326)[0].coords[0]
    )
    assert (lon, lat) == (pytest.approx(44.003, abs=2e-5), pytest.approx(33.397, abs=2e-5))
    assert seen.crs == "EPSG:4326"
    with pytest.raises(InputError, match=r"33\.397,44\.003 does not"):
        look([scene], [model], (33.397, 44.003))


def test_each_model_has_its_own_window_and_ground_distance(tells, model, eyes):
    wide = replace(model, facts={**model.facts, "window": 64, "pixel_size": 4.0})
    scenes = [open_scene(tells.raster, RasterOptions(), pixel_size=own.pixel_size, progress=Silent()) for own in (model, wide)]
    seen = look(scenes, [model, wide], centre(tells, tells.places[20]), methods=["grad-cam"])
    assert [(row.image.shape, row.metres) for row in seen.rows] == [((1, 32, 32), 2.0), ((1, 64, 64), 4.0)]
    middles = [row.transform @ (row.window.width / 2, row.window.width / 2) for row in seen.rows]
    assert middles[0] == pytest.approx(middles[1], abs=4.0)


def test_what_is_missing_is_said_once_and_left_blank(tells, scene, model, eyes, tmp_path):
    poor = replace(
        model, path=Path("poor"), calibrations={key: own for key, own in model.calibrations.items() if not key.startswith("guided")}
    )
    heard = Heard()
    asked = ["grad-cam", "guided-backprop", "guided-grad-cam"]
    seen = look([scene] * 2, [model, poor], centre(tells, (300, 70)), methods=asked, progress=heard)
    assert [own is None for own in seen.rows[1].maps] == [False, True, True]
    assert [line for line in heard.lines if "poor" in line] == ["poor has no calibrated guided-backprop, guided-grad-cam; left empty"]
    draw_explained(tmp_path / "p.png", seen)
    blank = (np.rint(imread(tmp_path / "p.png")[..., :3] * 255) == 0xF0).all(axis=-1)
    assert 1.6 < blank.sum() / 256**2 < 2.0


def test_notes_of_a_map_are_said_once(tells, scene, model, eyes, monkeypatch):
    monkeypatch.setattr(SiteModel, "note", lambda self, choice: f"{choice.method} is odd" if choice.method == "layer-cam" else None)
    heard = Heard()
    look([scene] * 2, [model, model], centre(tells, (300, 70)), progress=heard)
    assert heard.lines == ["layer-cam is odd"]


def test_without_methods_the_maps_of_all_models_are_drawn(tells, scene, model, eyes):
    poor, rich = (
        replace(model, calibrations={key: model.calibrations[key] for key in keys})
        for keys in (["grad-cam@layer4"], list(model.calibrations))
    )
    for models in ([poor, rich], [rich, poor]):
        heard = Heard()
        seen = look([scene] * 2, models, centre(tells, (300, 70)), progress=heard)
        assert sorted(seen.titles) == sorted(model.calibrations)
        assert {sum(own is not None for own in row.maps) for row in seen.rows} == {1, len(model.calibrations)}
        assert not any("left empty" in line for line in heard.lines)


def test_a_training_site_is_said(tells, scene, model, eyes):
    fold = {(own["row"], own["col"]): own["fold"] for own in model.facts["sites"]}[tells.places[5]]
    known, elsewhere = tells.places[5], (70, 70)
    for shift, said in ((0, True), (10, True), (31, False)):
        heard = Heard()
        row = look([scene], [model], centre(tells, (known[0], known[1] + shift)), methods=["grad-cam"], progress=heard).rows[0]
        assert (row.fold == fold) is said
        assert any("training site in this window" in line for line in heard.lines) is said
    assert look([scene], [model], centre(tells, elsewhere), methods=["grad-cam"]).rows[0].fold is None


def test_who_held_a_site_back_is_said(tells, scene, model, eyes):
    lines = []
    for fold in (0, 1, 4):
        sites = [{**own, "fold": fold} for own in model.facts["sites"]]
        heard = Heard()
        look(
            [scene],
            [replace(model, facts={**model.facts, "sites": sites})],
            centre(tells, tells.places[5]),
            methods=["grad-cam"],
            progress=heard,
        )
        lines += heard.lines
    assert [line.partition(": ")[2].partition(" learnt")[0] for line in lines] == [
        "all networks but no. 1",
        "all networks but no. 2",
        "every network",
    ]


def red(path):
    picture = imread(path)[..., :3]
    return (picture[..., 0] > 0.65) & (picture[..., 1:] < 0.4).all(axis=-1)


def test_the_panel_of_files_is_repeatable_and_shows_the_expert_in_any_crs(tells, tell_model, tmp_path):
    degrees = tmp_path / "experts.geojson"
    geopandas.read_file(tells.experts).to_crs(4326).to_file(degrees)
    xy = centre(tells, tells.places[9])
    names = ("utm", "again", "degrees", "none")
    for name, expert in zip(names, (tells.experts, tells.experts, degrees, None), strict=True):
        recipe.explain(
            tells.raster, [tell_model], xy, tmp_path / f"{name}.png", methods=["layer-cam"], expert=expert, device="cpu", threads=1
        )
    utm, again, other, none = ((tmp_path / f"{name}.png").read_bytes() for name in names)
    assert utm == again != none
    drawn = [red(tmp_path / f"{name}.png") for name in names]
    assert not drawn[3].any()
    for marked in (drawn[0], drawn[2]):
        rows, cols = np.nonzero(marked[50:300, 170:426])
        assert rows.max() - rows.min() == pytest.approx(2 * 8.5 * 8, abs=8)
        assert (cols.max() + cols.min()) / 2 == pytest.approx(128 + 4, abs=3)
    assert other != none


def test_a_panel_is_a_png_and_never_replaced_silently(tells, tell_model, tmp_path):
    with pytest.raises(OutputError, match=r"a panel is a PNG; got p\.jpg"):
        recipe.explain(tells.raster, [tell_model], (0.0, 0.0), tmp_path / "p.jpg")
    (tmp_path / "p.png").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        recipe.explain(tells.raster, [tell_model], (0.0, 0.0), tmp_path / "p.png")
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


@pytest.fixture
def drawn(monkeypatch):
    """What the panel is told to draw."""
    told = {}
    monkeypatch.setattr(
        "geoseg.explain.draw_panel", lambda path, columns, rows, **options: told.update(columns=columns, rows=rows, **options)
    )
    return told


def test_the_words_of_a_panel(tells, scene, model, eyes, drawn):
    seen = look([scene], [model], centre(tells, tells.places[0]), methods=["grad-cam"])
    draw_explained(Path("p.png"), seen)
    (row,), (column,) = drawn["rows"], drawn["columns"]
    assert row.label[1:4] == ("test_resnet", "2 networks", "p(site) 0.70 ± 0.10")
    assert (row.cells[0].text, row.cells[0].note) == ("peak 0.70 ± 0.20", "")
    assert (column.title, column.note) == ("grad-cam", seen.rows[0].maps[0].choice.layer)
    assert drawn["remark"] == "± spread over the networks"
    assert drawn["caption"].endswith("(EPSG:32638)")


def test_one_network_has_no_spread(tells, scene, model, drawn):
    draw_explained(Path("p.png"), look([scene], [model], centre(tells, (70, 70)), methods=["grad-cam"]))
    (row,) = drawn["rows"]
    assert row.label[2] == "1 network"
    assert "±" not in "".join([*row.label, row.cells[0].text, drawn["remark"]])


def test_layers_stand_below_the_cells_where_models_differ(tells, scene, model, eyes, drawn):
    layer = model.choose("grad-cam", model.outline.choice).layer
    other = other_layers(model, **{layer: "elsewhere"})
    draw_explained(Path("p.png"), look([scene] * 2, [model, other], centre(tells, tells.places[0]), methods=["grad-cam"]))
    assert drawn["columns"][0].note == ""
    assert [row.cells[0].note for row in drawn["rows"]] == [layer, "elsewhere"]
