import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

from cellseg.dataset import open_dataset, write_dataset
from cellseg.evaluate_files import judge
from cellseg.facts import DatasetFacts
from cellseg.image import CellImage
from segcore.errors import ConfigError, InputError, OutputError
from segcore.files import write_json


@pytest.fixture
def worse(two_classes, tmp_path):
    """The dataset without the objects 1 and 5 of each image, as a folder of predictions."""
    images = (image.with_labels(np.where(np.isin(image.instances, (1, 5)), 0, image.instances)) for image in two_classes)
    return write_dataset(tmp_path / "out", images, facts=two_classes.facts)


def test_figures_and_pictures_of_two_folders(two_classes, worse, tmp_path):
    outputs = [tmp_path / f"t.{kind}" for kind in ("json", "csv", "md", "png")]
    table = judge(worse, two_classes.path, outputs=outputs, picture=tmp_path / "seen")
    assert table.targets == (None, "epithelial", "lymphocyte")
    assert (table.pooled().at(0.5).recall, table.pooled("lymphocyte").at(0.5).recall) == (12 / 20, 1 / 2)
    assert json.loads(outputs[0].read_text(encoding="utf-8"))["pooled"]["epithelial"]["object_recall"] == 8 / 12
    with outputs[1].open(newline="") as stream:
        assert [row["image"] for row in csv.DictReader(stream)] == ["", "", "", *(name for name in "abcd" for _ in range(3))]
    assert outputs[3].read_bytes()[:4] == b"\x89PNG"
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == ["a.png", "b.png", "c.png", "d.png", "evaluate.json"]


def test_one_class_of_predictions_without_classes(two_classes, tmp_path):
    images = [CellImage(name=image.name, pixels=image.pixels, instances=image.instances) for image in two_classes]
    blind = write_dataset(tmp_path / "out", images, facts=DatasetFacts(pixel_size_um=(0.5, 0.5)))
    assert judge(blind, two_classes.path, target="lymphocyte", picture=tmp_path / "seen").pooled().at(0.5).precision == 2 / 5


def test_volumes_are_judged_as_volumes(volumes, tmp_path):
    table = judge(volumes.path, volumes.path, picture=tmp_path / "seen")
    assert (table.pooled().expected, table.pooled().dice) == (8, 1)
    assert (tmp_path / "seen/v0.png").is_file()


def test_the_same_run_makes_the_same_bytes(two_classes, worse, tmp_path):
    for name in "12":
        judge(worse, two_classes.path, outputs=[tmp_path / f"{name}.csv", tmp_path / f"{name}.md"], picture=tmp_path / name)
    for end in (".csv", ".md", "/a.png", "/evaluate.json"):
        assert (tmp_path / f"1{end}").read_bytes() == (tmp_path / f"2{end}").read_bytes()


def test_notes_of_the_predictions_are_said_again(two_classes, worse):
    told = []
    heard = SimpleNamespace(say=told.append, step=lambda *_: None)
    judge(worse, two_classes.path, progress=heard)
    assert told == []
    write_json(worse / "model.json", {"notes": ["4 of 4 images are learnt from", "moves\x1b[2J", 5]})
    judge(worse, two_classes.path, progress=heard)
    assert told == ["of out: 4 of 4 images are learnt from"]


def test_another_suffix_is_refused(worse, tmp_path):
    with pytest.raises(ConfigError, match=r"figures are written as .json, .csv, .md, .png; got 't.xlsx'. Choose another -o.$"):
        judge(worse, worse, outputs=[tmp_path / "t.xlsx"])


def test_what_exists_is_kept(worse, tmp_path):
    (tmp_path / "t.csv").write_text("mine")
    with pytest.raises(OutputError, match="never replaced silently"):
        judge(worse, worse, outputs=[tmp_path / "t.csv"])
    judge(worse, worse, outputs=[tmp_path / "t.csv"], overwrite=True)
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").startswith("class,image,dice")


def test_pictures_never_replace_another_folder(worse, tmp_path):
    with pytest.raises(OutputError, match=r"which holds evaluate.json"):
        judge(worse, worse, picture=worse, overwrite=True)
    assert open_dataset(worse).names == ("a", "b", "c", "d")
    judge(worse, worse, picture=tmp_path / "seen")
    judge(worse, worse, picture=tmp_path / "seen", overwrite=True)


def test_nothing_is_written_where_names_do_not_pair(two_classes, volumes, tmp_path):
    with pytest.raises(InputError, match=r"not found: a, b, c, d; not expected: v0, v1"):
        judge(volumes.path, two_classes.path, outputs=[tmp_path / "t.csv"], picture=tmp_path / "seen")
    assert list(tmp_path.iterdir()) == []
