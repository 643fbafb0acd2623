"""Tables of studies are made from their CSV, never by hand."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def methods(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield import_module("methods")
    for name in ("methods", "commands"):
        sys.modules.pop(name, None)


def test_the_page_on_maps_has_the_tables_of_its_csv(methods):
    text = methods.PAGE.read_text(encoding="utf-8")
    assert methods.page(text) == text
    assert "| discs of one size |" in text


def test_rows_of_other_settings_are_refused(methods, monkeypatch, tmp_path):
    lines = methods.TABLE.read_text(encoding="utf-8").splitlines()
    mixed = tmp_path / "maps.csv"
    mixed.write_text("\n".join([*lines[:-1], lines[-1].replace(",cpu,", ",gpu,")]), encoding="utf-8")
    monkeypatch.setattr(methods, "TABLE", mixed)
    with pytest.raises(ValueError, match="mixes runs of other settings"):
        methods.read_rows()
