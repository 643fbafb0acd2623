"""Datasets that cannot be used, each said in one line."""

import os
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from cellseg.dataset import open_dataset
from segcore.errors import InputError
from segcore.io.png import write_png

LINES = "image,instance,class\n"


@pytest.fixture
def folder(tmp_path, two_classes):
    """A copy of the dataset of two classes, to be spoiled."""
    return shutil.copytree(two_classes.path, tmp_path / "set")


def add_rows(name, *rows):
    def change(folder):
        with (folder / name).open("a") as stream:
            stream.writelines(f"{row}\n" for row in rows)

    return change


def write_text(name, text):
    return lambda folder: (folder / name).write_text(text)


AT_OPENING = {
    "no dataset.json": (lambda folder: (folder / "dataset.json").unlink(), "a folder with dataset.json"),
    "no folder": (lambda folder: shutil.rmtree(folder / "labels"), "folders images and labels"),
    "image alone": (lambda folder: (folder / "labels/b.png").unlink(), r"every image has labels .*images/b\.png has none\."),
    "labels alone": (lambda folder: (folder / "images/b.png").unlink(), r"every label file has an image .*labels/b\.png has none\."),
    "several alone": (lambda folder: [path.unlink() for path in folder.glob("labels/[bcd].png")], "nor have 2 more"),
    "twice": (lambda folder: (folder / "images/b.tif").touch(), "have one name"),
    "unknown kind": (lambda folder: (folder / "images/e.jpg").touch(), r"e\.jpg is none of them"),
    "empty": (lambda folder: [path.unlink() for path in folder.glob("*/*.png")], "at least one image"),
    "class of unknown image": (add_rows("instances.csv", "../../e,1,epithelial"), r"line 22 .* has '\.\./\.\./e'"),
    "unknown class": (add_rows("instances.csv", "a,6,gland"), "has 'gland'"),
    "class twice": (add_rows("instances.csv", "a,1,lymphocyte"), "instance 1 of a again"),
    "no id": (add_rows("instances.csv", "a,1.5,lymphocyte"), "has '1.5'"),
    "id 0": (add_rows("instances.csv", "a,0,lymphocyte"), "has '0'"),
    "endless id": (add_rows("instances.csv", f"a,{'9' * 5000},lymphocyte"), "a whole number from 1"),
    "short row": (add_rows("instances.csv", "a,1"), "has 2"),
    "other columns": (write_text("instances.csv", "a,b\n1,2\n"), "has the columns image, instance, class"),
    "no table": (write_text("instances.csv", ""), "has the columns"),
    "not text": (lambda folder: (folder / "instances.csv").write_bytes(b"\xff\xfe\0"), "CSV table in UTF-8"),
    "endless cell": (write_text("instances.csv", f'{LINES}"{"x" * 200_000}",1,a\n'), "CSV table in UTF-8"),
    "split of unknown image": (add_rows("splits.csv", "../e,train,g"), "'../e', unknown"),
    "split twice": (add_rows("splits.csv", "a,train,g"), "'a', there twice"),
    "group split": (write_text("splits.csv", "image,split,group\na,train,g\nb,test,g\n"), "a group is never split; 'g'"),
    "no split": (write_text("splits.csv", "image,split,group\na,,g\n"), "without a split"),
}


@pytest.mark.parametrize("kind", AT_OPENING)
def test_refused_at_opening(folder, kind):
    change, words = AT_OPENING[kind]
    change(folder)
    with pytest.raises(InputError, match=words) as error:
        open_dataset(folder)
    assert "\n" not in str(error.value)


def replace_by(name, array, **how):
    def change(folder):
        (folder / name).with_suffix(".png").unlink()
        tifffile.imwrite(folder / name, array, **how)

    return change


def paint(name, array):
    return lambda folder: write_png(folder / name, array)


def palette(folder):
    Image.fromarray(np.eye(64, 80, dtype=np.uint8)).convert("P").save(folder / "labels/a.png")


def truncate(name):
    return lambda folder: os.truncate(folder / name, 200)


def cut_tiff(folder):
    replace_by("images/a.tif", np.zeros((64, 80)))(folder)
    os.truncate(folder / "images/a.tif", 2000)


AT_READING = {
    "sizes": (paint("labels/a.png", np.zeros((80, 64), np.uint16)), "one size; a has 64 x 80 and 80 x 64"),
    "colours": (paint("labels/a.png", np.zeros((64, 80, 3), np.uint8)), "holds colours"),
    "palette": (palette, "holds colours"),
    "fractions": (replace_by("labels/a.tif", np.zeros((64, 80), np.float32)), "holds float32"),
    "channels": (replace_by("labels/a.tif", np.zeros((64, 80, 3), np.uint8), photometric="rgb"), "has 3"),
    "below -1": (replace_by("labels/a.tif", np.full((64, 80), -2, np.int16)), "has -2 to -2"),
    "above int32": (replace_by("labels/a.tif", np.full((64, 80), 2**32 - 1, np.uint32)), "has 4294967295"),
    "unknown id": (add_rows("instances.csv", "a,77,epithelial"), "a has no instance 77"),
    "4-D": (replace_by("images/a.tif", np.zeros((2, 4, 64, 80), np.uint8), photometric="minisblack"), "axes are never guessed"),
    "volume": (replace_by("images/a.tif", np.zeros((4, 64, 80), np.uint8), imagej=True, metadata={"axes": "ZYX"}), "is a volume"),
    "truncated PNG": (truncate("images/a.png"), "damaged"),
    "truncated TIFF": (cut_tiff, "TIFF|truncated|damaged"),
    "foreign": (write_text("images/a.png", "hello" * 20), "not a PNG"),
    "empty file": (write_text("images/a.png", ""), "not a PNG"),
}


@pytest.mark.parametrize("kind", AT_READING)
def test_refused_at_reading(folder, kind):
    change, words = AT_READING[kind]
    change(folder)
    dataset = open_dataset(folder)
    assert dataset["b"].name == "b"
    with pytest.raises(InputError, match=words) as error:
        dataset["a"]
    assert "\n" not in str(error.value)


def test_what_file_managers_leave_is_passed_over(folder):
    for name in (".DS_Store", "Thumbs.db", "._a.png"):
        (folder / "images" / name).touch()
    assert len(open_dataset(folder)) == 4


def test_tables_may_have_more_columns_in_any_order(folder):
    (folder / "splits.csv").write_text("\ufeffgroup,note,image,split\ns,x,a,train\n", encoding="utf-8")
    assert dict(open_dataset(folder).splits) == {"a": ("train", "s")}
