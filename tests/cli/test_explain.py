"""geoseg explain: a panel, and what it refuses."""

import shutil

import pytest

from segcore.files import read_json, write_json


def at(world, number):
    """x,y of a mound as a user writes it."""
    row, col, _ = world.mounds[number]
    return f"{400_000 + 2 * col + 1},{3_700_000 - 2 * row - 1}"


def test_a_panel_of_two_models(works, world, chain, second_chain, tmp_path):
    panel = tmp_path / "panel.png"
    arguments = ("explain", world.raster, chain.model, second_chain.model, "--at", at(world, 4), "-o", panel, "--threads", 1)
    done = works(*arguments, "--methods", "layer-cam,grad-cam", "--expert", world.expert)
    assert done.stdout == f"{panel}\n"
    first = panel.read_bytes()
    assert first.startswith(b"\x89PNG")
    assert "training site in this window" in done.stderr
    works(*arguments, "--methods", "layer-cam,grad-cam", "--expert", world.expert, "--overwrite")
    assert panel.read_bytes() == first


@pytest.mark.parametrize("given", [("--at", "-12.5,40"), ("--at=-12.5,-40.25",), ("--at", " 1e3 , 2")])
def test_a_pair_of_numbers_is_a_place_even_below_zero(refused, world, chain, tmp_path, given):
    message = refused("explain", world.raster, chain.model, *given, "-o", tmp_path / "p.png")
    assert "a place must lie on the raster (400000,3698800,401400,3700000 in EPSG:32638)" in message


@pytest.mark.parametrize("text", ["12", "1,2,3", "a,b", "nan,1", "1,inf", ""])
def test_a_place_that_is_none(refused, world, chain, tmp_path, text):
    message = refused("explain", world.raster, chain.model, "--at", text, "-o", tmp_path / "p.png")
    assert f"a place is two numbers parted by a comma; got {text!r}" in message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--methods", "psychic"), "choose among occlusion"),
        (("--methods", ""), "choose among occlusion"),
        (("--methods", "layer-cam@nowhere"), "layer-cam@nowhere is in none of model. Choose among "),
        (("--expert", "no.gpkg"), "no.gpkg"),
        (("--bands", "2"), "--bands"),
        (("--device", "tpu"), "--device"),
        (("--threads", 0), "--threads"),
    ],
)
def test_options_that_cannot_be(refused, world, chain, tmp_path, options, words):
    assert words in refused("explain", world.raster, chain.model, "--at", at(world, 4), "-o", tmp_path / "p.png", *options)


def test_a_place_on_nodata(refused, world, chain, tmp_path):
    message = refused("explain", world.raster, chain.model, "--at", "401300,3698850", "-o", tmp_path / "p.png")
    assert "lies on nodata" in message


def test_what_is_no_model(refused, world, chain, tmp_path):
    message = refused("explain", world.raster, chain.model, tmp_path / "none", "--at", at(world, 4), "-o", tmp_path / "p.png")
    assert "none" in message
    assert "MODEL" in refused("explain", world.raster, "--at", at(world, 4), "-o", tmp_path / "p.png")
    twice = refused("explain", world.raster, chain.model, chain.model, "--at", at(world, 4), "-o", tmp_path / "p.png")
    assert "each model is named once" in twice


def test_something_that_is_no_png(refused, world, chain, tmp_path):
    assert "Name it panel.png" in refused("explain", world.raster, chain.model, "--at", at(world, 4), "-o", tmp_path / "panel.tif")


def test_a_model_without_a_map_leaves_its_cell_blank(works, world, chain, tmp_path):
    poor = shutil.copytree(chain.model, tmp_path / "poor")
    content = read_json(poor / "bundle.json")
    kept = {str(content["facts"][use]["choice"]["method"]) for use in ("outline", "scan")}
    lost = next(key.partition("@")[0] for key in content["facts"]["calibration"] if key.partition("@")[0] not in kept)
    calibration = {key: own for key, own in content["facts"]["calibration"].items() if key.partition("@")[0] != lost}
    write_json(poor / "bundle.json", {**content, "facts": {**content["facts"], "calibration": calibration}})
    panel = tmp_path / "panel.png"
    done = works("explain", world.raster, chain.model, poor, "--at", at(world, 4), "-o", panel, "--methods", lost, "--threads", 1)
    assert done.stderr.count(f"poor has no calibrated {lost}; left empty") == 1
