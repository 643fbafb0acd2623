"""cellseg train and predict: words to calls, and one line where they make no sense."""

import re

import numpy as np
import pytest

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import CellImage
from cellseg.predict import load_segmenter
from segcore.train.bundle import load_bundle
from segcore.train.loop import TrainConfig

TINY = ("--width", 4, "--depth", 2, "--patch", 32, "--device", "cpu")


def squares(seed):
    labels = np.zeros((48, 56), np.int32)
    for own in range(1, 4):
        row, col = 3 + 15 * (own - 1), 4 + 7 * ((seed * own) % 5)
        labels[row : row + 9, col : col + 11] = own
    pixels = np.where(labels > 0, 170, 60) + np.random.default_rng(seed).integers(0, 30, labels.shape)
    return CellImage(name=f"s{seed}", pixels=pixels.astype(np.uint8)[None], instances=labels, classes=dict.fromkeys((1, 2, 3), "square"))


def dataset(folder, count=4):
    facts = DatasetFacts(name="squares", axes="YX", classes=("square",))
    return write_dataset(folder, (squares(seed) for seed in range(count)), facts=facts)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("cells") / "set")


@pytest.fixture(scope="module")
def model(data, tmp_path_factory, cellseg):
    out = tmp_path_factory.mktemp("models") / "m"
    done = cellseg("train", data, "-o", out, "--target", "square", *TINY, "--budget", "small", "--epochs", 4, "--seed", 2)
    assert done.exit_code == 0, done.output
    words, path = done.stdout.splitlines()
    assert words.startswith("Dice 0.")
    assert " on 1 held back, best epoch " in words
    assert path == str(out)
    cost = next(line for line in done.stderr.splitlines() if "s at most" in line)
    assert cost.startswith("3 images to learn from, 1 to judge; 80 patches of 32 px an epoch, unet of ")
    return out


def test_the_words_reach_the_bundle(model):
    bundle = load_bundle(model, "segmenter")
    config = bundle.provenance["config"]
    assert (bundle.facts["net"], bundle.facts["target"], bundle.facts["patch"]) == ("unet", "square", 32)
    assert (bundle.facts["options"]["width"], bundle.facts["options"]["depth"]) == (4, 2)
    assert (config["training"]["seed"], config["training"]["batch"], config["training"]["per_epoch"]) == (2, 4, 80)
    assert (config["loop"]["epochs"], config["loop"]["precision"], config["loop"]["seed"]) == (4, "32", 2)
    assert config["loop"]["learning_rate"] == TrainConfig().learning_rate


@pytest.mark.parametrize(("format", "wanted"), [("tiff", "labels/s0.tif"), ("zarr", "labels/s0.zarr"), ("qupath", "qupath/s0.geojson")])
def test_predict_then_evaluate(data, model, tmp_path, cellseg, format, wanted):
    out = tmp_path / "out"
    done = cellseg("predict", data, model, "-o", out, "--format", format, "--threshold", 0.5, "--split-touching", "--device", "cpu")
    assert done.exit_code == 0, done.output
    images, cells = re.fullmatch(r"(\d+) images, (\d+) cells", done.stdout.splitlines()[0]).groups()
    assert (int(images), int(cells)) == (4, sum(len(image.ids) for image in open_dataset(out)))
    assert done.stdout.splitlines()[1:] == [str(out)]
    assert done.stderr.splitlines()[0].startswith("4 images, 4 windows of 512 px: about ")
    assert (out / wanted).exists()
    judged = cellseg("evaluate", out, data, "--target", "square")
    assert judged.exit_code == 0, judged.output
    assert float(judged.stdout.splitlines()[1].split()[-1]) > 0.6


