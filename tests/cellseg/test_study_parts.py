"""Which images are learnt from and which test; and which dataset it is."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.simulate import simulate_dataset
from cellseg.study.parts import fingerprint, parts
from cellseg.study.plan import StudyPlan
from segcore.errors import ConfigError

PLAN = StudyPlan(target="epithelial", nets=(), runs=1)


def test_the_splits_of_the_dataset_are_kept(two_classes):
    assert parts(two_classes, PLAN) == (("a", "b"), ("c", "d"))


def test_images_for_validation_are_learnt_from_and_other_splits_are_not(two_classes, tmp_path):
    images = [replace(two_classes["a"], name=name) for name in "abcde"]
    splits = dict(zip("abcde", (("val", ""), ("train", ""), ("test", ""), ("spare", ""), ("validation", "")), strict=True))
    data = open_dataset(write_dataset(tmp_path / "set", images, facts=two_classes.facts, splits=splits))
    assert parts(data, PLAN) == (("a", "b", "e"), ("c",))


def test_drawn_parts_depend_on_the_seed_alone(two_classes, tmp_path):
    images = [replace(two_classes["a"], name=f"i{number}") for number in range(12)]
    data = open_dataset(write_dataset(tmp_path / "set", images, facts=two_classes.facts))
    train, test = parts(data, PLAN)
    assert sorted(train + test) == sorted(data.names)
    assert len(test) == 4
    assert parts(data, replace(PLAN, runs=7)) == (train, test)
    assert {parts(data, replace(PLAN, seed=seed))[1] for seed in range(5)} != {test}


def test_a_class_that_no_image_has_is_no_target(two_classes, tmp_path):
    facts = DatasetFacts(name="three", classes=(*two_classes.classes, "spindle"))
    data = open_dataset(write_dataset(tmp_path / "set", list(two_classes), facts=facts, splits=two_classes.splits))
    with pytest.raises(ConfigError, match=r"none of the 2 to learn from has 'spindle'\. Label more"):
        parts(data, replace(PLAN, target="spindle"))
    with pytest.raises(ConfigError, match="got 'vessel'"):
        parts(data, replace(PLAN, target="vessel"))


def test_inclusion_needs_other_cells_where_it_is_learnt(two_classes, tmp_path):
    alone = [two_classes[name].with_labels(two_classes[name].mask("epithelial").astype(np.int32), {1: "epithelial"}) for name in "ab"]
    images = [*alone, two_classes["c"], two_classes["d"]]
    data = open_dataset(write_dataset(tmp_path / "set", images, facts=two_classes.facts, splits=two_classes.splits))
    assert parts(data, PLAN) == (("a", "b"), ("c", "d"))
    with pytest.raises(ConfigError, match=r"the 2 images to learn from have 'epithelial' only\. Leave inclusion out"):
        parts(data, replace(PLAN, inclusion=(0.7,)))


def test_a_copy_is_the_same_dataset_and_any_change_makes_another(two_classes, tmp_path):
    shutil.copytree(two_classes.path, tmp_path / "copy")
    assert fingerprint(open_dataset(tmp_path / "copy")) == fingerprint(two_classes)
    splits = tmp_path / "copy/splits.csv"
    splits.write_text(splits.read_text(encoding="utf-8").replace("c,test", "c,train"), encoding="utf-8")
    pixels = two_classes["a"].pixels.copy()
    pixels[0, 0, 0] += np.uint8(1)
    changed = [replace(two_classes["a"], pixels=pixels), *list(two_classes)[1:]]
    other = write_dataset(tmp_path / "other", changed, facts=two_classes.facts, splits=two_classes.splits)
    digests = {fingerprint(open_dataset(path)) for path in (tmp_path / "copy", other, two_classes.path)}
    assert len(digests) == 3


def test_the_format_of_the_files_changes_nothing(tmp_path):
    same = [simulate_dataset(tmp_path / kind, "hl60", 1, slices=2, shape=(48, 100, 100), format=kind) for kind in ("tiff", "zarr")]
    other = simulate_dataset(tmp_path / "other", "hl60", 1, slices=2, shape=(48, 100, 100), seed=1)
    one, two, three = (fingerprint(open_dataset(path)) for path in (*same, other))
    assert one == two != three
