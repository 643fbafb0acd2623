"""cellseg study: words to calls, what it writes and says, and one line where it cannot be."""

import numpy as np
import pytest
from click.testing import CliRunner

from cellseg.dataset import write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import CellImage
from cellseg.study.plan import Learning, StudyPlan
from segcli.cells.study import processes
from segcli.lazy import LazyGroup

GROUP = LazyGroup("cellseg", table={"study": ("segcli.cells.study", "")}, help="")


def call(*arguments):
    return CliRunner().invoke(GROUP, ["study", *map(str, arguments)], prog_name="cellseg")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Six images of 48 x 48 px with four bright round cells and two dim lobed ones; the last two are for testing."""
    images, splits = [], {}
    for number in range(6):
        labels = np.zeros((48, 48), np.int32)
        for own in range(6):
            row, col = divmod(own, 3)
            labels[6 + 22 * row : 18 + 22 * row, 3 + 15 * col : 13 + 15 * col] = own + 1
        pixels = np.where(labels > 4, 90, np.where(labels > 0, 200, 20)) + np.random.default_rng(number).integers(0, 20, (48, 48))
        classes = {own: "round" if own <= 4 else "lobed" for own in range(1, 7)}
        images.append(CellImage(name=f"i{number}", pixels=pixels.astype(np.uint8)[None], instances=labels, classes=classes))
        splits[f"i{number}"] = ("train" if number < 4 else "test", "")
    facts = DatasetFacts(name="squares", axes="YX", classes=("round", "lobed"))
    return write_dataset(tmp_path_factory.mktemp("study") / "set", images, facts=facts, splits=splits)


def test_a_small_study_from_start_to_report(source, tmp_path):
    out = tmp_path / "out"
    words = ("--target", "round", "--nets", "msd", "--depth", 3, "--epochs", 2, "--patch", 32, "--workers", 1, "--seed", 2)
    done = call(source, "-o", out, *words, "--bias", 2, "--runs", 1)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [str(out / name) for name in ("report.html", "report.md", "bias.png", "runs.csv")]
    assert done.stderr.startswith("10 runs, 0 of them done; 4 images to learn from, 2 to test\n")
    lines = (out / "runs.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 10
    assert lines[1].startswith("squares,round,msd,3,0,2,32,0,clean,0,0,")
    assert sorted(path.name for path in out.iterdir()) == ["bias.png", "report.html", "report.md", "runs.csv", "study.json"]
    more = call(source, "-o", out, *words, "--bias", 2, "--inclusion", "0.5,1", "--runs", 1, "--nets", "msd", "--resume", "-q")
    assert (more.exit_code, more.stderr) == (0, "")
    assert (out / "inclusion.png").exists()
    again = (out / "runs.csv").read_text(encoding="utf-8").splitlines()
    assert len(again) == 1 + 20
    assert set(lines) <= set(again)
    assert "holds a study already. Go on with it by --resume" in call(source, "-o", out, *words).stderr
    other = call(source, "-o", out, *words, "--epochs", 3, "--resume")
    assert other.exit_code == 2
    assert other.stderr.splitlines()[-1].endswith("other ones: epochs 2 there, 3 now. Begin in another folder.")


def test_words_become_a_plan(source, tmp_path, monkeypatch):
    seen = {}

    def look(data, out, plan, **words):
        seen.update(plan=plan, **words)
        return []

    monkeypatch.setattr("cellseg.study.sweep.run_study", look)
    monkeypatch.setattr("cellseg.study.page.write_report", lambda out, rows, plan: (out / "report.html",))
    words = (
        "--omission",
        "0.1,0.3",
        "--inclusion",
        "0.5",
        "--bias",
        "2,4,6",
        "--nets",
        "msd,unet",
        "--runs",
        3,
        "--seed",
        5,
        "--workers",
        2,
        "--device",
        "cpu",
    )
    done = call(source, "-o", tmp_path / "out", "--target", "round", *words, "--epochs", 7, "--patch", 64, "--depth", 30, "--resume")
    assert done.exit_code == 0, done.output
    learning = Learning(epochs=7, patch=64, depth=30, device="cpu")
    levels = {"omission": (0.1, 0.3), "inclusion": (0.5,), "bias": (2, 4, 6)}
    assert seen["plan"] == StudyPlan(target="round", nets=("msd", "unet"), runs=3, seed=5, learning=learning, **levels)
    assert (seen["workers"], seen["resume"]) == (2, True)


def test_processes_are_those_the_machine_has_room_for(monkeypatch):
    monkeypatch.setattr("segcore.device.choose_device", lambda name: "cuda" if name == "auto" else name)
    assert processes("auto") == 1
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert processes("cpu") == 3
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert processes("cpu") == 1


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--target", "spindle"), "the target is a class of the dataset, which are round, lobed; got 'spindle'"),
        (("--target", "round", "--omission", "a lot"), "got 'a lot'; write them like 0.1,0.3."),
        (("--target", "round", "--bias", "2.5"), "got '2.5'; write them like 2,4,6."),
        (("--target", "round", "--omission", "30"), "levels of omission are rates above 0 to 1, each once; got 30"),
        (("--target", "round", "--nets", "vnet"), "choose among unet, segnet, msd"),
        ((), "Missing option '--target'"),
    ],
)
def test_what_makes_no_sense_is_one_line(source, tmp_path, more, text):
    done = call(source, "-o", tmp_path / "out", *more)
    assert done.exit_code == 2
    assert text in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_where_a_level_fails_the_report_is_of_the_others(source, tmp_path):
    out = tmp_path / "out"
    done = call(
        source,
        "-o",
        out,
        "--target",
        "round",
        "--nets",
        "msd",
        "--depth",
        2,
        "--epochs",
        1,
        "--patch",
        32,
        "--workers",
        1,
        "--runs",
        1,
        "--omission",
        "0.99",
    )
    assert done.exit_code == 2
    assert "leaves no 'round'" in done.stderr.splitlines()[-1]
    assert "5 of 10 runs are done" in (out / "report.md").read_text(encoding="utf-8")


def test_a_patch_larger_than_the_images_is_refused(source, tmp_path):
    done = call(source, "-o", tmp_path / "out", "--target", "round", "--patch", 64, "--nets", "unet", "--workers", 1)
    assert done.exit_code == 2
    assert "patch" in done.stderr.splitlines()[-1]
