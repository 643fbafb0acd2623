"""The lock of a study: one process at a time, and none is left behind."""

import signal
import subprocess
import sys

import pytest

from cellseg.study.lock import LOCK_FILE, locked
from segcore.errors import OutputError


def test_a_folder_is_locked_while_it_is_used_and_not_after(tmp_path):
    with locked(tmp_path / "study"):
        (tmp_path / "study/rows.csv").write_text("", encoding="utf-8")
        with pytest.raises(OutputError, match=r"another one does in .*study\. Wait for it\."), locked(tmp_path / "study"):
            pass
        with pytest.raises(OutputError, match="one process at a time"), locked(tmp_path / "study"):
            pass
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["rows.csv"]
    with locked(tmp_path / "study"):
        pass


def test_an_error_leaves_neither_a_lock_nor_an_empty_folder(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "study"):
        raise KeyError
    assert not (tmp_path / "study").exists()


HOLD = """
import sys
from pathlib import Path
from cellseg.study.lock import locked
with locked(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(OutputError, match="one process at a time"), locked(tmp_path):
            pass
        other.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        other.wait()
    with locked(tmp_path):
        pass


def test_a_lock_file_that_nobody_holds_means_nothing(tmp_path):
    (tmp_path / LOCK_FILE).write_text("99999999 another-host", encoding="utf-8")
    with locked(tmp_path):
        (tmp_path / "rows.csv").write_text("", encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "study").write_text("", encoding="utf-8")
    with (
        pytest.raises(OutputError, match=r"needs a folder that it can write; .*study is none .* Choose another"),
        locked(tmp_path / "study"),
    ):
        pass
