"""What a sweep refuses, and what is left of it where runs fail."""

import json
from dataclasses import replace

import pytest

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.study.learners import learn_baseline
from cellseg.study.plan import Learning, StudyPlan
from cellseg.study.sweep import run_study
from cellseg.study.table import read_table
from segcore.errors import ConfigError, InputError, OutputError, RunError

CLASSIC = StudyPlan(target="epithelial", nets=(), baselines=("threshold", "otsu"), omission=(0.5,), bias=(2,), runs=2)


def test_rows_of_other_settings_are_refused(two_classes, tmp_path):
    plan = replace(CLASSIC, omission=(), bias=(), runs=1)
    out = tmp_path / "study"
    run_study(two_classes, out, plan)
    with pytest.raises(OutputError, match=r"holds a study already\. Go on with it by --resume"):
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
    with pytest.raises(ConfigError, match="other images, labels or splits than this dataset"):
        run_study(other, tmp_path / "study", plan, resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "mine/.runs.csv.swp").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"mine holds other files and no study\.json\. Choose another -o"):
        run_study(two_classes, tmp_path / "mine", plan, resume=True)
    assert (tmp_path / "mine/.runs.csv.swp").exists(), "another program's file stays"


@pytest.mark.parametrize(
    ("change", "words"),
    [({"target": "spindle"}, "which are epithelial, lymphocyte; got 'spindle'"), ({"workers": 0}, "workers is a whole number from 1")],
)
def test_what_does_not_fit_the_dataset_is_refused(two_classes, tmp_path, change, words):
    workers = change.pop("workers", 1)
    with pytest.raises(ConfigError, match=words):
        run_study(two_classes, tmp_path / "study", replace(CLASSIC, **change), workers=workers)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_level_that_leaves_nothing_is_refused_and_all_others_are_made(two_classes, tmp_path, workers):
    words = r"run 0 leaves no 'epithelial' on 2 images.* Take a lower level.* 4 runs failed, first: \S+ omission 0.9 run 0\."
    with pytest.raises(ConfigError, match=words):
        run_study(two_classes, tmp_path / "study", replace(CLASSIC, omission=(0.9,)), workers=workers)
    assert len(read_table(tmp_path / "study/runs.csv")) == 12 - 4
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == ["runs.csv", "study.json"]


def test_levels_that_leave_nothing_end_no_sweep_where_no_run_is_done_yet(two_classes, tmp_path):
    """With as many processes as runs the impossible ones are the first to end."""
    plan = replace(CLASSIC, baselines=("threshold",), omission=(0.9,), bias=(), runs=1)
    told = []
    with pytest.raises(ConfigError, match=r"1 run failed: threshold omission 0\.9 run 0"):
        run_study(two_classes, tmp_path / "study", plan, workers=2, ended=told.extend)
    assert (
        [row.key.words for row in read_table(tmp_path / "study/runs.csv")] == [row.key.words for row in told] == ["threshold clean run 0"]
    )


def test_a_fault_of_the_learner_is_one_line_and_keeps_its_cause(two_classes, tmp_path):
    def faulty(lesson):
        if lesson.net == "otsu":
            raise MemoryError("no room\nleft")
        return learn_baseline(lesson)

    with pytest.raises(RunError, match=r"^MemoryError: no room left\. 6 runs failed, first: otsu clean run 0\.") as caught:
        run_study(two_classes, tmp_path / "study", CLASSIC, learner=faulty)
    assert isinstance(caught.value.__cause__, MemoryError)
    assert len(read_table(tmp_path / "study/runs.csv")) == 6


def test_settings_that_the_first_run_refuses_end_the_sweep_and_bind_nothing(two_classes, tmp_path):
    calls = []

    def picky(lesson):
        calls.append(lesson)
        raise ConfigError("a patch is at most 64 px.")

    with pytest.raises(ConfigError, match=r"at most 64 px\. 1 run failed: threshold clean run 0"):
        run_study(two_classes, tmp_path / "study", CLASSIC, learner=picky)
    assert len(calls) == 1
    assert not (tmp_path / "study").exists()


