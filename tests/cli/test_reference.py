"""The reference pages name the options that the commands have, and no others."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from segcli.main import GROUPS

PAGES = {
    group: (Path(__file__).parents[2] / "docs/reference" / page).read_text(encoding="utf-8")
    for group, page in (("geoseg", "cli.md"), ("cellseg", "cells.md"))
}
GENERAL = PAGES["geoseg"].split("## Commands\n")[0]
"""What every command has, said once."""
SECTIONS = {group: dict(re.findall(rf"### {group} (\w+)\n\n`(.*?)`\n", page)) for group, page in PAGES.items()}
COMMANDS = [(group, name) for group, commands in GROUPS.items() for name in commands.table]


def options_in(text):
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-o)(?![\w-])", text))


def command_of(group, name):
    return import_module(GROUPS[group].table[name][0]).command


@pytest.mark.parametrize("group", GROUPS)
def test_every_command_has_its_section_in_order(group):
    assert list(SECTIONS[group]) == list(GROUPS[group].table)


@pytest.mark.parametrize(("group", "name"), COMMANDS)
def test_a_section_names_the_options_of_its_command(group, name):
    real = {option for parameter in command_of(group, name).params for option in parameter.opts if option.startswith("-")}
    written = options_in(SECTIONS[group][name])
    assert written <= real
    assert real - options_in(GENERAL) - {"-q", "-v", "-o", "--out"} <= written


@pytest.mark.parametrize(("group", "name"), COMMANDS)
def test_a_section_names_the_arguments_of_its_command(group, name):
    for parameter in command_of(group, name).params:
        if parameter.param_type_name == "argument":
            assert re.search(rf"\b{re.escape(parameter.metavar or parameter.name.upper())}", SECTIONS[group][name])
