import logging

import click
import pytest
from click.testing import CliRunner

from segcli import options
from segcli.console import Console, ConsoleProgress, duration, explain, pass_console, run
from segcli.lazy import LazyGroup
from segcore.errors import ConfigError, InputError, OutputError, RunError
from segcore.progress import Silent


def failing(error):
    def body():
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("a; b; c."), 2), (ConfigError("a; b; c."), 2), (OutputError("a; b; c."), 2), (RunError("a; b; c."), 1)],
)
def test_refusals_are_one_line_with_their_exit_code(error, code, capsys):
    assert run(failing(error), Console()) == code
    assert capsys.readouterr() == ("", "Error: a; b; c.\n")


def test_a_message_of_several_lines_becomes_one(capsys):
    assert run(failing(InputError("rule;\n  what came;\n\tway out.")), Console()) == 2
    assert capsys.readouterr().err == "Error: rule; what came; way out.\n"


def test_the_unexpected_points_to_debug(capsys):
    assert run(failing(KeyError("x")), Console()) == 1
    assert capsys.readouterr().err == "Error: unexpected KeyError: 'x'. Run it again with --debug to see where.\n"


def test_debug_shows_the_traceback_before_the_line(capsys):
    console = Console()
    console.debug = True
    assert run(failing(InputError("a; b; c.")), console) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "Error: a; b; c."


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_ctrl_c_is_130(error, capsys):
    assert run(failing(error), Console()) == 130
    assert capsys.readouterr().err == "Error: stopped before the end.\n"


def test_exit_codes_of_a_body_pass():
    assert run(lambda: None, Console()) == 0
    assert run(lambda: 3, Console()) == 3


def test_a_file_click_cannot_open_is_one_line():
    assert explain(click.FileError("f", "no such file")) == ("Could not open file 'f': no such file", 1)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def heard(steps, capsys):
    """Lines after steps of (seconds since the last one, done, total)."""
    clock = Clock()
    progress = ConsoleProgress(bars=False, clock=clock)
    for seconds, done, total in steps:
        clock.now += seconds
        progress.step("screen", done, total)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_quick_work_is_one_plain_line(capsys):
    assert heard([(0.001, done, 1000) for done in range(1001)], capsys) == ["screen: 1000 of 1000 (100%)"]


def test_plain_lines_come_after_ten_percent_and_three_seconds(capsys):
    lines = heard([(1, done, 100) for done in range(101)], capsys)
    assert lines[0] == "screen: 10 of 100 (10%), 2 min left"
    assert [int(line.split()[1]) for line in lines] == list(range(10, 101, 10))


def test_slow_work_is_heard_once_a_minute(capsys):
    lines = heard([(30, done, 1000) for done in range(7)], capsys)
    assert lines == ["screen: 2 of 1000 (0%), 8.3 h left", "screen: 4 of 1000 (0%), 8.3 h left", "screen: 6 of 1000 (1%), 8.3 h left"]


def test_time_left_of_resumed_work_counts_from_where_it_began(capsys):
    assert heard([(0, 500, 1000), (100, 600, 1000)], capsys) == ["screen: 600 of 1000 (60%), 7 min left"]


def test_the_last_line_is_said_once_and_a_second_round_again(capsys):
    assert heard([(0, 1, 1), (0, 1, 1), (0, 0, 1), (0, 1, 1)], capsys) == ["screen: 1 of 1 (100%)"] * 2


def test_nothing_to_do_is_done(capsys):
    assert heard([(0, 0, 0)], capsys) == ["screen: 0 of 0 (0%)"]


def test_bars_are_drawn_and_lines_stand_above_them(capsys):
    progress = ConsoleProgress(bars=True)
    progress.say("before")
    progress.step("screen [red]", 1, 4)
    progress.say("a [b] line")
    progress.step("screen [red]", 4, 4)
    progress.close()
    progress.close()
    progress.say("after")
    text = capsys.readouterr().err
    for part in ("before\n", "a [b] line\n", "screen [red]", "4/4", "after\n"):
        assert part in text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (9000, "2.5 h")])
def test_duration(seconds, text):
    assert duration(seconds) == text


@click.command("speak")
@options.speech_options
@pass_console
def command(console):
    console.progress.say("progress")
    logging.getLogger("segcore.deep").info("logged")
    console.result("result", 2)


@pytest.mark.parametrize(
    ("flags", "stderr"),
    [([], "progress\n"), (["-q"], ""), (["-v"], "progress\nsegcore.deep: logged\n"), (["-q", "-v"], "segcore.deep: logged\n")],
)
def test_flags_choose_what_is_heard(flags, stderr):
    done = CliRunner().invoke(LazyGroup("tool", table={"speak": (__name__, "Speak.")}, help="A tool."), ["speak", *flags])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "result\n2\n", stderr)
    assert logging.getLogger("segcore").handlers == []


def test_a_quiet_console_hands_out_silence():
    console = Console()
    console.quiet = True
    assert isinstance(console.progress, Silent)
