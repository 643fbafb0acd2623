"""A group of commands whose modules load when they run, so that --help stays quick."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any

import click

from segcli.console import Console, run


class LazyGroup(click.Group):
    """Commands listed as {name: (module, one-line help)}; each module defines a click command named `command`."""

    def __init__(self, name: str, *, table: Mapping[str, tuple[str, str]], help: str) -> None:
        """The table is all that the group's own --help reads."""
        super().__init__(name, help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self.table = table
        click.version_option(package_name="geocellseg", message="%(prog)s %(version)s")(self)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table, which is the order of the work."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, its module imported now; None for an unknown name."""
        if cmd_name not in self.table:
            return None
        command = import_module(self.table[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an unknown command names its neighbours."""
        name = args[0]
        if name not in self.table and not name.startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(name, self.table, n=1)
            raise click.UsageError(f"no command {name!r}{f'; did you mean {near[0]!r}?' if near else '.'}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table; no command is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line; errors become one line and an exit code."""
        body = partial(super().main, args, prog_name, complete_var, False, windows_expand_args)
        if not standalone_mode:
            return body(**extra)
        console = extra.setdefault("obj", Console())
        sys.exit(run(partial(body, **extra), console))
