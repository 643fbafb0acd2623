"""Datasets of simulated images."""

import filecmp
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module

import numpy as np
import pytest

from cellseg.dataset import open_dataset
from cellseg.simulate.collection import simulate_dataset
from cellseg.simulate.optics import Optics
from cellseg.simulate.volume import simulate
from segcore.errors import ConfigError, OutputError, RunError

COARSE = Optics(pixel_um=(0.4, 0.25, 0.25))
SHAPE = 30, 60, 70


def made(path, kind="combined", volumes=2, **given):
    return simulate_dataset(path, kind, volumes, shape=SHAPE, optics=COARSE, seed=3, **given)


def same_image(one, other):
    assert one.name == other.name
    assert (one.pixels == other.pixels).all()
    assert (one.instances == other.instances).all()
    assert {own: one.class_of(own) for own in one.ids} == {own: other.class_of(own) for own in other.ids}
    assert one.pixel_size_um == pytest.approx(other.pixel_size_um)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("format", ["tiff", "zarr"])
def test_volumes_come_back(tmp_path, format):
    dataset = open_dataset(made(tmp_path / "set", format=format))
    assert (dataset.axes, dataset.classes, dataset.names) == ("ZYX", ("hl60", "granulocyte"), ("combined_000", "combined_001"))
    assert dataset.pixel_size_um == COARSE.pixel_um
    for number, image in enumerate(dataset):
        same_image(image, simulate("combined", shape=SHAPE, optics=COARSE, seed=3, volume=number))


@pytest.mark.parametrize("format", ["tiff", "zarr"])
def test_slices_are_those_of_the_volumes(tmp_path, format):
    dataset = open_dataset(made(tmp_path / "set", "granulocyte", slices=5, format=format))
    assert (dataset.axes, dataset.classes) == ("YX", ("granulocyte",))
    assert dataset.names == tuple(sorted(f"granulocyte_{k % 2:03d}_{(2 * k + 1) * 30 // 10:03d}" for k in range(5)))
    whole = [simulate("granulocyte", shape=SHAPE, optics=COARSE, seed=3, volume=number) for number in range(2)]
    for image in dataset:
        _, volume, plane = image.name.split("_")
        same_image(image, list(whole[int(volume)].slices())[int(plane)])


def test_processes_change_nothing(tmp_path):
    one, two = made(tmp_path / "one", volumes=3), made(tmp_path / "two", volumes=3, workers=2)
    assert files(one) == files(two)
    same = filecmp.cmpfiles(one, two, [name for name in files(one) if not name.endswith(".tif")], shallow=False)
    assert same[1:] == ([], [])
    for image, other in zip(open_dataset(one), open_dataset(two), strict=True):
        same_image(image, other)


def test_a_process_that_dies_is_said_in_one_line(tmp_path, monkeypatch):
    class Pool:
        def __init__(self, *_, **__):
            pass

        def submit(self, _):
            lost = Future()
            lost.set_exception(BrokenProcessPool("gone"))
            return lost

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(import_module("cellseg.simulate.collection"), "ProcessPoolExecutor", Pool)
    with pytest.raises(RunError, match="Take fewer workers"):
        made(tmp_path / "set", "granulocyte", workers=2)
    assert list(tmp_path.iterdir()) == []


def test_volumes_stay_whole_in_the_splits(tmp_path):
    splits = open_dataset(made(tmp_path / "five", "granulocyte", 5, slices=10)).splits
    groups = {group: {split for split, own in splits.values() if own == group} for _, group in splits.values()}
    assert groups == {f"granulocyte_{number:03d}": {"test" if number == 4 else "train"} for number in range(5)}
    alone = open_dataset(made(tmp_path / "one", "granulocyte", 1)).splits
    assert set(alone.values()) == {("train", "granulocyte_000")}


class Heard:
    def __init__(self):
        self.lines, self.steps = [], []

    def say(self, line):
        self.lines.append(line)

    def step(self, task, done, total):
        self.steps.append((task, done, total))


def test_the_cost_comes_first_then_each_volume(tmp_path):
    heard = Heard()
    made(tmp_path / "set", "granulocyte", slices=4, progress=heard)
    assert heard.lines[0].startswith("4 slices of 2 volumes of 30 x 60 x 70 voxels: about 0.1 min on 1 cores")
    assert heard.steps == [("volumes", done, 2) for done in range(3)]


def test_existing_outputs(tmp_path):
    first = made(tmp_path / "set", "granulocyte", 1)
    with pytest.raises(OutputError, match="exists"):
        made(first, "granulocyte", 1)
    made(first, "granulocyte", 2, overwrite=True)
    assert len(open_dataset(first)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kind": "yeast"}, "one of hl60"),
        ({"volumes": 0}, "volumes is a whole number >= 1, got 0"),
        ({"volumes": -3}, "got -3"),
        ({"workers": 0}, "workers is a whole number >= 1, got 0"),
        ({"slices": -1}, "sections"),
        ({"slices": 0}, "sections"),
        ({"slices": 61}, "sections"),
        ({"format": "png"}, "tiff or zarr, got 'png'"),
    ],
)
def test_what_is_refused_leaves_nothing(tmp_path, given, words):
    with pytest.raises(ConfigError, match=words):
        made(tmp_path / "set", **given)
    assert list(tmp_path.iterdir()) == []


def test_instances_are_wide_enough(tmp_path):
    image = open_dataset(made(tmp_path / "set", volumes=1))[0]
    assert image.instances.dtype == np.int32
    assert image.pixels.dtype == np.uint16