def test_msd_learns_from_other_labels(data, tmp_path, cellseg):
    worse, out = tmp_path / "worse", tmp_path / "m"
    assert cellseg("perturb", data, "-o", worse, "--omission", 0.3).exit_code == 0
    more = ("--labels", worse, "--net", "msd", "--depth", 3, "--epochs", 1, "--patch", 32, "--device", "cpu", "-q")
    more += ("--batch", 3, "--learning-rate", 2e-3)
    done = cellseg("train", data, "-o", out, "--target", "square", *more)
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert set(load_bundle(out, "segmenter").provenance["inputs"]) == {"data", "labels"}
    assert load_segmenter(out, device="cpu").facts["options"]["depth"] == 3
    config = load_bundle(out, "segmenter").provenance["config"]
    assert (config["training"]["batch"], config["loop"]["learning_rate"]) == (3, 2e-3)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ((), "Missing option '--target'"),
        (("--target", "disk"), "the target is a class of the data, which are square; got 'disk'. Choose one."),
        (("--target", "square", "--patch", 49), "s0 has 48 x 56 px, got 49. Use --patch 48."),
        (("--target", "square", "--patch", 0), "patch is at least 1, got 0"),
        (("--target", "square", "--epochs", 0), "epochs is a whole number from 1, got 0"),
        (("--target", "square", "--batch", 0), "batch is at least 1, got 0"),
        (("--target", "square", "--learning-rate", 0), "the learning rate is positive and finite, got 0"),
        (("--target", "square", "--depth", 0), "depth of a U-Net"),
        (("--target", "square", "--net", "vgg"), "'vgg' is not one of"),
        (("--target", "square", "--precision", "bf16", "--device", "cpu"), "precision bf16 needs a GPU"),
        (("--target", "square", "--labels", "nowhere"), "nowhere/dataset.json is not there"),
    ],
)
def test_bad_options_are_one_line(data, tmp_path, cellseg, more, text):
    done = cellseg("train", data, "-o", tmp_path / "m", "-q", *more)
    assert done.exit_code == 2
    assert text in done.stderr
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "m").exists()


def test_bad_datasets_are_one_line(tmp_path, cellseg):
    alone = cellseg("train", dataset(tmp_path / "one", 1), "-o", tmp_path / "m", "--target", "square", "--patch", 32, "-q")
    assert alone.exit_code == 2
    assert "there are at least two" in alone.stderr
    assert len(alone.stderr.splitlines()) == 1


def test_predictions_that_cannot_be_made_are_one_line(data, model, tmp_path, cellseg):
    colour = CellImage(name="c", pixels=np.zeros((3, 20, 20), np.uint8), instances=np.zeros((20, 20), np.int32))
    write_dataset(tmp_path / "colour", [colour], facts=DatasetFacts())
    for images, bundle, more, text in (
        (tmp_path / "colour", model, (), "m reads 1 channel(s); c has 3. Choose another model, or convert it."),
        (data, data, (), "a model is a folder with bundle.json"),
        (tmp_path / "none", model, (), "none is not there"),
        (data, model, ("--threshold", 2), "a threshold is a probability"),
    ):
        done = cellseg("predict", images, bundle, "-o", tmp_path / "out", "-q", "--device", "cpu", *more)
        assert done.exit_code == 2, done.output
        assert text in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not (tmp_path / "out").exists()


def test_an_output_is_replaced_on_request(data, model, tmp_path, cellseg):
    out = tmp_path / "out"
    words = ("predict", data, model, "-o", out, "--device", "cpu", "-q")
    assert [cellseg(*words).exit_code, cellseg(*words).exit_code, cellseg(*words, "--overwrite").exit_code] == [0, 2, 0]
    assert len(open_dataset(out)) == 4


def test_the_images_are_never_replaced(data, model, cellseg):
    before = sorted(data.rglob("*"))
    for images, out in ((data, data), (data / "images", data), (data, data / "labels")):
        done = cellseg("predict", images, model, "-o", out, "--device", "cpu", "-q", "--overwrite")
        assert done.exit_code == 2
        assert done.stderr.startswith("Error: predictions lie apart from the images; ")
    assert sorted(data.rglob("*")) == before
