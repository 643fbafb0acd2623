"""geoseg compare: from files to a table, and what it refuses."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from segcore.files import read_json
from segcore.train.bundle import load_bundle, save_bundle

FILES = ["compare.csv", "compare.md", "compare.png", "run.json"]


def pair_of(model, folder, *, sites):
    """The model with its network twice, and other training sites."""
    bundle = load_bundle(model, "site-classifier")
    calibration = {key: values * 2 for key, values in bundle.facts["calibration"].items()}
    save_bundle(replace(bundle, facts={**bundle.facts, "calibration": calibration, "sites": sites}, members=bundle.members * 2), folder)
    return folder


@pytest.fixture(scope="module")
def pair(chain, tmp_path_factory):
    """Two networks, alike, that learnt from the western mounds in folds 0 and 1 alone."""
    sites = read_json(chain.model / "bundle.json")["facts"]["sites"]
    west = [{**own, "fold": i % 2} for i, own in enumerate(own for own in sites if own["col"] < 350)]
    return pair_of(chain.model, tmp_path_factory.mktemp("pair") / "pair", sites=west)


@pytest.fixture(scope="module")
def compared(works, world, pair, tmp_path_factory):
    """The comparison of the pair with two maps, made twice."""
    outs = [tmp_path_factory.mktemp("compare") / name for name in ("one", "two")]
    asked = ("--methods", "layer-cam,guided-backprop", "--device", "cpu", "--threads", 1)
    done = [works("compare", world.raster, world.expert, pair, "-o", out, *asked) for out in outs]
    return outs, done


def rows(folder):
    with (folder / "compare.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_it_writes_its_files_and_says_where(compared):
    outs, done = compared
    assert sorted(path.name for path in outs[0].iterdir()) == FILES
    assert done[0].stdout.splitlines() == [str(outs[0] / name) for name in FILES]
    assert "maps: 2, models: 1, networks: 2; each" in done[0].stderr
    assert "all of it will take about" in done[0].stderr


@pytest.mark.parametrize("name", FILES[:3])
def test_twice_the_same_bytes(compared, name):
    outs, _ = compared
    assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()


def test_one_row_for_each_network_and_map(compared):
    outs, _ = compared
    found = [(row["network"], row["method"]) for row in rows(outs[0])]
    maps = ("layer-cam", "guided-backprop")
    assert found == [*((network, method) for method in maps for network in ("ensemble", "1", "2")), ("", "discs")]


def test_a_network_is_judged_only_where_it_did_not_learn(compared, pair, world):
    outs, _ = compared
    sites = {row["network"]: int(row["sites"]) for row in rows(outs[0])}
    run = read_json(outs[0] / "run.json")
    learnt = len(read_json(pair / "bundle.json")["facts"]["sites"])
    assert sites["ensemble"] == run["counts"]["sites"] == len(world.mounds) - sum(run["counts"]["left_out"].values())
    assert sites["1"] + sites["2"] == sites["ensemble"] + run["counts"]["unseen_by_all"]
    assert sites["ensemble"] - run["counts"]["unseen_by_all"] <= learnt


def test_equal_networks_have_equal_figures_where_both_are_judged(works, world, chain, tmp_path):
    alike = pair_of(chain.model, tmp_path / "alike", sites=[])
    works("compare", world.raster, world.expert, alike, chain.model, "-o", tmp_path / "out", "--methods", "layer-cam", "--device", "cpu")
    found = [row for row in rows(tmp_path / "out") if row["model"] == "alike"]
    figures = np.array([[float(row["dice"]), float(row["median_dice"])] for row in found])
    assert len(found) == 3
    assert figures[1].tolist() == figures[2].tolist()
    assert figures[0] == pytest.approx(figures[1], abs=0.02)  # maps of single networks are kept in 255ths


def test_settings_are_those_of_the_other_half(compared):
    outs, _ = compared
    run = read_json(outs[0] / "run.json")
    assert run["chosen_on_sites"]
    assert [len(own["settings"]) for own in run["fits"]] == [2, 2]
    assert abs(run["halves"]["sites"][0] - run["halves"]["sites"][1]) <= 1
    assert set(run["inputs"]) == {"raster", "models", "expert"}


def test_few_sites_use_the_models_own_settings(works, world, pair, tmp_path):
    row, col, _ = world.mounds[1:][np.argmax(world.mounds[1:, 1])]
    x, y = 400_000 + 2 * col, 3_700_000 - 2 * row
    area = f"{x - 40},{y - 40},{x + 40},{y + 40}"
    works("compare", world.raster, world.expert, pair, "-o", tmp_path / "out", "--methods", "layer-cam", "--area", area)
    run = read_json(tmp_path / "out/run.json")
    assert (run["counts"]["sites"], run["chosen_on_sites"], run["disc_radius_m"]) == (1, False, None)
    assert [row["method"] for row in rows(tmp_path / "out")] == ["layer-cam"] * 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--methods", "psychic"), "choose among occlusion"),
        (("--methods", "score-cam"), "or train with --calibrate score-cam"),
        (("--methods", ""), "choose among"),
        (("--ignore", "no.gpkg"), "no.gpkg"),
        (("--area", "400000,3699990,400010,3700000"), "none of 36 is left (36 not wholly inside the raster and the area)"),
        (("--device", "tpu"), "--device"),
    ],
)
def test_bad_options_are_one_line(refused, world, chain, tmp_path, options, words):
    assert words in refused("compare", world.raster, world.expert, chain.model, "-o", tmp_path / "out", *options)


def test_bad_files_are_one_line(refused, world, chain, tmp_path):
    out = ("-o", tmp_path / "out")
    assert "no.gpkg" in refused("compare", world.raster, "no.gpkg", chain.model, *out)
    assert "polygon" in refused("compare", world.raster, world.points, chain.model, *out)
    assert "bundle.json" in refused("compare", world.raster, world.expert, chain.model, world.folder, *out)
    assert "named once" in refused("compare", world.raster, world.expert, chain.model, chain.model, *out)
    assert "MODEL" in refused("compare", world.raster, world.expert, *out)


def test_an_output_that_exists_is_not_replaced(refused, world, chain, compared, tmp_path):
    outs, _ = compared
    assert "exists" in refused("compare", world.raster, world.expert, chain.model, "-o", outs[0])
    (tmp_path / "mine").mkdir()
    assert "something else" in refused("compare", world.raster, world.expert, chain.model, "-o", tmp_path / "mine", "--overwrite")
