"""Models that are damaged, hostile or unfit, and networks that cannot be trained."""

import os
import pickle
import shutil

import numpy as np
import pytest
import torch

from segcore.files import read_json, sha256, write_json

WEIGHTS = "member-0.safetensors"


@pytest.fixture
def model(chain, tmp_path):
    """A copy of the model, to be damaged."""
    return shutil.copytree(chain.model, tmp_path / "copy")


@pytest.fixture(params=["outline", "scan", "inspect"])
def command(request, world, tmp_path):
    """command(model) -> the arguments of one of the commands that load a model."""
    match request.param:
        case "outline":
            return lambda model: ["outline", world.raster, world.points, model, "-o", tmp_path / "result"]
        case "scan":
            return lambda model: ["scan", world.raster, model, "-o", tmp_path / "result"]
    return lambda model: ["inspect", world.raster, "--model", model]


def rewrite(model, **changes):
    """Change facts of a bundle, and let its digests be right."""
    content = read_json(model / "bundle.json")
    content["facts"].update(changes)
    content["files"] = {name: sha256(model / name) for name in content["files"]}
    write_json(model / "bundle.json", content)


def test_a_folder_without_bundle_json(command, refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "bundle.json" in refused(*command(tmp_path / "empty"))


def test_truncated_weights(command, refused, model):
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-1000])
    message = refused(*command(model))
    assert WEIGHTS in message
    assert "Copy the model again" in message


def test_weights_that_were_altered(command, refused, model):
    data = bytearray((model / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (model / WEIGHTS).write_bytes(bytes(data))
    assert "not the file that bundle.json describes" in refused(*command(model))


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("save", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_a_pickle_in_disguise_is_not_opened(command, refused, model, tmp_path, save):
    with (model / WEIGHTS).open("wb") as stream:
        save(Trap(tmp_path / "sprung"), stream)
    rewrite(model)
    assert "must be a safetensors file" in refused(*command(model))
    assert not (tmp_path / "sprung").exists()


def test_a_bundle_json_that_is_none(command, refused, model):
    (model / "bundle.json").write_text("{")
    assert "must be JSON" in refused(*command(model))


@pytest.mark.parametrize("key", ["window", "outline", "stretch"])
def test_a_bundle_that_lacks_a_fact(command, refused, model, key):
    content = read_json(model / "bundle.json")
    del content["facts"][key]
    write_json(model / "bundle.json", content)
    assert f"states {key}" in refused(*command(model))


def test_a_layout_of_the_future(command, refused, model):
    content = read_json(model / "bundle.json")
    write_json(model / "bundle.json", {**content, "format": 99})
    assert "layout" in refused(*command(model))


@pytest.mark.parametrize(
    "changes",
    [
        {"arch": "no_such_net"},
        {"arch": "resnet18"},
        {"window": "wide"},
        {"window": 0},
        {"bands": -1},
        {"outline": {}},
        {"calibration": {}},
        {"pixel_size": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["outline", "scan"])
def test_facts_that_make_no_sense(name, refused, world, model, tmp_path, changes):
    rewrite(model, **changes)
    points = [world.points] if name == "outline" else []
    refused(name, world.raster, *points, model, "-o", tmp_path / "result")


@pytest.mark.parametrize("name", ["outline", "scan"])
def test_another_number_of_bands(name, refused, world, chain, scene, tmp_path):
    raster = scene(np.repeat(world.pixels, 2, 0), nodata=0)
    points = [world.points] if name == "outline" else []
    message = refused(name, raster, *points, chain.model, "-o", tmp_path / "result", "--bands", "1,2")
    assert "reads 1 band(s); own has 2" in message


@pytest.mark.parametrize("name", ["outline", "scan"])
def test_a_map_that_is_not_calibrated(name, refused, world, model, tmp_path):
    calibrations = read_json(model / "bundle.json")["facts"]["calibration"]
    rewrite(model, calibration={key: value for key, value in calibrations.items() if not key.startswith("grad-cam")})
    points = [world.points] if name == "outline" else []
    message = refused(name, world.raster, *points, model, "-o", tmp_path / "result", "--method", "grad-cam")
    assert "must be calibrated" in message
    assert "guided-backprop" in message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--method", "psychic"), "--method"),
        (("--overlap", 1), "overlap"),
        (("--threshold", 2), "threshold"),
        (("--crf", "fog"), "--crf"),
        (("--device", "tpu"), "--device"),
        (("--threads", 0), "--threads"),
    ],
)
def test_options_out_of_range(refused, world, chain, tmp_path, options, words):
    assert words in refused("scan", world.raster, chain.model, "-o", tmp_path / "result", *options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(refused, world, chain, tmp_path):
    assert "--device cpu" in refused("scan", world.raster, chain.model, "-o", tmp_path / "result", "--device", "cuda")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--arch", "resnet0"), "Close names"),
        (("--arch", "test_vit"), "convolutional"),
        (("--weights", "no.safetensors"), "no.safetensors is not there"),
        (("--weights", "no.pth"), ".safetensors"),
        (("--members", 0), "at least one member"),
        (("--epochs", 0), "epochs is a whole number from 1"),
        (("--outlines", "no.gpkg"), "no.gpkg is not there"),
    ],
)
def test_training_that_cannot_begin(refused, chain, tmp_path, monkeypatch, options, words):
    monkeypatch.setattr("geoseg.train.fit", None)
    small = ("--members", 1) if "--members" not in options else ()
    arch = ("--arch", "test_resnet") if "--arch" not in options else ()
    assert words in refused("train", chain.chips, "-o", tmp_path / "model", *arch, *small, *options)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("chips.json", b"{}"),
        ("chips.json", b"["),
        ("chips.npy", b"cut"),
        ("flags.npy", None),
        ("chips.npy", "objects"),
        ("flags.npy", "few"),
    ],
)
def test_a_damaged_chip_set(refused, chain, tmp_path, name, data):
    chips = shutil.copytree(chain.chips, tmp_path / "chips")
    (chips / name).unlink()
    match data:
        case bytes():
            (chips / name).write_bytes(data)
        case "objects":
            np.save(chips / name, np.array([Trap(tmp_path / "sprung")], dtype=object), allow_pickle=True)
        case "few":
            np.save(chips / name, np.load(chain.chips / name)[:3])
    assert "chips" in refused("train", chips, "-o", tmp_path / "model", "--arch", "test_resnet")
    assert not (tmp_path / "sprung").exists()


def test_no_chip_set_at_all(refused, tmp_path):
    assert "chips.json" in refused("train", tmp_path / "nowhere", "-o", tmp_path / "model")


def test_a_window_that_a_bundle_invents_is_refused_before_memory_is(refused, world, model, tmp_path):
    rewrite(model, window=10**9)
    refused("scan", world.raster, model, "-o", tmp_path / "result")
