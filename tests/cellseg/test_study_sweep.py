"""The sweep: each run once, in a table that is the same however it came to be."""

import signal
import subprocess
import sys
from dataclasses import replace
from math import isnan

import pytest

from cellseg.dataset import write_dataset
from cellseg.study.learners import Learnt, learn_baseline
from cellseg.study.plan import StudyPlan
from cellseg.study.sweep import run_study
from cellseg.study.table import cells_of, read_table
from cellseg.training.held import learnable
from segcore.errors import RunError

PLAN = StudyPlan(target="epithelial", nets=("unet", "msd"), baselines=("threshold",), omission=(0.5,), inclusion=(1.0,), bias=(2,), runs=2)
CLASSIC = replace(PLAN, nets=(), baselines=("threshold", "otsu"), inclusion=())


class Fake:
    """A network that is all background, then a threshold; counts its calls."""

    def __init__(self, stop_at=None):
        self.lessons, self.stop_at = [], stop_at

    def __call__(self, lesson):
        if len(self.lessons) == self.stop_at:
            raise RunError("stopped")
        self.lessons.append(lesson)
        if lesson.net == "msd":
            return Learnt(predict=lambda pixels: pixels[0] > 300, restarts=3, epoch=7, parameters=99)
        return learn_baseline(replace(lesson, net="threshold"))


class Heard:
    def __init__(self):
        self.lines, self.steps = [], []

    def say(self, line):
        self.lines.append(line)

    def step(self, task, done, total):
        self.steps.append((task, done, total))


def timeless(rows):
    return [replace(row, seconds=0.0, precision=0.0, reached=0.0) for row in rows]


def cells(rows):
    return {tuple(cells_of(row)) for row in rows}


def test_a_study_has_all_its_rows_in_order(two_classes, tmp_path):
    fake, heard = Fake(), Heard()
    rows = run_study(two_classes, tmp_path / "study", PLAN, learner=fake, progress=heard)
    assert [row.key for row in rows] == list(PLAN.keys())
    assert len(fake.lessons) == 3 * 4 * 2
    assert timeless(read_table(tmp_path / "study/runs.csv")) == timeless(rows)
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == ["runs.csv", "study.json"]
    assert heard.lines[0] == "24 runs, 0 of them done; 2 images to learn from, 2 to test"
    assert heard.lines[1].startswith("unet clean run 0: Dice 0.")
    assert heard.steps[-1] == ("runs", 24, 24)
    blind = [row for row in rows if row.net == "msd"]
    assert {(row.dice, row.restarts, row.epoch, row.parameters, row.depth) for row in blind} == {(0.0, 3, 7, 99, 100)}
    assert all(row.dice > 0.5 for row in rows if row.net == "threshold" and row.perturbation == "clean")
    assert {(row.data, row.target) for row in rows} == {("two", "epithelial")}
    assert {(row.net, row.width, row.epochs) for row in rows} == {("unet", 32, 20), ("msd", 0, 20), ("threshold", 0, 0)}


def test_methods_learn_from_the_same_worse_labels_and_are_judged_on_clean_ones(two_classes, tmp_path):
    seen = {}

    def look(lesson):
        assert lesson.data.names == lesson.labels.names == ("a", "b")
        assert lesson.folder.is_dir()
        words = lesson.labels.path.parent.name.split("-", 1)[1] if lesson.labels.path != two_classes.path else "clean"
        labels = [sorted(image.ids_of("epithelial").tolist()) for image in lesson.labels]
        assert seen.setdefault(words, labels) == labels
        return Learnt(predict=lambda pixels: pixels[0] >= 0)

    rows = run_study(two_classes, tmp_path / "study", PLAN, learner=look)
    assert seen["clean"] == [[1, 2, 3], [1, 2, 3]]
    assert {len(ids) for words, own in seen.items() if words.startswith("omission") for ids in own} == {1}
    assert {len(ids) for words, own in seen.items() if words.startswith("inclusion") for ids in own} == {5}
    assert len({row.dice for row in rows}) == 1, "the test labels are those of the dataset in all rows"
    assert rows[0].recall == 1


def test_runs_hold_back_the_same_images_and_levels_differ_in_labels_alone(two_classes, tmp_path):
    lessons = {}

    def look(lesson):
        lessons[lesson.folder.name] = lesson
        return Learnt(predict=lambda pixels: pixels[0] >= 0)

    run_study(two_classes, tmp_path / "study", PLAN, learner=look)
    assert lessons["unet-clean-run-0"].seed == lessons["unet-omission-0.5-run-0"].seed == lessons["unet-bias-2-run-0"].seed
    assert len({lesson.seed for lesson in lessons.values()}) == 3 * 2
    splits = {name: lesson.split_seed for name, lesson in lessons.items()}
    assert len({seed for name, seed in splits.items() if name.endswith("0")}) == 1
    assert len(set(splits.values())) == 2


def test_rows_say_the_share_of_cells_that_was_reached(two_classes, tmp_path):
    plan = replace(CLASSIC, baselines=("threshold",), omission=(0.1, 0.5), inclusion=(0.5,), runs=1)
    run_study(two_classes, tmp_path / "study", plan)
    found = {(row.perturbation, row.level): row.reached for row in read_table(tmp_path / "study/runs.csv")}
    assert [found["omission", level] for level in (0.1, 0.5)] == pytest.approx([0, 2 / 3], abs=1e-6), "of three cells on each image"
    assert found["inclusion", 0.5] == 0.5, "one of two"
    assert isnan(found["clean", 0.0])
    assert isnan(found["bias", 2.0])