def test_a_study_without_a_row_may_begin_with_other_settings(two_classes, tmp_path):
    plan, out = replace(CLASSIC, omission=(), bias=(), runs=1), tmp_path / "study"
    run_study(two_classes, out, plan)
    (out / "runs.csv").unlink()
    rows = run_study(two_classes, out, replace(plan, learning=Learning(depth=30)), resume=True)
    assert len(rows) == 2
    assert json.loads((out / "study.json").read_text(encoding="utf-8"))["settings"]["learning"]["depth"] == 30


def test_half_files_of_a_killed_process_are_in_nobodys_way(two_classes, tmp_path):
    plan, out = replace(CLASSIC, omission=(), bias=(), runs=1), tmp_path / "study"
    out.mkdir()
    for name in (".lock", ".study.0a1b2c3d.json", ".runs.0a1b2c3d.csv"):
        (out / name).write_text("{", encoding="utf-8")
    assert len(run_study(two_classes, out, plan, resume=True)) == 2
    assert sorted(path.name for path in out.iterdir()) == ["runs.csv", "study.json"]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_no_network_can_learn_from_is_refused_before_the_first_run(two_classes, tmp_path, workers):
    plan = replace(CLASSIC, nets=("unet",), learning=Learning(patch=65, width=2))
    with pytest.raises(ConfigError, match=r"a patch fits into every image; a has 64 x 80 px, got 65\. Use --patch 64\.$"):
        run_study(two_classes, tmp_path / "study", plan, workers=workers)
    assert not (tmp_path / "study").exists()


def test_a_second_process_is_refused(two_classes, tmp_path):
    plan, out = replace(CLASSIC, omission=(), bias=(), runs=1), tmp_path / "study"

    def second(lesson):
        with pytest.raises(OutputError, match="one process at a time fills the folder of a study"):
            run_study(two_classes, out, plan, resume=True)
        return learn_baseline(lesson)

    assert len(run_study(two_classes, out, plan, learner=second)) == 2
    assert sorted(path.name for path in out.iterdir()) == ["runs.csv", "study.json"]


def test_the_device_and_the_version_are_settings(two_classes, tmp_path, monkeypatch):
    plan, out = replace(CLASSIC, omission=(), bias=(), runs=1), tmp_path / "study"
    run_study(two_classes, out, plan)
    settings = json.loads((out / "study.json").read_text(encoding="utf-8"))["settings"]
    assert settings["learning"]["device"] in ("cpu", "cuda")
    other = {"cpu": "cuda", "cuda": "cpu"}[settings["learning"]["device"]]
    monkeypatch.setattr("segcore.device.choose_device", lambda name: other)
    with pytest.raises(ConfigError, match=f"other ones: device .* there, '{other}' now"):
        run_study(two_classes, out, plan, resume=True)
    monkeypatch.undo()
    monkeypatch.setattr("segcore.provenance._version", lambda: "99")
    with pytest.raises(ConfigError, match=r"other ones: version .* there, '99' now"):
        run_study(two_classes, out, plan, resume=True)


def test_datasets_that_no_study_can_use(two_classes, volumes, tmp_path):
    with pytest.raises(ConfigError, match=r"holds volumes\. Make slices"):
        run_study(volumes, tmp_path / "study", replace(CLASSIC, target="cell"))
    with pytest.raises(ConfigError, match=r"tests on others still, so it needs at least three; .* has 1"):
        run_study(two_classes[:1], tmp_path / "study", CLASSIC)
    blank = [image.with_labels(image.instances * (image.name not in "cd"), image.classes) for image in two_classes]
    facts = DatasetFacts(name="blank", classes=two_classes.classes)
    folder = write_dataset(tmp_path / "blank", blank, facts=facts, splits=two_classes.splits)
    with pytest.raises(ConfigError, match="none of the 2 to test on has 'epithelial'"):
        run_study(folder, tmp_path / "study", CLASSIC)
    one = replace(open_dataset(folder), facts=replace(facts, classes=("epithelial",)))
    with pytest.raises(ConfigError, match="Leave inclusion out"):
        run_study(one, tmp_path / "study", replace(CLASSIC, inclusion=(0.5,)))
