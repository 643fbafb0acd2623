"""cellseg simulate: what it writes, says and refuses."""

import pytest
from click.testing import CliRunner

from cellseg.dataset import open_dataset
from segcli.lazy import LazyGroup

GROUP = LazyGroup("cellseg", table={"simulate": ("segcli.cells.simulate", "")}, help="")
SMALL = "--shape", "30,70,80", "--kind", "granulocyte"


def call(*arguments):
    return CliRunner().invoke(GROUP, ["simulate", *map(str, arguments)], prog_name="cellseg")


def test_slices_of_two_volumes(tmp_path):
    out = tmp_path / "set"
    done = call("-o", out, *SMALL, "--volumes", 2, "--slices", 4, "--workers", 1, "--seed", 7)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}\n"
    assert done.stderr.startswith("4 slices of 2 volumes of 30 x 70 x 80 voxels: about ")
    dataset = open_dataset(out)
    assert (len(dataset), dataset.axes, dataset.classes) == (4, "YX", ("granulocyte",))
    assert "seed 7" in dataset.facts.source


def test_a_volume_by_default_and_quietly(tmp_path):
    done = call("-o", tmp_path / "set", *SMALL, "-q", "--format", "zarr")
    assert (done.exit_code, done.stderr) == (0, "")
    assert open_dataset(tmp_path / "set")[0].pixels.shape == (1, 30, 70, 80)
    assert (tmp_path / "set/images/granulocyte_000.zarr").is_dir()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "yeast"], "yeast"),
        (["--shape", "30,70"], "write it like 129,565,807"),
        (["--shape", "30,70,8"], "room for one cell"),
        (["--volumes", "0"], "--volumes"),
        (["--volumes", "-1"], "--volumes"),
        (["--slices", "0"], "--slices"),
        (["--slices", "31"], "Ask for fewer"),
        (["--workers", "0"], "--workers"),
        (["--seed", "-1"], "--seed"),
        (["--format", "png"], "png"),
    ],
)
def test_one_line_for_what_is_refused(tmp_path, arguments, words):
    done = call("-o", tmp_path / "set", *SMALL, *arguments)
    assert done.exit_code == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert errors == done.stderr.splitlines()[-1:]
    assert words in errors[0]
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists(tmp_path):
    (tmp_path / "set").write_text("mine")
    done = call("-o", tmp_path / "set", *SMALL)
    assert done.exit_code == 2
    assert "exists" in done.stderr
    assert (tmp_path / "set").read_text() == "mine"
