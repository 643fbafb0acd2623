"""What the docs name exists."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]
REFERENCE = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`((?:segcore|geoseg|cellseg)(?:\.\w+)+)`", REFERENCE)))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_python_reference_exists_and_is_documented(name):
    module, _, attribute = name.rpartition(".")
    assert getattr(import_module(module), attribute).__doc__


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_paths_of_the_repository_named_in_a_page_exist(page):
    named = re.findall(r"`((?:segcore|geoseg|cellseg|cli|tests|docs|benchmarks|\.ci)/[\w./-]*)`", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []
