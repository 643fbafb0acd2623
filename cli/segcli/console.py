"""What the user sees: results on stdout, progress and one-line errors on stderr, exit codes."""

from __future__ import annotations

import logging
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from segcore.errors import RunError, SegError
from segcore.progress import Progress, Silent, spoken

if TYPE_CHECKING:
    import rich.progress

PACKAGES = ("segcore", "geoseg", "cellseg")
SHARE, PAUSE, LONG = 0.1, 3.0, 60.0
"""A plain line of progress comes after SHARE more of the work and PAUSE seconds, or after LONG seconds."""


class Console:
    """How one call of a command speaks."""

    def __init__(self) -> None:
        """Progress is shown, logs and tracebacks are not."""
        self.quiet = False
        self.debug = False
        self._handler: logging.Handler | None = None

    @cached_property
    def progress(self) -> Progress:
        """What to hand to the library's `progress` argument."""
        return Silent() if self.quiet else ConsoleProgress()

    def result(self, *lines: object) -> None:
        """Lines that a user asked for, on stdout; shown with --quiet too."""
        for line in lines:
            click.echo(str(line))

    def show_logs(self) -> None:
        """Send the log of our packages to stderr until close."""
        self._handler = logging.StreamHandler(sys.stderr)
        self._handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        for name in PACKAGES:
            logging.getLogger(name).addHandler(self._handler)
            logging.getLogger(name).setLevel(logging.INFO)

    def close(self) -> None:
        """Take down the progress bars and the log handler."""
        if isinstance(self.progress, ConsoleProgress):
            self.progress.close()
        if self._handler is not None:
            for name in PACKAGES:
                logging.getLogger(name).removeHandler(self._handler)
                logging.getLogger(name).setLevel(logging.NOTSET)


pass_console = click.make_pass_decorator(Console, ensure=True)
"""Decorator: the command's first argument is the Console of this call."""


def run(body: Callable[[], Any], console: Console) -> int:
    """Run body and return the exit code: what it returned or 0, 1 for a failure, 2 for bad input, 130 for Ctrl-C.

    An error is one line on stderr; with --debug the traceback comes before it.
    """
    try:
        code = body()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except (Exception, KeyboardInterrupt) as error:
        console.close()
        if console.debug:
            traceback.print_exception(error)
        text, code = explain(error)
        click.echo(f"Error: {' '.join(text.split())}", err=True)
        return code
    finally:
        console.close()
    return code if isinstance(code, int) else 0


def explain(error: BaseException) -> tuple[str, int]:
    """What to tell the user about an error, and the exit code."""
    match error:
        case SegError():
            return str(error), 1 if isinstance(error, RunError) else 2
        case click.UsageError(ctx=click.Context() as ctx):
            return f"{error.format_message()} See '{ctx.command_path} --help'.", error.exit_code
        case click.ClickException():
            return error.format_message(), error.exit_code
        case click.Abort() | KeyboardInterrupt():
            return "stopped before the end.", 130
    return f"unexpected {type(error).__name__}: {error}. Run it again with --debug to see where.", 1


class ConsoleProgress:
    """Progress as bars where stderr is a terminal, as a few plain lines elsewhere."""

    def __init__(self, *, bars: bool | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """bars: by default, whether stderr is a terminal. clock: seconds, for the time that is left."""
        self._bars = sys.stderr.isatty() if bars is None else bars
        self._clock = clock
        self._plain: dict[str, _Task] = {}
        self._ids: dict[str, rich.progress.TaskID] = {}

    def say(self, line: str) -> None:
        """One line, above the bars if there are any."""
        if self._ids:
            self._rich.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line, err=True)

    def step(self, task: str, done: int, total: int) -> None:
        """Move the bar of task, or say a line when there is enough news."""
        if self._bars:
            self._step_bar(task, done, total)
            return
        now = self._clock()
        state = self._plain.get(task)
        if state is None or done < state.done:
            self._plain[task] = state = _Task(began=now, first=done, said=now)
        if state.has_news(done, total, now):
            click.echo(f"{task}: {state.line(done, total, now)}", err=True)
            state.said, state.done = now, done

    def close(self) -> None:
        """Leave the bars as they stand and give the terminal back."""
        if self._ids:
            self._ids.clear()
            self._rich.stop()

    def _step_bar(self, task: str, done: int, total: int) -> None:
        if not self._ids:
            self._rich.start()
        if task not in self._ids:
            self._ids[task] = self._rich.add_task(task, total=total)
        self._rich.update(self._ids[task], completed=done, total=total)

    @cached_property
    def _rich(self) -> rich.progress.Progress:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        return Progress(*columns, console=RichConsole(stderr=True))


@dataclass(slots=True)
class _Task:
    """What was last said about one task; seconds and parts."""

    began: float
    first: int
    said: float
    done: int = -1

    def has_news(self, done: int, total: int, now: float) -> bool:
        if done == self.done:
            return False
        waited, gain = now - self.said, done - max(self.done, self.first)
        return done >= total or waited >= LONG or (waited >= PAUSE and gain >= SHARE * total)

    def line(self, done: int, total: int, now: float) -> str:
        share = f"{done} of {total} ({done / max(total, 1):.0%})"
        if done >= total or done == self.first:
            return share
        return f"{share}, {duration((now - self.began) * (total - done) / (done - self.first))} left"


def duration(seconds: float) -> str:
    """Time that is left, which moves too fast for fractions of a minute: 40 s, 12 min, 3.5 h."""
    return spoken(seconds, digits=0)


def hush_libraries() -> None:
    """Keep other libraries' warnings and logs off the user's screen, unless Python was told to show them."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
