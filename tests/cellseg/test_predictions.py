"""Predictions as datasets that the other parts read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cellseg import instances
from cellseg import predictions as module
from cellseg.dataset import open_dataset, write_dataset
from cellseg.evaluate import evaluate_datasets
from cellseg.evaluate_files import judge
from cellseg.facts import DatasetFacts
from cellseg.formats.importing import import_dataset
from cellseg.image import CellImage
from cellseg.predict import Segmenter
from cellseg.predictions import predict_dataset
from cellseg.training.images import TargetImages
from cellseg.training.normalise import Normalisation
from segcore.errors import ConfigError, InputError
from segcore.io.zarr import create_zarr, open_zarr
from segcore.progress import Silent
from segcore.windows import Window, block_grid


class Bright(nn.Module):
    """What is brighter than the mean is a cell."""

    def __init__(self):
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return torch.stack([self.zero * 0 - images[:, 0], images[:, 0]], dim=1)


def segmenter(mean=110.0, target="cell", channels=1, **facts):
    own = Normalisation(mean=(mean,) * channels, spread=(20.0,) * channels)
    facts = {"target": target, "pixel_size_um": [0.5, 0.5], "pixel_type": "uint8"} | facts
    return Segmenter(path=Path("models/bright"), digest="abc", facts=facts, network=Bright().eval(), normalise=own, window=48)


class Heard(Silent):
    def __init__(self):
        self.lines, self.steps = [], []

    def say(self, line):
        self.lines.append(line)

    def step(self, task, done, total):
        self.steps.append((task, done, total))


@pytest.fixture
def clean(tmp_path):
    """Two images of 70 x 90 px with bright squares, two of which touch at a neck; splits and pixel size."""
    images = []
    for seed, name in enumerate("ab"):
        labels = np.zeros((70, 90), np.int32)
        for own, (row, col) in enumerate([(5, 5), (30, 40 + seed), (50, 70)], 1):
            labels[row : row + 12, col : col + 12] = own
        images.append(CellImage(name=name, pixels=np.where(labels > 0, 200, 20).astype(np.uint8)[None], instances=labels))
    facts = DatasetFacts(name="squares", axes="YX", pixel_size_um=(0.5, 0.5))
    return open_dataset(write_dataset(tmp_path / "clean", images, facts=facts, splits={"a": ("train", "s1")}))


@pytest.mark.parametrize("format", ["tiff", "zarr", "qupath"])
def test_predictions_are_a_dataset_that_evaluate_reads(clean, tmp_path, format):
    out = predict_dataset(clean, segmenter(), tmp_path / "out", format=format)
    found = open_dataset(out)
    assert (found.names, found.classes, found.axes, found.pixel_size_um) == (("a", "b"), ("cell",), "YX", (0.5, 0.5))
    assert found.splits["a"] == ("train", "s1")
    assert not (out / "images").exists()
    table = judge(out, clean.path, outputs=[tmp_path / "t.json"], picture=tmp_path / "seen")
    scores = table.pooled()
    assert (scores.dice, scores.found, scores.at(0.9).matched) == (1.0, 6, 6)
    for own in found:
        np.testing.assert_array_equal(own.instances, clean[own.name].instances)
        assert own.pixels.shape == (1, 70, 90)
        assert not own.pixels.any()
        part = found.source(own.name).read(Window(28, 38, 20, 30))
        np.testing.assert_array_equal(part.instances, own.instances[28:48, 38:68])
    made = {"model": "bright", "sha256": "abc", "threshold": 0.5, "split_touching": False, "notes": [], "objects": {"a": 3, "b": 3}}
    assert json.loads((out / "model.json").read_text()) == made


def test_the_target_of_several_classes_is_scored(two_classes, tmp_path):
    out = predict_dataset(two_classes, segmenter(target="epithelial", channels=3), tmp_path / "out")
    scores = evaluate_datasets(open_dataset(out), two_classes, "epithelial").pooled("epithelial")
    assert scores.pixels.fn == 0
    assert scores.expected == 12


def test_qupath_outlines_read_back_give_the_same_cells(clean, tmp_path):
    out = predict_dataset(clean, segmenter(), tmp_path / "out", format="qupath")
    for name in "ab":
        (tmp_path / f"{name}.png").symlink_to(clean.files[name].image)
        (tmp_path / f"{name}.geojson").symlink_to(out / "qupath" / f"{name}.geojson")
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in [*tmp_path.glob("*.png"), *tmp_path.glob("*.geojson")]:
        (flat / path.name).write_bytes(path.read_bytes())
    import_dataset(flat, tmp_path / "back", "qupath")
    for own in open_dataset(tmp_path / "back"):
        np.testing.assert_array_equal(own.instances, clean[own.name].instances)


def test_the_labels_can_be_learnt_from(clean, tmp_path):
    found = open_dataset(predict_dataset(clean, segmenter(), tmp_path / "out"))
    images = TargetImages(clean, "cell", labels=found)
    pixels, target = images.read(images.planes("a")[0], Window(0, 0, 70, 90))
    np.testing.assert_array_equal(target == 1, pixels[0] > 100)
    with pytest.raises(InputError, match="out has labels alone"):
        TargetImages(found, "cell").planes("a")
    with pytest.raises(InputError, match="labels alone"):
        predict_dataset(found, segmenter(), tmp_path / "again")


def test_a_large_zarr_is_read_and_written_by_windows(tmp_path, monkeypatch):
    """The same labels whether they lie in memory or in a file; cells cross chunks, windows and strips."""
    shape = (1, 330, 390)
    rng = np.random.default_rng(0)
    coarse = np.where(rng.random((22, 26)) < 0.3, 200, 20).astype(np.uint8)
    pixels = np.kron(coarse, np.ones((15, 15), np.uint8))[None]
    with create_zarr(tmp_path / "slide.zarr", shape, np.uint8, pixel_size_um=(0.5, 0.5)) as sink:
        for block in block_grid(shape[1:], 128):
            sink.write(block, pixels[:, *block.slices])
    own = segmenter()
    predict_dataset(tmp_path / "slide.zarr", own, tmp_path / "memory", format="zarr")
    monkeypatch.setattr(module, "IN_MEMORY", 1000)
    monkeypatch.setattr(module, "_BLOCK", 100)
    predict_dataset(tmp_path / "slide.zarr", own, tmp_path / "disk", format="zarr")
    memory, disk = (open_zarr(tmp_path / name / "labels/slide.zarr").read_all() for name in ("memory", "disk"))
    np.testing.assert_array_equal(memory, disk)
    np.testing.assert_array_equal(memory[0, 0], own.segment(pixels))
    assert open_dataset(tmp_path / "disk").pixel_size_um == (0.5, 0.5)
    assert sorted(path.name for path in (tmp_path / "disk").iterdir()) == ["dataset.json", "labels", "model.json"]


@pytest.mark.parametrize("format", ["tiff", "qupath"])
def test_labels_on_disk_are_written_as_those_in_memory(clean, tmp_path, monkeypatch, format):
    predict_dataset(clean, segmenter(), tmp_path / "memory", format=format)
    monkeypatch.setattr(module, "IN_MEMORY", 1000)
    predict_dataset(clean, segmenter(), tmp_path / "disk", format=format)
    files = [path.relative_to(tmp_path / "memory") for path in sorted((tmp_path / "memory").rglob("*")) if path.is_file()]
    assert {path.name for path in files} >= {"a.tif", "b.tif"}
    assert [path.relative_to(tmp_path / "disk") for path in sorted((tmp_path / "disk").rglob("*")) if path.is_file()] == files
    for path in files:
        assert (tmp_path / "disk" / path).read_bytes() == (tmp_path / "memory" / path).read_bytes()


@pytest.mark.parametrize("format", ["tiff", "zarr"])
def test_volumes_stay_volumes_and_that_is_said(volumes, tmp_path, format):
    heard = Heard()
    out = predict_dataset(volumes, segmenter(mean=5000.0, pixel_type="uint16"), tmp_path / "out", format=format, progress=heard)
    assert "volumes are segmented plane by plane; cells connect through the planes" in heard.lines
    found = open_dataset(out)
    assert found.axes == "ZYX"
    assert evaluate_datasets(found, volumes).pooled().at(0.9).matched == 8
    with pytest.raises(ConfigError, match=r"QuPath's outlines lie in a plane; .* holds volumes. Use --format tiff or zarr"):
        predict_dataset(volumes, segmenter(), tmp_path / "q", format="qupath")


def test_touching_cells_are_cut_on_request(tmp_path):
    grid = np.indices((50, 70))
    mask = np.any([np.hypot(grid[0] - 25, grid[1] - col) <= 11 for col in (20, 39)], axis=0)
    image = CellImage(name="a", pixels=np.where(mask, 200, 20).astype(np.uint8)[None], instances=mask.astype(np.int32))
    data = write_dataset(tmp_path / "set", [image], facts=DatasetFacts(axes="YX"))
    for split, count in ((False, 1), (True, 2)):
        out = predict_dataset(data, segmenter(), tmp_path / f"out-{split}", split_touching=split)
        assert len(open_dataset(out)[0].ids) == count
        assert json.loads((out / "model.json").read_text())["objects"] == {"a": count}


def test_a_clump_that_is_too_large_to_cut_is_said(clean, tmp_path, monkeypatch):
    monkeypatch.setattr(instances, "LARGEST", 100)
    heard = Heard()
    predict_dataset(clean, segmenter(), tmp_path / "out", split_touching=True, progress=heard)
    assert "a: object 1, 12 x 12 px, is left whole: a box of at most 100 px can be cut" in heard.lines


def test_cost_and_what_may_go_wrong_are_said_first(clean, tmp_path):
    heard = Heard()
    predict_dataset(clean, segmenter(pixel_size_um=[0.25, 0.25], pixel_type="float32"), tmp_path / "out", progress=heard)
    assert heard.lines[0].startswith("2 images, 8 windows of 48 px: about 0 s")
    assert heard.lines[1] == "a has pixels 2 times as large as those that the model learnt from: resample it for good results"
    assert heard.lines[2] == "a is uint8, the model learnt from float32: the same range of values is needed"
    assert json.loads((tmp_path / "out/model.json").read_text())["notes"] == heard.lines[1:]
    quiet = Heard()
    predict_dataset(clean, segmenter(), tmp_path / "more", progress=quiet)
    assert len(quiet.lines) == 1
    assert quiet.steps == [("rows of windows", done, 4) for done in range(1, 5)]


def test_labels_alone_can_be_perturbed_and_stay_labels_alone(clean, tmp_path):
    from cellseg.perturb import Omission, perturb_dataset

    found = predict_dataset(clean, segmenter(), tmp_path / "out")
    worse = open_dataset(perturb_dataset(found, Omission(0.4), tmp_path / "worse"))
    assert worse.facts.labels_only
    assert not (tmp_path / "worse/images").exists()
    assert [len(image.ids) for image in worse] == [2, 2]


def test_labels_alone_must_be_said_and_hold_something(clean, tmp_path):
    out = predict_dataset(clean, segmenter(), tmp_path / "out")
    facts = json.loads((out / "dataset.json").read_text())
    for change, text in (
        ({"labels_only": "yes"}, "labels_only must be true or false"),
        ({"labels_only": False}, "folders images and labels"),
    ):
        (out / "dataset.json").write_text(json.dumps(facts | change))
        with pytest.raises(InputError, match=text):
            open_dataset(out)
    (out / "dataset.json").write_text(json.dumps(facts))
    for path in (out / "labels").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="at least one label file"):
        open_dataset(out)
