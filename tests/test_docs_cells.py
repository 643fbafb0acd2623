"""The page about cells runs from top to bottom and prints what it says; the names of its reference exist."""

import re
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest

import cellseg
from segcli.main import GROUPS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/how-to/cells.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
NAMES = sorted(set(re.findall(r"`(cellseg(?:\.\w+)+)`", (ROOT / "docs/reference/cells.md").read_text(encoding="utf-8"))))
VALUES = {"cellseg.CELL", "cellseg.IGNORE"}
"""These have no docstring of their own."""


def steps():
    """(code, what it prints) of each block of Python."""
    for number, (language, code) in enumerate(BLOCKS):
        if language == "python":
            after = BLOCKS[number + 1] if number + 1 < len(BLOCKS) else ("", "")
            yield code, after[1] if after[0] == "text" else ""


def test_every_block_prints_what_stands_below_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for code, expected in steps():
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(code, "docs/how-to/cells.md", "exec"), names)
        assert printed.getvalue() == expected, code
    assert {"scores.csv", "scores.md", "scores.png", "seen"} <= {path.name for path in tmp_path.iterdir()}


def test_every_text_follows_a_block_of_python():
    languages = ["", *(language for language, _ in BLOCKS)]
    assert {before for before, language in pairwise(languages) if language == "text"} == {"python"}


@pytest.mark.parametrize("line", [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()])
def test_command_lines_have_options_that_exist(line):
    program, name, *words = line.split()
    assert program == "cellseg"
    command = GROUPS[program].get_command(None, name)
    command.make_context(name, words)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_reference_exists_and_is_documented(name):
    module, _, attribute = name.rpartition(".")
    value = getattr(import_module(module), attribute)
    assert name in VALUES or value.__doc__


def test_every_public_name_is_in_the_reference():
    assert {f"cellseg.{name}" for name in cellseg.__all__} <= set(NAMES)