def test_going_on_repeats_nothing_and_ends_in_the_same_table(two_classes, tmp_path):
    whole = run_study(two_classes, tmp_path / "whole", PLAN, learner=Fake())
    with pytest.raises(RunError, match=r"stopped 19 runs failed, first: threshold omission 0.5 run 0\. .*--resume"):
        run_study(two_classes, tmp_path / "part", PLAN, learner=Fake(stop_at=5))
    assert len(read_table(tmp_path / "part/runs.csv")) == 5
    rest = Fake()
    rows = run_study(two_classes, tmp_path / "part", PLAN, resume=True, learner=rest)
    assert len(rest.lessons) == 24 - 5
    assert timeless(rows) == timeless(whole)
    assert timeless(run_study(two_classes, tmp_path / "part", PLAN, resume=True, learner=Fake(stop_at=0))) == timeless(rows)


def test_more_runs_and_levels_may_be_added(two_classes, tmp_path):
    few, more = replace(CLASSIC, runs=1), replace(CLASSIC, omission=(0.5, 0.2))
    first = run_study(two_classes, tmp_path / "study", few)
    rows = run_study(two_classes, tmp_path / "study", more, resume=True)
    assert [row.key for row in rows] == list(more.keys())
    assert cells(first) <= cells(rows)
    assert len(run_study(two_classes, tmp_path / "study", few, resume=True)) == len(first)
    assert len(read_table(tmp_path / "study/runs.csv")) == len(rows)


def test_two_processes_make_the_table_of_one(two_classes, tmp_path):
    one = run_study(two_classes, tmp_path / "one", CLASSIC)
    assert timeless(run_study(two_classes, tmp_path / "two", CLASSIC, workers=2)) == timeless(one)


KILLER = """
import os, signal, sys
from dataclasses import replace
from cellseg.study.learners import learn_baseline
from cellseg.study.plan import StudyPlan
from cellseg.study.sweep import run_study

def learn(lesson):
    if lesson.net == "otsu" and "omission" in lesson.folder.name and lesson.folder.name.endswith("1"):
        os.kill(os.getppid() if sys.argv[3] == "2" else os.getpid(), signal.SIGKILL)
    return learn_baseline(lesson)

if __name__ == "__main__":
    plan = StudyPlan(target="epithelial", nets=(), baselines=("threshold", "otsu"), omission=(0.5,), bias=(2,), runs=2)
    run_study(sys.argv[1], sys.argv[2], plan, workers=int(sys.argv[3]), learner=learn)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_started_again_it_ends_in_the_same_table(two_classes, tmp_path, workers):
    (tmp_path / "killer.py").write_text(KILLER, encoding="utf-8")
    words = [sys.executable, tmp_path / "killer.py", two_classes.path, tmp_path / "killed", workers]
    assert subprocess.run(list(map(str, words)), check=False, capture_output=True).returncode == -signal.SIGKILL
    done = read_table(tmp_path / "killed/runs.csv")
    assert 0 < len(done) < 12
    rows = run_study(two_classes, tmp_path / "killed", CLASSIC, resume=True)
    assert timeless(rows) == timeless(run_study(two_classes, tmp_path / "whole", CLASSIC))
    assert cells(done) <= cells(rows)
    assert not {path.name for path in (tmp_path / "killed").iterdir()} & {".work", ".lock"}


def test_no_run_begins_that_does_not_fit_into_the_time(two_classes, tmp_path):
    slow = [replace(row, seconds=50.0 if row.net == "otsu" else 0.0) for row in run_study(two_classes, tmp_path / "all", CLASSIC)][:2]
    from cellseg.study.table import write_table

    run_study(two_classes, tmp_path / "study", replace(CLASSIC, runs=1, omission=(), bias=()))
    write_table(tmp_path / "study/runs.csv", slow, list(CLASSIC.keys()))
    rows = run_study(two_classes, tmp_path / "study", CLASSIC, resume=True, seconds=40)
    assert [row.net for row in rows].count("otsu") == 1
    assert [row.net for row in rows].count("threshold") == 6


def test_without_splits_some_images_are_held_back(two_classes, tmp_path):
    plain = write_dataset(tmp_path / "plain", list(two_classes), facts=two_classes.facts)
    heard = Heard()
    run_study(plain, tmp_path / "study", replace(CLASSIC, runs=1), progress=heard)
    assert heard.lines[0].endswith("3 images to learn from, 1 to test")
    assert "left out" not in heard.lines[1]


def test_images_for_validation_reach_the_learner_and_others_are_named(two_classes, tmp_path):
    images = [replace(two_classes["a"], name=name) for name in "abcd"]
    splits = dict(zip("abcd", (("train", ""), ("validation", ""), ("test", ""), ("spare", "")), strict=True))
    data, heard = write_dataset(tmp_path / "set", images, facts=two_classes.facts, splits=splits), Heard()

    def look(lesson):
        found = learnable(lesson.data)
        assert (found.names, found.validation, lesson.labels.names) == (("a",), ("b",), ("a", "b"))
        return Learnt(predict=lambda pixels: pixels[0] >= 0)

    run_study(data, tmp_path / "study", replace(CLASSIC, runs=1), learner=look, progress=heard)
    assert heard.lines[:2] == [
        "6 runs, 0 of them done; 2 images to learn from, 1 to test",
        "1 images of other splits than train, validation and test are left out",
    ]
