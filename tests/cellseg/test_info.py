import os
from dataclasses import replace

import numpy as np
import pytest

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import IGNORE, CellImage
from cellseg.info import describe, inspect_dataset
from segcore.errors import InputError, OutputError
from segcore.io.png import read_png

TWO = "epithelial", "lymphocyte"


def test_a_sound_dataset(two_classes):
    info = inspect_dataset(two_classes)
    assert info.counts == {"epithelial": 12, "lymphocyte": 8}
    assert info.problems() == []
    text = "\n".join(info.lines())
    assert "two: 4 images, axes CYX, pixel size 0.5 x 0.5 µm" in text
    assert "image size: 64 x 80 px" in text
    assert "splits: test 2, train 2" in text
    assert text.endswith("no problems found")


def test_sizes(two_classes, image):
    sizes = inspect_dataset(two_classes).sizes
    assert sorted(sizes) == sorted(4 * [int((image.instances == own).sum()) for own in range(1, 6)])
    assert f"median {np.median(sizes):g} px ({np.median(sizes) / 4:.3g} µm²)" in "\n".join(inspect_dataset(two_classes).lines())


def test_unknown_pixels_and_volumes(with_ignore, volumes):
    assert "unknown pixels: 12.5%" in inspect_dataset(with_ignore).lines()
    text = "\n".join(inspect_dataset(volumes).lines())
    assert "objects: 8; cell 8" in text
    assert "µm³" in text


@pytest.fixture
def odd(tmp_path, image):
    """One image of each problem, and a sound one."""
    dot, pieces, empty = (image.instances.copy() for _ in range(3))
    dot[dot == 5], dot[0, 0] = 0, 5
    pieces[pieces == 5], pieces[0, 0], pieces[1, 1], pieces[60, 60] = 0, 5, 5, 5
    empty[:] = 0
    images = [
        image,
        replace(image, name="dot", instances=dot),
        replace(image, name="pieces", instances=pieces),
        replace(image, name="unclassed", classes={1: TWO[0]}),
        replace(image, name="empty", instances=empty, pixels=np.full_like(image.pixels, 7)),
        replace(image, name="damaged"),
    ]
    path = write_dataset(tmp_path / "odd", images, facts=DatasetFacts(classes=TWO, pixel_size_um=(0.5, 0.5)))
    os.truncate(path / "images/damaged.png", 20)
    return open_dataset(path)


def test_problems(odd):
    info = inspect_dataset(odd)
    assert info.problems() == [
        f"1 image cannot be read: damaged; the first: {odd.path}/images/damaged.png is not a PNG file. Save the image again.",
        "1 image without objects: empty",
        "1 image of one brightness only: empty",
        "1 object of one pixel: id 5 in dot",
        "4 objects without a class: id 2 in unclassed, id 3 in unclassed, id 4 in unclassed and 1 more",
        "1 object in several pieces: id 5 in pieces",
    ]
    assert [line for line in info.lines() if line.startswith("problem: ")] == [f"problem: {line}" for line in info.problems()]
    assert info.counts == {"epithelial": 10, "lymphocyte": 6}


def test_corners_hold_together_and_touching_objects_are_two():
    instances = np.array([[1, 0, 2], [0, 1, 2], [IGNORE, IGNORE, 2]], np.int32)
    found = describe(CellImage(pixels=np.zeros((1, 3, 3)), instances=instances))
    assert found.in_pieces == ()
    assert found.sizes == {1: 2, 2: 3}
    assert found.ignored == pytest.approx(2 / 9)


def test_contact_sheet(odd, tmp_path):
    sheet = tmp_path / "sheet.png"
    inspect_dataset(odd, contact=sheet)
    assert read_png(sheet).shape[2] in (3, 4)
    first = sheet.read_bytes()
    with pytest.raises(OutputError, match="never replaced silently"):
        inspect_dataset(odd, contact=sheet)
    inspect_dataset(odd, contact=sheet, overwrite=True)
    assert sheet.read_bytes() == first


def test_text_of_strangers_moves_no_cursor(tmp_path, image):
    facts = DatasetFacts(classes=TWO, licence="CC0\x1b[2J\nproblem: none")
    lines = inspect_dataset(write_dataset(tmp_path / "set", [image], facts=facts)).lines()
    assert lines[1] == "licence: CC0 [2J problem: none; source: not said"


def test_no_dataset(tmp_path):
    with pytest.raises(InputError, match="a folder with"):
        inspect_dataset(tmp_path)


def test_images_that_no_network_learns_from_together(tmp_path, image):
    other = replace(image, name="two", pixels=np.zeros((3, 64, 80), np.uint16), classes=image.classes)
    other.pixels[0, 0, 0] = 1
    path = write_dataset(tmp_path / "set", [image, other], facts=DatasetFacts(axes="CYX", classes=TWO, pixel_size_um=(0.5, 0.5)))
    assert inspect_dataset(path).problems() == [
        "images of several kinds, which no network learns from together: channels 1 in one, 3 in two",
        "images of several kinds, which no network learns from together: pixel type uint8 in one, uint16 in two",
    ]


def test_labels_without_images_have_no_pixels_to_be_odd(tmp_path, image):
    facts = DatasetFacts(classes=TWO, pixel_size_um=(0.5, 0.5))
    data = open_dataset(write_dataset(tmp_path / "set", [image], facts=facts))
    bare = replace(data, facts=replace(facts, labels_only=True), files={"one": replace(data.files["one"], image=None)})
    found = inspect_dataset(bare)
    assert "labels without images" in found.lines()
    assert found.problems() == []
