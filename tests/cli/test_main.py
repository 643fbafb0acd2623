import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from segcli.main import GEOSEG, geoseg_group

HEAVY = ("torch", "numpy", "rasterio", "geopandas", "rich")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in GEOSEG)], ids=" ".join)
def test_help_loads_nothing_heavy(arguments):
    code = f"""
import sys
from segcli.main import geoseg_group
try:
    geoseg_group.main({arguments})
except SystemExit as end:
    print("exit", end.code, [name for name in {HEAVY} if name in sys.modules])
"""
    done = python(code)
    assert done.stdout.splitlines()[-1] == "exit 0 []", done.stderr
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize("name", GEOSEG)
def test_each_listed_module_defines_its_command(name):
    command = import_module(GEOSEG[name][0]).command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_help_lists_all_commands_in_order():
    text = CliRunner().invoke(geoseg_group, ["--help"]).stdout
    assert [line.split()[0] for line in text.split("Commands:\n")[1].splitlines()] == list(GEOSEG)


def test_the_entry_point_ends_with_one_line_and_exit_code_2():
    done = python("import sys; sys.argv = ['geoseg', 'scam']; from segcli.main import geoseg; geoseg()")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: no command 'scam'; did you mean 'scan'? See 'geoseg --help'.\n"


def test_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert CliRunner().invoke(geoseg_group, ["--version"], prog_name="geoseg").stdout == f"geoseg {version('geocellseg')}\n"
