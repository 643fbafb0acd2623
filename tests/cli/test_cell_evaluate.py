import numpy as np
import pytest

from cellseg.dataset import write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import CellImage


@pytest.fixture
def call(cellseg):
    return lambda *arguments: cellseg("evaluate", *arguments)


@pytest.fixture
def folders(tmp_path):
    """(predictions, reference): two images with a round cell of 10 x 10 and a lobed one of 5 x 5; all lobed ones are missed."""
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15], labels[25:30, 25:30] = 1, 2
    pixels = np.zeros((1, 40, 40), np.uint8)
    images = [CellImage(name=name, pixels=pixels, instances=labels, classes={1: "round", 2: "lobed"}) for name in ("a", "b")]
    facts = DatasetFacts(classes=("round", "lobed"))
    lost = [image.with_labels(np.where(labels == 2, 0, labels)) for image in images]
    return write_dataset(tmp_path / "out", lost, facts=facts), write_dataset(tmp_path / "set", images, facts=facts)


def test_figures_of_each_class(call, folders):
    done = call(*folders)
    assert (done.exit_code, done.stdout.splitlines()[:2]) == (
        0,
        [
            "                                  all cells    round    lobed",
            "Dice of the pixels                    0.889    1.000    0.000",
        ],
    )
    rows = {line[:32].strip(): line[32:].split() for line in done.stdout.splitlines()[1:]}
    assert rows["AP at IoU 0.5"] == ["0.500", "1.000", "0.000"]
    assert rows["cells expected"] == ["4", "2", "2"]
    assert rows["median Dice of matched cells"] == ["1.000", "1.000", "-"]


def test_one_class_files_and_pictures(call, folders, tmp_path):
    paths = [tmp_path / "t.json", tmp_path / "t.csv", tmp_path / "seen"]
    done = call(*folders, "--target", "round", "-o", paths[0], "-o", paths[1], "--picture", paths[2])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-3:] == [str(path) for path in paths]
    assert all(path.exists() for path in paths)
    assert (paths[2] / "b.png").is_file()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--target", "flat"), "the target is a class of the reference; got 'flat', there is round, lobed. Choose one."),
        (("-o", "t.txt"), "figures are written as .json, .csv, .md, .png; got 't.txt'. Choose another -o."),
    ],
)
def test_bad_options_are_one_line(call, folders, more, text):
    done = call(*folders, *more)
    assert (done.exit_code, done.stdout, done.stderr.splitlines()[-1]) == (2, "", f"Error: {text}")


def test_names_that_do_not_pair_are_one_line(call, folders, tmp_path):
    image = CellImage(name="c", pixels=np.zeros((1, 4, 4), np.uint8), instances=np.zeros((4, 4), np.int32))
    other = write_dataset(tmp_path / "other", [image], facts=DatasetFacts())
    done = call(other, folders[1])
    assert (done.exit_code, done.stderr.splitlines()) == (
        2,
        ["Error: images are paired by name; not found: a, b; not expected: c. Give both sides the same names."],
    )
