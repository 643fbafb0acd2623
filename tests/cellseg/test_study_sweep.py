"""The sweep: each run once, in a table that is the same however it came to be."""

import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.study.learners import Learnt, learn_baseline
from cellseg.study.plan import Learning, StudyPlan
from cellseg.study.sweep import run_study
from cellseg.study.table import read_table
from segcore.errors import ConfigError, InputError, OutputError, RunError

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
    return [replace(row, seconds=0.0, precision=0.0) for row in rows]


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


def test_going_on_repeats_nothing_and_ends_in_the_same_table(two_classes, tmp_path):
    whole = run_study(two_classes, tmp_path / "whole", PLAN, learner=Fake())
    with pytest.raises(RunError, match="stopped"):
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
    assert {row for row in first if row.perturbation != "clean"} <= set(rows)
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
    assert set(done) <= set(rows) or workers == 1
    assert not (tmp_path / "killed/.work").exists()


def test_no_run_begins_that_does_not_fit_into_the_time(two_classes, tmp_path):
    slow = [replace(row, seconds=50.0 if row.net == "otsu" else 0.0) for row in run_study(two_classes, tmp_path / "all", CLASSIC)][:2]
    from cellseg.study.table import write_table

    run_study(two_classes, tmp_path / "study", replace(CLASSIC, runs=1, omission=(), bias=()))
    write_table(tmp_path / "study/runs.csv", slow, list(CLASSIC.keys()))
    rows = run_study(two_classes, tmp_path / "study", CLASSIC, resume=True, seconds=40)
    assert [row.net for row in rows].count("otsu") == 1
    assert [row.net for row in rows].count("threshold") == 6


def test_rows_of_other_settings_are_refused(two_classes, tmp_path):
    plan = replace(CLASSIC, omission=(), bias=(), runs=1)
    out = tmp_path / "study"
    run_study(two_classes, out, plan)
    with pytest.raises(OutputError, match="exists"):
        run_study(two_classes, out, plan)
    with pytest.raises(ConfigError, match=r"other ones: depth 100 there, 30 now\. Begin in another folder"):
        run_study(two_classes, out, replace(plan, learning=Learning(depth=30)), resume=True)
    with pytest.raises(ConfigError, match="other ones: target 'epithelial' there, 'lymphocyte' now"):
        run_study(two_classes, out, replace(plan, target="lymphocyte"), resume=True)
    table = out / "runs.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(read_table(table)[0].settings, "0" * 12), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"has one of '0{12}' \(threshold clean run 0\). Remove such rows"):
        run_study(two_classes, out, plan, resume=True)


def test_another_dataset_is_another_study(two_classes, tmp_path):
    plan = replace(CLASSIC, omission=(), bias=(), runs=1)
    run_study(two_classes, tmp_path / "study", plan)
    images = [two_classes[0].with_labels(two_classes[1].instances * 0), *list(two_classes)[1:]]
    other = write_dataset(tmp_path / "other", images, facts=two_classes.facts, splits=two_classes.splits)
    with pytest.raises(ConfigError, match="other ones: data "):
        run_study(other, tmp_path / "study", plan, resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"study.json is needed"):
        run_study(two_classes, tmp_path / "mine", plan, resume=True)


def test_without_splits_some_images_are_held_back(two_classes, tmp_path):
    plain = write_dataset(tmp_path / "plain", list(two_classes), facts=two_classes.facts)
    heard = Heard()
    run_study(plain, tmp_path / "study", replace(CLASSIC, runs=1), progress=heard)
    assert heard.lines[0].endswith("3 images to learn from, 1 to test")


@pytest.mark.parametrize(
    ("change", "words"),
    [({"target": "spindle"}, "which are epithelial, lymphocyte; got 'spindle'"), ({"workers": 0}, "workers is a whole number from 1")],
)
def test_what_does_not_fit_the_dataset_is_refused(two_classes, tmp_path, change, words):
    workers = change.pop("workers", 1)
    with pytest.raises(ConfigError, match=words):
        run_study(two_classes, tmp_path / "study", replace(CLASSIC, **change), workers=workers)
    assert not (tmp_path / "study").exists()


def test_a_level_that_leaves_nothing_is_refused_and_what_was_done_is_kept(two_classes, tmp_path):
    with pytest.raises(ConfigError, match=r"threshold omission 0.9 run 0 leaves no 'epithelial' on 2 images.* Take a lower level"):
        run_study(two_classes, tmp_path / "study", replace(CLASSIC, omission=(0.9,)))
    assert len(read_table(tmp_path / "study/runs.csv")) == 2


def test_datasets_that_no_study_can_use(two_classes, volumes, tmp_path):
    with pytest.raises(ConfigError, match=r"holds volumes\. Make slices"):
        run_study(volumes, tmp_path / "study", replace(CLASSIC, target="cell"))
    with pytest.raises(ConfigError, match=r"tests on others still; .* has 1"):
        run_study(two_classes[:1], tmp_path / "study", CLASSIC)
    blank = [image.with_labels(image.instances * (image.name not in "cd"), image.classes) for image in two_classes]
    facts = DatasetFacts(name="blank", classes=two_classes.classes)
    folder = write_dataset(tmp_path / "blank", blank, facts=facts, splits=two_classes.splits)
    with pytest.raises(ConfigError, match="none of the 2 to test on has 'epithelial'"):
        run_study(folder, tmp_path / "study", CLASSIC)
    one = replace(open_dataset(folder), facts=replace(facts, classes=("epithelial",)))
    with pytest.raises(ConfigError, match="Leave inclusion out"):
        run_study(one, tmp_path / "study", replace(CLASSIC, inclusion=(0.5,)))
