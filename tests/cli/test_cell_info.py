"""cellseg info on a dataset of two images."""

import numpy as np
import pytest
from click.testing import CliRunner

from cellseg.dataset import write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import CellImage
from segcli.cells.info import command
from segcli.console import explain


@pytest.fixture
def folder(tmp_path):
    instances = np.zeros((40, 50), np.int32)
    instances[5:15, 5:15], instances[30, 30] = 1, 2
    images = [CellImage(name=name, pixels=np.arange(2000, dtype=np.uint16).reshape(1, 40, 50), instances=instances) for name in "ab"]
    return write_dataset(tmp_path / "set", images, facts=DatasetFacts(name="tiny"))


def info(*arguments):
    return CliRunner().invoke(command, [str(part) for part in arguments])


def test_it_says_what_is_there(folder):
    done = info(folder, "-q")
    assert done.exit_code == 0, done.output
    assert "tiny: 2 images, axes CYX, pixel size unknown" in done.stdout
    assert "objects: 4; cell 4" in done.stdout
    assert "problem: 2 objects of one pixel: id 2 in a, id 2 in b" in done.stdout


def test_the_sheet_is_named_last_and_not_replaced(folder, tmp_path):
    sheet = tmp_path / "sheet.png"
    assert info(folder, "--contact", sheet).stdout.splitlines()[-1] == str(sheet)
    assert sheet.is_file()
    again = info(folder, "--contact", sheet)
    assert explain(again.exception)[1] == 2
    assert "--overwrite" in str(again.exception)
    assert info(folder, "--contact", sheet, "--overwrite").exit_code == 0


def test_no_dataset_is_one_line(tmp_path):
    text, code = explain(info(tmp_path).exception)
    assert code == 2
    assert "\n" not in text
    assert "a dataset is a folder with dataset.json" in text
