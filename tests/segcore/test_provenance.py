"""The record of an artefact."""

import json
import shutil
import subprocess
from datetime import UTC, datetime

import pytest

from segcore import provenance
from segcore.provenance import collect


def test_a_record_is_json_and_names_its_time_in_utc():
    before = datetime.now(UTC).replace(microsecond=0)
    record = collect({"seed": 3}, {"raster": "abc"})
    assert json.loads(json.dumps(record)) == record
    assert before <= datetime.fromisoformat(record["made"]) <= datetime.now(UTC)
    assert record["made"].endswith("+00:00")
    assert (record["config"], record["inputs"]) == ({"seed": 3}, {"raster": "abc"})
    assert list(record) == ["version", "commit", "made", "config", "inputs"]


def test_the_record_is_a_copy():
    config = {"seed": 3}
    record = collect(config, {})
    config["seed"] = 4
    assert record["config"] == {"seed": 3}


def tree(tmp_path, monkeypatch):
    (tmp_path / "segcore").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "segcore" / "provenance.py"))
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


def git(folder, *words):
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the oracle here")
def test_the_commit_is_that_of_the_tree_it_runs_from(tmp_path, monkeypatch):
    tree(tmp_path, monkeypatch)
    git(tmp_path, "init", "-q")
    assert collect({}, {})["commit"] is None  # no commit yet
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    assert collect({}, {})["commit"] == git(tmp_path, "rev-parse", "HEAD")


def test_no_commit_outside_a_checkout_or_without_git(tmp_path, monkeypatch):
    tree(tmp_path, monkeypatch)
    assert collect({}, {})["commit"] is None
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert collect({}, {})["commit"] is None


def test_an_uninstalled_version_is_unknown(monkeypatch):
    def missing(_name):
        raise provenance.PackageNotFoundError

    monkeypatch.setattr(provenance, "version", missing)
    assert collect({}, {})["version"] == "unknown"
