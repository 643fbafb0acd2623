import json

import numpy as np
import pytest
from click.testing import CliRunner

from cellseg.dataset import open_dataset
from segcli.cells.import_ import command
from segcli.console import Console, run
from segcore.io.png import write_png


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "src"
    folder.mkdir()
    write_png(folder / "a.png", np.full((2, 3), 9, dtype=np.uint8))
    write_png(folder / "a_inst.png", np.array([[0, 1, 1], [2, 2, 0]], dtype=np.uint16))
    (folder / "a_types.csv").write_text("id,type\n1,1\n2,2\n")
    return folder


def call(*arguments):
    return CliRunner().invoke(command, [str(part) for part in arguments], prog_name="cellseg import")


def refused(capsys, *arguments):
    """The one line of an error, by the way every command ends."""
    code = run(lambda: command.main([str(part) for part in arguments], standalone_mode=False), Console())
    lines = capsys.readouterr().err.splitlines()
    assert (code, len(lines)) == (2, 1)
    return lines[0]


def test_a_folder_becomes_a_dataset(source, tmp_path):
    (tmp_path / "names.json").write_text(json.dumps({"1": "round", "2": "long"}))
    out = tmp_path / "out"
    done = call(source, "-o", out, "--format", "folder", "--classes", tmp_path / "names.json", "--pixel-size", "0.25")
    assert (done.exit_code, done.stdout) == (0, f"{out}\n")
    assert "1 images, 2 objects (round 1, long 1)" in done.stderr
    assert open_dataset(out).pixel_size_um == (0.25, 0.25)
    assert call(source, "-o", out, "--format", "folder", "--overwrite", "-q").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nowhere", "--format", "folder"], "nowhere"),
        (["SOURCE", "--format", "masks"], "X_mask|without labels"),
        (["SOURCE", "--format", "qupath"], "without labels"),
        (["SOURCE", "--format", "folder", "--pixel-size", "-1"], "pixel size"),
        (["SOURCE", "--format", "folder", "--axes", "Q"], "axes"),
        (["SOURCE", "--format", "folder", "--classes", "nowhere.json"], "nowhere.json"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(source, tmp_path, capsys, arguments, word):
    found = [source if argument == "SOURCE" else argument for argument in arguments]
    line = refused(capsys, *found, "-o", tmp_path / "out")
    assert line.startswith("Error: ")
    assert any(part in line for part in word.split("|"))
    assert not (tmp_path / "out").exists()


def test_the_formats_are_listed():
    done = call("x", "-o", "y", "--format", "czi")
    assert done.exit_code == 2
    assert "'folder', 'masks', 'dsb2018', 'consep', 'lizard', 'coco', 'qupath', 'imagej'" in done.stderr
