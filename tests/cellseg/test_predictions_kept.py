"""What predict_dataset refuses, and that files which are there stay as they are."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from cellseg import predictions as module
from cellseg.dataset import open_dataset
from cellseg.predict import Segmenter
from cellseg.predictions import predict_dataset
from cellseg.training.normalise import Normalisation
from segcore.errors import BundleError, ConfigError, InputError, OutputError
from segcore.files import read_json, write_json
from segcore.io.tiff import write_tiff
from segcore.progress import Silent


class Bright(nn.Module):
    """What is brighter than the mean is a cell."""

    def __init__(self):
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return torch.stack([self.zero * 0 - images[:, 0], images[:, 0]], dim=1)


def segmenter(channels=1, pixel_type="uint8"):
    own = Normalisation(mean=(110.0,) * channels, spread=(20.0,) * channels)
    facts = {"target": "cell", "pixel_size_um": None, "pixel_type": pixel_type}
    return Segmenter(path=Path("models/bright"), digest="abc", facts=facts, network=Bright().eval(), normalise=own, window=48)


@pytest.fixture
def clean(blobs):
    """Two grey images of 64 x 64 px of 8 bits, blob-0 and blob-1."""
    return blobs(2, name="clean")


@pytest.mark.parametrize(
    ("known", "found", "fits"),
    [
        ("uint16", np.uint8, False),
        ("uint8", np.uint16, False),
        ("int16", np.uint8, False),
        ("bool", np.uint8, False),
        ("uint8", np.uint8, True),
        ("int16", np.uint16, True),
        ("float32", np.uint8, True),
        ("uint8", np.float32, True),
        ("uint16", np.int32, True),
        (None, np.uint8, True),
        (["odd"], np.uint8, True),
    ],
)
def test_bits_that_the_model_did_not_learn_from_are_refused(tmp_path, known, found, fits):
    write_tiff(tmp_path / "slide.tif", np.full((20, 30), 200, found), "YX")
    if fits:
        predict_dataset(tmp_path / "slide.tif", segmenter(pixel_type=known), tmp_path / "out")
        return
    text = f"bright learnt from {known}, slide is {found.__name__}. Rescale the image to that range and save it as {known}"
    with pytest.raises(InputError, match=text):
        predict_dataset(tmp_path / "slide.tif", segmenter(pixel_type=known), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("images", "out"),
    [
        ("clean", "clean"),
        ("clean/images", "clean"),
        ("clean", "clean/labels"),
        ("clean", "clean/found"),
        ("clean/images/blob-0.png", "clean/images"),
        ("clean", "other/../clean"),
        ("clean", "link"),
    ],
)
def test_predictions_never_replace_their_images(clean, tmp_path, images, out, overwrite):
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(clean.path)
    write_json(clean.path / "model.json", {})
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=r"predictions lie apart from the images; .* Choose another -o"):
        predict_dataset(tmp_path / images, segmenter(), tmp_path / out, overwrite=overwrite)
    assert contents(tmp_path) == before
    with pytest.raises(OutputError, match="lie apart"):
        predict_dataset(clean, segmenter(), clean.path, overwrite=overwrite)


def test_only_earlier_predictions_are_replaced(clean, two_classes, tmp_path):
    copy = shutil.copytree(clean.path, tmp_path / "copy")
    before = contents(copy)
    with pytest.raises(OutputError, match=r"an earlier output, which holds model.json; .*copy is something else"):
        predict_dataset(clean, segmenter(), copy, overwrite=True)
    assert contents(copy) == before
    out = predict_dataset(clean, segmenter(), tmp_path / "out")
    predict_dataset(two_classes, segmenter(channels=3), out, overwrite=True)
    assert open_dataset(out).names == two_classes.names


def test_images_learnt_from_and_files_passed_over_are_noted(clean, tmp_path):
    own = segmenter()
    own = replace(own, facts={**own.facts, "split": {"train": ["blob-1", "blob-7"], "validation": ["x"]}})
    (clean.path / "images/why.txt").write_text("", encoding="utf-8")
    told = []
    heard = SimpleNamespace(say=told.append, step=lambda *_: None)
    predict_dataset(clean.path / "images", own, tmp_path / "out", progress=heard)
    notes = read_json(tmp_path / "out/model.json")["notes"]
    assert notes == [
        "1 of 2 images are named like ones that the model learnt from, such as blob-1: if they are the same, scores on them are too good",
        "passed over, no image that is read: why.txt",
    ]
    assert set(notes) <= set(told)


@pytest.mark.parametrize("split", [None, "train", ["a"], {"train": 5}, {"train": [["blob-0"]], "validation": {}}])
def test_what_a_strangers_model_says_of_its_images_does_no_harm(clean, tmp_path, split):
    own = segmenter()
    predict_dataset(clean, replace(own, facts={**own.facts, "split": split}), tmp_path / "out")
    assert read_json(tmp_path / "out/model.json")["notes"] == []


def test_what_cannot_be_done_is_refused_before_anything_is_written(clean, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="written as tiff, zarr, qupath; got 'png'"):
        predict_dataset(clean, segmenter(), out, format="png")
    with pytest.raises(ConfigError, match=r"a probability, 0 to 1, got 1.5"):
        predict_dataset(clean, segmenter(), out, threshold=1.5)
    with pytest.raises(InputError, match=r"bright reads 3 channel\(s\); blob-0 has 1"):
        predict_dataset(clean, segmenter(channels=3), out)
    with pytest.raises(BundleError, match="a model is a folder"):
        predict_dataset(clean, tmp_path / "none", out)
    assert not out.exists()
    predict_dataset(clean, segmenter(), out)
    with pytest.raises(OutputError, match="never replaced silently"):
        predict_dataset(clean, segmenter(), out)
    predict_dataset(clean, segmenter(), out, overwrite=True)


def test_a_broken_image_leaves_nothing_behind(clean, tmp_path):
    clean.files["blob-1"].image.write_bytes(clean.files["blob-1"].image.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"blob-1\.png is damaged"):
        predict_dataset(clean, segmenter(), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["clean"]


def test_an_interruption_leaves_nothing_behind_and_what_was_there_before(clean, tmp_path, monkeypatch):
    class Stopped(Silent):
        def step(self, task, done, total):
            if done == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(module, "IN_MEMORY", 1000)
    with pytest.raises(KeyboardInterrupt):
        predict_dataset(clean, segmenter(), tmp_path / "out", progress=Stopped())
    assert [path.name for path in tmp_path.iterdir()] == ["clean"]
    out = predict_dataset(clean, segmenter(), tmp_path / "out")
    before = contents(out)
    with pytest.raises(KeyboardInterrupt):
        predict_dataset(clean, segmenter(), out, overwrite=True, progress=Stopped())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "out"]
    assert contents(out) == before


@pytest.mark.parametrize("row", [0, 60])
def test_an_image_with_nan_is_named(tmp_path, row):
    pixels = np.full((70, 50), 20, np.float32)
    pixels[row, 3] = np.nan
    write_tiff(tmp_path / "slide.tif", pixels, "YX")
    with pytest.raises(InputError, match="finite numbers; slide has NaN or an infinity"):
        predict_dataset(tmp_path / "slide.tif", segmenter(pixel_type="float32"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_disk_without_room_is_said_before_labels_are_made(clean, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IN_MEMORY", 1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(OutputError, match=r"labels of an image need 0.0 GB while they are made; the disk of .* has 0.0. Free space"):
        predict_dataset(clean, segmenter(), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["clean"]
