import sys

import click
import pytest
from click.testing import CliRunner

from segcli.lazy import LazyGroup


@pytest.fixture
def group(tmp_path, monkeypatch):
    (tmp_path / "good_command.py").write_text("import click\n\n@click.command('good')\ndef command():\n    click.echo('ran')\n")
    (tmp_path / "bad_command.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    table = {"good": ("good_command", "A line of help."), "bad": ("bad_command", "Another line.")}
    yield LazyGroup("tool", table=table, help="A tool.")
    sys.modules.pop("good_command", None)


def call(group, *arguments):
    return CliRunner().invoke(group, list(arguments), prog_name="tool")


def test_help_reads_the_table_and_imports_nothing(group):
    done = call(group, "--help")
    assert done.exit_code == 0
    assert "good  A line of help." in done.stdout
    assert "good_command" not in sys.modules


def test_a_command_is_imported_when_it_runs(group):
    assert call(group, "good").stdout == "ran\n"


def test_a_module_that_fails_says_so_in_one_line(group):
    done = call(group, "bad")
    assert done.exit_code == 1
    assert done.stderr == "Error: unexpected RuntimeError: imported. Run it again with --debug to see where.\n"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("god", "no command 'god'; did you mean 'good'? See 'tool --help'."),
        ("zzz", "no command 'zzz'. See 'tool --help'."),
        ("--zzz", "No such option '--zzz'. See 'tool --help'."),
    ],
)
def test_an_unknown_word_is_refused_in_one_line(group, typed, message):
    done = call(group, typed)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"Error: {message}\n")


def test_without_arguments_it_shows_its_help(group):
    done = call(group)
    assert done.exit_code == 2
    assert done.stderr.startswith("Usage: tool")


def test_a_caller_that_is_no_terminal_session_gets_the_exception(group):
    with pytest.raises(click.UsageError):
        group.main(["zzz"], prog_name="tool", standalone_mode=False)
