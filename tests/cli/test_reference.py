"""docs/reference/cli.md names the options that the commands have, and no others."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from segcli.main import GEOSEG

PAGE = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text(encoding="utf-8")
SHARED, COMMANDS = PAGE.split("## Commands\n")
SECTIONS = dict(re.findall(r"### geoseg (\w+)\n\n`(.*?)`\n", COMMANDS))


def options_in(text):
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-o)(?![\w-])", text))


def test_every_command_has_its_section_in_order():
    assert list(SECTIONS) == list(GEOSEG)


@pytest.mark.parametrize("name", GEOSEG)
def test_a_section_names_the_options_of_its_command(name):
    command = import_module(GEOSEG[name][0]).command
    real = {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
    written = options_in(SECTIONS[name])
    assert written <= real
    assert real - options_in(PAGE.replace(COMMANDS, "")) - {"-q", "-v", "-o", "--out"} <= written


@pytest.mark.parametrize("name", GEOSEG)
def test_a_section_names_the_arguments_of_its_command(name):
    command = import_module(GEOSEG[name][0]).command
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            assert re.search(rf"\b{re.escape(parameter.metavar or parameter.name.upper())}", SECTIONS[name])
