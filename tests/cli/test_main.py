import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from segcli.main import GROUPS

HEAVY = ("torch", "numpy", "rasterio", "geopandas", "skimage", "zarr", "rich")
COMMANDS = [(group, name) for group, commands in GROUPS.items() for name in commands.table]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("group", "words"), [*((group, []) for group in GROUPS), *((group, [name]) for group, name in COMMANDS)])
def test_help_loads_nothing_heavy(group, words):
    code = f"""
import sys
from segcli.main import GROUPS
try:
    GROUPS[{group!r}].main({[*words, "--help"]})
except SystemExit as end:
    print("exit", end.code, [name for name in {HEAVY} if name in sys.modules])
"""
    done = python(code)
    assert done.stdout.splitlines()[-1] == "exit 0 []", done.stderr
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize(("group", "name"), COMMANDS)
def test_each_listed_module_defines_its_command(group, name):
    command = import_module(GROUPS[group].table[name][0]).command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


@pytest.mark.parametrize("group", GROUPS)
def test_help_lists_all_commands_in_order(group):
    text = CliRunner().invoke(GROUPS[group], ["--help"]).stdout
    assert [line.split()[0] for line in text.split("Commands:\n")[1].splitlines()] == list(GROUPS[group].table)


def test_the_entry_point_ends_with_one_line_and_exit_code_2():
    done = python("import sys; sys.argv = ['geoseg', 'scam']; from segcli.main import geoseg; geoseg()")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: no command 'scam'; did you mean 'scan'? See 'geoseg --help'.\n"


@pytest.mark.parametrize("group", GROUPS)
def test_version_is_that_of_the_distribution(group):
    from importlib.metadata import version

    assert CliRunner().invoke(GROUPS[group], ["--version"], prog_name=group).stdout == f"{group} {version('geocellseg')}\n"
