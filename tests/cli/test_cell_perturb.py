"""cellseg perturb: words to calls, and one line where they make no sense."""

import numpy as np
import pytest
from click.testing import CliRunner

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import CellImage
from segcli.lazy import LazyGroup

GROUP = LazyGroup("cellseg", table={"perturb": ("segcli.cells.perturb", "")}, help="")


def call(*arguments):
    return CliRunner().invoke(GROUP, ["perturb", *map(str, arguments)], prog_name="cellseg")


@pytest.fixture
def source(tmp_path):
    """Two images with ten round cells and ten lobed ones, 6 x 6 px each."""
    labels = np.zeros((60, 80), np.int32)
    for own in range(20):
        row, col = divmod(own, 5)
        labels[4 + 14 * row : 10 + 14 * row, 4 + 15 * col : 10 + 15 * col] = own + 1
    classes = {own: "round" if own <= 10 else "lobed" for own in range(1, 21)}
    images = [CellImage(name=name, pixels=np.zeros((1, 60, 80), np.uint8), instances=labels, classes=classes) for name in "ab"]
    return write_dataset(tmp_path / "set", images, facts=DatasetFacts(classes=("round", "lobed")))


def test_omission_inclusion_and_bias_of_a_class(source, tmp_path):
    out, picture = tmp_path / "out", tmp_path / "p.png"
    wanted = ("--bias", 1, "--omission", 0.3, "--inclusion", 0.2, "--target", "round", "--unit", "image", "--seed", 4)
    done = call(source, "-o", out, *wanted, "--picture", picture)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [str(out), str(picture)]
    assert "20 objects: 6 gone, 4 included, 18 with another outline" in done.stderr
    worse = open_dataset(out)
    for image in worse:
        assert (len(image.ids_of("round")), len(image.ids_of("lobed"))) == (7 + 2, 8)
    again = call(source, "-o", tmp_path / "again", *wanted, "-q")
    assert (again.stdout, again.stderr) == (f"{tmp_path / 'again'}\n", "")
    assert all((one.instances == two.instances).all() for one, two in zip(worse, open_dataset(tmp_path / "again"), strict=True))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ((), "a perturbation is an omission, an inclusion, a bias or several; got none. Pass --omission 0.3 or the like."),
        (("--target", "round"), "got none"),
        (("--omission", 1.5), "omission is a share between 0 and 1, got 1.5"),
        (("--omission", "nan"), "omission is a share between 0 and 1, got nan"),
        (("--inclusion", -0.1, "--target", "round"), "inclusion is a share between 0 and 1, got -0.1"),
        (("--inclusion", 0.1), "no target was named. Pass --target CLASS."),
        (("--bias", 0), "bias is a whole number of pixels from 1, got 0"),
        (("--bias", 81), "bias is at most the longer edge of the image, got 81 for 60 x 80 pixels"),
        (("--bias", 2, "--unit", "slide"), "'slide' is not one of"),
        (("--omission", 0.1, "--target", "flat"), "the target is a class of the data, which are lobed, round; got 'flat'"),
        (("--omission", 0.1, "--picture", "p.gif"), "the picture is a PNG file, got p.gif"),
    ],
)
def test_bad_options_are_one_line(source, tmp_path, more, text):
    done = call(source, "-o", tmp_path / "out", "-q", *more)
    assert done.exit_code == 2
    assert text in done.stderr
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_bad_folders_are_one_line(source, tmp_path):
    missing = call(tmp_path / "none", "-o", tmp_path / "out", "--omission", 0.1)
    itself = call(source, "-o", source, "--omission", 0.1, "--overwrite")
    assert (missing.exit_code, itself.exit_code) == (2, 2)
    assert "dataset.json" in missing.stderr
    assert "does not replace its own source" in itself.stderr
    assert call(source, "-o", tmp_path / "out", "--omission", 0.1).exit_code == 0
    assert "is never replaced silently" in call(source, "-o", tmp_path / "out", "--omission", 0.1).stderr
    assert call(source, "-o", tmp_path / "out", "--omission", 0, "--overwrite").exit_code == 0
    assert len(open_dataset(tmp_path / "out")[0].ids) == 20
