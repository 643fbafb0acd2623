"""The lock of a study: one process at a time, and none is left behind."""

import os
import socket
import subprocess
import sys

import pytest

from cellseg.study.lock import LOCK_FILE, locked
from segcore.errors import OutputError


def test_a_folder_is_locked_while_it_is_used_and_not_after(tmp_path):
    with locked(tmp_path / "study"):
        assert (tmp_path / "study" / LOCK_FILE).read_text(encoding="utf-8") == f"{os.getpid()} {socket.gethostname()}"
        (tmp_path / "study/rows.csv").write_text("", encoding="utf-8")
        with (
            pytest.raises(OutputError, match=f"process {os.getpid()} of .* does in .*study. Wait for it, or remove"),
            locked(tmp_path / "study"),
        ):
            pass
        assert (tmp_path / "study" / LOCK_FILE).exists(), "whoever was refused leaves the lock"
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["rows.csv"]


def test_an_error_leaves_neither_a_lock_nor_an_empty_folder(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "study"):
        raise KeyError
    assert not (tmp_path / "study").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there, a lock is removed by hand")
def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / LOCK_FILE).write_text(f"{ended.pid} {socket.gethostname()}", encoding="utf-8")
    with locked(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text(encoding="utf-8").startswith(f"{os.getpid()} ")


@pytest.mark.parametrize(
    "words", ["", "soon", f"{os.getppid()} {socket.gethostname()}", "99999999 another-host", f"{10**30} {socket.gethostname()}"]
)
def test_any_other_lock_holds(tmp_path, words):
    (tmp_path / LOCK_FILE).write_text(words, encoding="utf-8")
    with pytest.raises(OutputError, match="one process at a time"), locked(tmp_path):
        pass
    assert (tmp_path / LOCK_FILE).read_text(encoding="utf-8") == words


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "study").write_text("", encoding="utf-8")
    with (
        pytest.raises(OutputError, match=r"needs a folder that it can write; .*study is none .* Choose another"),
        locked(tmp_path / "study"),
    ):
        pass
