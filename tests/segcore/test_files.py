"""Whole or not at all."""

import errno
import json
import os
from pathlib import Path

import pytest

from segcore.errors import InputError, OutputError
from segcore.files import fresh_dir, fresh_file, read_json, require_free, sha256, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def full():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_folder_appears_when_the_block_succeeds(tmp_path):
    with fresh_dir(tmp_path / "a" / "out") as scratch:
        (scratch / "x").write_text("1")
        assert not (tmp_path / "a" / "out").exists()
        assert scratch.parent == tmp_path / "a"
    assert names(tmp_path / "a") == ["out"]
    assert names(tmp_path / "a" / "out") == ["x"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("opened", [fresh_dir, fresh_file])
def test_a_failed_block_leaves_nothing(tmp_path, opened, error):
    def fail():
        with opened(tmp_path / "out.txt") as scratch:
            (scratch / "x" if opened is fresh_dir else scratch).write_text("1")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


def test_a_file_keeps_its_suffix_and_replaces_the_old(tmp_path):
    (tmp_path / "a.tif").write_text("old")
    with fresh_file(tmp_path / "a.tif") as scratch:
        assert scratch.suffix == ".tif"
        scratch.write_text("new")
        assert (tmp_path / "a.tif").read_text() == "old"
    assert (tmp_path / "a.tif").read_text() == "new"
    assert names(tmp_path) == ["a.tif"]


@pytest.mark.parametrize("opened", [fresh_dir, fresh_file])
def test_a_full_disk_is_said_in_one_line(tmp_path, opened):
    with pytest.raises(OutputError, match=r"disk of .* is full; nothing was written"), opened(tmp_path / "out"):
        full()
    assert names(tmp_path) == []


def test_a_full_disk_keeps_the_old(tmp_path):
    write_json(tmp_path / "out" / "x", {"old": 1})
    with pytest.raises(OutputError), fresh_dir(tmp_path / "out", overwrite=True):
        full()
    assert read_json(tmp_path / "out" / "x") == {"old": 1}
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("opened", [fresh_dir, fresh_file])
def test_a_closed_folder_is_said_in_one_line(tmp_path, opened):
    with pytest.raises(OutputError, match=r"out cannot be written \(Permission denied\)"), opened(tmp_path / "out") as scratch:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(scratch / "x"))
    assert names(tmp_path) == []


def test_a_closed_input_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(PermissionError), fresh_dir(tmp_path / "out"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / "input.tif"))
    assert names(tmp_path) == []


def test_a_refusal_inside_the_block_stays_what_it_was(tmp_path):
    with pytest.raises(OutputError, match=r"^mine$"), fresh_dir(tmp_path / "out"):
        raise OutputError("mine")


def test_a_closed_parent_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(OutputError, match="needs a folder that can be written"), fresh_dir(tmp_path / "a" / "out"):
        pytest.fail("entered")


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file cannot\. Choose another -o"):
        require_free(tmp_path / "file" / "a" / "out")


@pytest.mark.parametrize("link", [False, True])
def test_an_existing_output_is_refused(tmp_path, link):
    if link:
        (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="pass --overwrite"):
        require_free(tmp_path / "out")
    require_free(tmp_path / "out", overwrite=True)


@pytest.mark.parametrize("path", [Path(), Path(".."), Path("/")])
def test_a_path_without_a_name_is_refused(path):
    with pytest.raises(OutputError, match="a name of its own"):
        require_free(path, overwrite=True)


@pytest.mark.parametrize("old", ["file", "folder", "link"])
def test_overwrite_replaces(tmp_path, old):
    path = tmp_path / "out"
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "precious").write_text("p")
    {
        "file": lambda: path.write_text("old"),
        "folder": lambda: write_json(path / "old.json", {}),
        "link": lambda: path.symlink_to(tmp_path / "kept"),
    }[old]()
    with fresh_dir(path, overwrite=True) as scratch:
        (scratch / "new").write_text("1")
    assert names(path) == ["new"]
    assert names(tmp_path) == ["kept", "out"]
    assert names(tmp_path / "kept") == ["precious"]


def test_overwrite_keeps_the_old_when_the_last_rename_fails(tmp_path, monkeypatch):
    write_json(tmp_path / "out" / "x", {"old": 1})
    rename = Path.rename

    def fail_for_scratch(self, target):
        if Path(target) == tmp_path / "out" and not self.name.endswith(".old"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_scratch)
    with pytest.raises(OutputError, match="cannot be written"), fresh_dir(tmp_path / "out", overwrite=True):
        pass
    assert read_json(tmp_path / "out" / "x") == {"old": 1}
    assert names(tmp_path) == ["out"]


def test_an_output_that_came_meanwhile_is_not_replaced(tmp_path):
    with pytest.raises(OutputError, match="never replaced silently"), fresh_dir(tmp_path / "out"):
        write_json(tmp_path / "out" / "x", {"theirs": 1})
    assert read_json(tmp_path / "out" / "x") == {"theirs": 1}
    assert names(tmp_path) == ["out"]


def test_overwrite_leaves_what_is_no_earlier_output(tmp_path):
    write_json(tmp_path / "home" / "thesis.json", {"years": 4})
    with pytest.raises(OutputError, match=r"holds run\.json; .* is something else"):
        require_free(tmp_path / "home", overwrite=True, replaces="run.json")
    write_json(tmp_path / "home" / "run.json", {})
    with fresh_dir(tmp_path / "home", overwrite=True, replaces="run.json"):
        pass
    assert names(tmp_path / "home") == []


def test_a_file_does_not_replace_a_folder(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_json(tmp_path / "out", {})
    assert names(tmp_path) == ["out"]


def test_json_round_trip(tmp_path):
    value = {"a": [1, 2.5, None, True], "b": {"ä": "é"}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert "ä" in (tmp_path / "x.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_json(tmp_path, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"a": value})
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "must be JSON"),
        (b"\xff\xfe\x00", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "must be JSON"),
        (b"[1]", "JSON object, got a list"),
    ],
)
def test_garbled_json_is_refused(tmp_path, content, message):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_json(tmp_path / "x.json")


def test_missing_json_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        read_json(tmp_path / "x.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path)
    (tmp_path / "raster.tif").write_text("")
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path / "raster.tif" / "x.json")


def test_sha256_of_a_known_text(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert json.dumps(sha256(tmp_path / "x"))
