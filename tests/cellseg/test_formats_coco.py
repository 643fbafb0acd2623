import json

import numpy as np
import pytest

from cellseg.formats import coco
from cellseg.formats.imported import ImportOptions
from segcore.errors import InputError
from segcore.io.png import write_png

SQUARE = [[1, 1, 4, 1, 4, 3, 1, 3]]


def document(*segmentations, **other):
    annotations = [{"id": n, "image_id": 5, "category_id": 2, "segmentation": one} for n, one in enumerate(segmentations, 1)]
    categories = [{"id": 2, "name": "SH-SY5Y"}]
    return {"images": [{"id": 5, "file_name": "a.png"}], "annotations": annotations, "categories": categories} | other


@pytest.fixture
def source(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((6, 8), dtype=np.uint8))

    def write(content):
        (tmp_path / "labels.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path

    return write


def images_of(source, **options):
    found = coco.read(source, ImportOptions(**options))
    return list(found.images), found


def test_polygons_and_run_lengths(source):
    run = {"size": [6, 8], "counts": [36, 3, 9]}
    (a,), found = images_of(source(document(SQUARE, run)))
    assert np.argwhere(a.instances == 1).tolist() == [[r, c] for r in (1, 2) for c in (1, 2, 3)]
    assert np.argwhere(a.instances == 2).tolist() == [[0, 6], [1, 6], [2, 6]]
    assert a.classes == {1: "SH-SY5Y", 2: "SH-SY5Y"}
    assert (found.facts.classes, found.notes) == (("SH-SY5Y",), [])


def test_packed_run_lengths_as_pycocotools_writes_them(source):
    coding = pytest.importorskip("pycocotools.mask")
    mask = np.random.default_rng(0).random((6, 8)) < 0.5
    packed = coding.encode(np.asfortranarray(mask.astype(np.uint8)))
    (a,), _ = images_of(source(document({"size": [6, 8], "counts": packed["counts"].decode()})))
    assert ((a.instances == 1) == mask).all()


def test_notes_count_what_is_odd(source):
    two = [{"id": 5, "file_name": "a.png"}, {"id": 6, "file_name": "images/b.png"}]
    folder = source(document(SQUARE, [[2, 1, 3, 1, 3, 2, 2, 2]], [[50, 50, 60, 50, 60, 60]], SQUARE, images=two))
    (folder / "images").mkdir()
    write_png(folder / "images/b.png", np.zeros((4, 4), dtype=np.uint8))
    (_, b), found = images_of(folder / "labels.json", classes={"SH-SY5Y": "neuron"})
    assert b.name == "b"
    assert found.facts.classes == ("neuron",)
    assert found.notes == [
        "images without a single object: 1",
        "objects outside the image, left out: 1",
        "objects wholly covered by smaller ones, left out: 1",
        "pixels claimed by more than one object (the smaller one keeps them): 6",
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ("[]", "is a JSON object with images"),
        ('{"images": [{"id": NaN}]}', "NaN is no number"),
        ({"images": []}, "annotations, must be a list"),
        ({"images": {}, "annotations": [], "categories": []}, "images, must be a list"),
        ({"images": [3], "annotations": [], "categories": []}, "images, must be a list"),
        (document(images=[]), "at least one image"),
        (document(images=[{"id": 5, "file_name": "../a.png"}]), "stays within its folder"),
        (document(images=[{"id": 5, "file_name": "/etc/passwd"}]), "stays within its folder"),
        (document(images=[{"id": 5, "file_name": "C:\\a.png"}]), "stays within its folder"),
        (document(images=[{"id": 5, "file_name": 7}]), "text as file_name"),
        (document(images=[{"id": 5, "file_name": "nowhere.png"}]), "names 'nowhere.png', which is not"),
        (document(images=[{"id": 5, "file_name": "labels.json"}]), "images are PNG, JPEG, TIFF or Zarr"),
        (document(images=[{"id": [1], "file_name": "a.png"}]), "number as id"),
        (document(images=[{"id": 5, "file_name": "a.png"}] * 2), "has one twice"),
        (document(SQUARE, images=[{"id": 6, "file_name": "a.png"}]), "one of image 5, which is not there"),
        (document(SQUARE, categories=[]), "names its categories"),
        (document(SQUARE, categories=[{"id": 3, "name": "x"}]), "one of category 2, which is not there"),
        (document(SQUARE, categories=[{"id": 2, "name": "\n"}]), "class name"),
        (document([[1, 1, 2, 2]]), "at least 3 corners"),
        (document([[1, 1, 2, 2, 3]]), "polygons or run lengths"),
        (document([]), "polygons or run lengths"),
        (document([["1", "1", "2", "2", "3", "1"]]), "at least 3 corners"),
        (document([[1, 1, 2, 2, 1e300, 3]]), "coordinates are pixels"),
        (document([[1, 1, 2, 2, 10**40, 3]]), "at least 3 corners|coordinates are pixels"),
        ('{"images": [{"id": 5, "file_name": "a.png"}], "categories": [{"id": 2, "name": "x"}], "annotations": [{"image_id": 5, '
         '"category_id": 2, "segmentation": [[1, 1, 2, 2, 1e999, 3]]}]}', "coordinates are pixels"),
        (document({"size": [8, 6], "counts": [48]}), r"run lengths of size \[6, 8\]"),
        (document({"size": [6, 8], "counts": [47]}), "add up to the 48 pixels"),
        (document({"size": [6, 8], "counts": "\u0000"}), "packed counts"),
        (document({"size": [6, 8]}), "run lengths describe an object"),
        (document("text"), "polygons or run lengths"),
    ],
)  # fmt: skip
def test_files_of_another_kind_are_refused(source, content, text):
    with pytest.raises(InputError, match=text):
        images_of(source(content))


def test_two_files_or_none_are_refused(tmp_path, source):
    with pytest.raises(InputError, match="has 0 of them"):
        coco.read(tmp_path, ImportOptions())
    folder = source(document(SQUARE))
    (folder / "other.json").write_text("{}")
    with pytest.raises(InputError, match=r"has 2 of them\. Name the file itself"):
        coco.read(folder, ImportOptions())


def test_missing_images_are_left_out_where_that_is_asked_for(source):
    two = [{"id": 5, "file_name": "a.png"}, {"id": 6, "file_name": "b.png"}]
    images, found = images_of(source(document(SQUARE, images=two)), allow_missing=True)
    assert [image.name for image in images] == ["a"]
    assert "images without labels or labels without image, left out: 1" in found.notes
