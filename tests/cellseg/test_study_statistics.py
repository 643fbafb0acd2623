"""What rows say, and how it is shown: points, pairs, losses, tables, figures, pages."""

from itertools import product
from math import isnan, nan

import numpy as np
import pytest
from skimage.io import imread

from cellseg.study.figure import draw_perturbation, perturbations
from cellseg.study.grids import dice_grid, html, level_name, markdown, run_grid, versus_grid
from cellseg.study.page import write_report
from cellseg.study.plan import StudyPlan
from cellseg.study.statistics import interval_of, losses, points, versus
from cellseg.study.table import Row
from segcore.errors import ConfigError

PLAN = StudyPlan(target="hl60", nets=("unet", "msd"), baselines=("otsu",), omission=(0.3, 0.7), bias=(6,), runs=3)


def row(net, perturbation="clean", level=0.0, run=0, dice=0.5, **change):
    common = {
        "data": "cells <b>|",
        "target": "hl60",
        "depth": 30 * (net == "msd"),
        "width": 0,
        "epochs": 4,
        "patch": 64,
        "patches": 0,
        "precision": 0.5,
        "recall": 0.5,
        "seconds": 2.0,
    }
    common |= {"depth": 30 * (net == "msd"), "width": 0, "epochs": 4, "patch": 64, "patches": 0}
    common |= {"restarts": 0, "epoch": 3, "parameters": 9, "seed": 1, "commit": "abc", "settings": "0" * 12}
    return Row(net=net, perturbation=perturbation, level=level, run=run, dice=dice, **common | change)


def some_rows():
    """unet: 0.9 less a tenth of the level and of the run; msd: 0.02 more; otsu: 0.6."""
    levels = [("clean", 0.0), ("omission", 0.3), ("omission", 0.7), ("bias", 6.0)]
    base = {"unet": 0.9, "msd": 0.92, "otsu": 0.6}
    return [
        row(net, kind, level, run, base[net] - (net != "otsu") * (min(level, 1) + run) / 10)
        for run, (kind, level), net in product(range(3), levels, base)
    ]


def test_points_by_hand():
    rows = [row("unet", run=run, dice=dice, restarts=run, seconds=10.0 * run) for run, dice in ((1, 0.7), (0, 0.9), (2, 0.8))]
    (point,) = points(rows)
    assert (point.dices, point.restarts, point.seconds) == ((0.9, 0.7, 0.8), 3, 10.0)
    assert (point.mean, point.deviation) == (pytest.approx(0.8), pytest.approx(0.1))
    reach = 4.302653 * 0.1 / 3**0.5
    assert (point.interval.low, point.interval.high) == pytest.approx((0.8 - reach, 1.0), abs=1e-6)
    assert isnan(point.reached)
    (alone,) = points(rows[:1])
    assert isnan(alone.deviation)
    assert isnan(alone.interval.low)
    (blank,) = points([row("unet", dice=0.5), row("unet", run=1, dice=nan)])
    assert isnan(blank.mean)
    assert isnan(blank.deviation)
    assert isnan(blank.interval.high)


def test_points_stand_in_order():
    found = [(point.perturbation, point.level, point.net) for point in points(reversed(some_rows()))]
    assert [own[:2] for own in found[::3]] == [("clean", 0.0), ("omission", 0.3), ("omission", 0.7), ("bias", 6.0)]
    assert sorted(own[2] for own in found[:3]) == ["msd", "otsu", "unet"]


def test_networks_are_compared_run_by_run_over_all_levels():
    rows = [own for own in some_rows() if (own.net, own.level, own.run) != ("msd", 0.7, 2)]
    found = {own.perturbation: own for own in versus(rows)}
    assert list(found) == ["clean", "omission", "bias"], "methods without a network are not compared"
    assert {(own.one, own.other) for own in found.values()} == {("unet", "msd")}
    assert [len(own.gains) for own in found.values()] == [3, 2, 3], "a run that lacks a level is no pair"
    assert found["omission"].gain == pytest.approx(-0.02)
    assert found["omission"].test.p == pytest.approx(2 / 2**2)
    assert [own.adjusted for own in found.values()] == pytest.approx([0.75, 0.75, 0.75])


def test_levels_are_averaged_within_a_run():
    rows = [row("unet", "bias", 2.0, dice=0.8), row("unet", "bias", 6.0, dice=0.4)]
    rows += [row("msd", "bias", 2.0, dice=0.5), row("msd", "bias", 6.0, dice=0.3)]
    (own,) = versus(rows)
    assert own.gains == pytest.approx((0.2,))
    assert isnan(own.interval.low)


def test_the_least_p_is_that_of_the_clearest_result():
    clear = [
        row(net, run=run, dice=0.5 + 0.1 * (net == "unet") + 0.01 * run * (net == "unet")) for run in range(6) for net in ("unet", "msd")
    ]
    (own,) = versus(clear)
    assert own.least == own.adjusted == pytest.approx(2 / 2**6)
    mixed = [row(net, run=run, dice=0.5 + 0.01 * (run + 1) * (-1) ** run * (net == "unet")) for run in range(6) for net in ("unet", "msd")]
    (own,) = versus(mixed)
    assert own.adjusted > own.least == pytest.approx(2 / 2**6)
    few = {own.perturbation: own.least for own in versus(some_rows())}
    assert few == pytest.approx(dict.fromkeys(("clean", "omission", "bias"), 3 * 2 / 2**3))


def test_losses_are_paired_by_run():
    rows = [row("unet", run=run, dice=dice) for run, dice in ((0, 0.9), (1, 0.8), (2, nan))]
    rows += [row("unet", "bias", 6.0, run, dice) for run, dice in ((1, 0.5), (0, 0.7), (2, 0.1), (3, 0.2))]
    assert losses(rows, "unet", "bias", 6.0) == pytest.approx([0.2, 0.3])
    assert losses(rows, "msd", "bias", 6.0) == []


def test_what_cannot_be_judged_has_no_interval():
    assert isnan(interval_of([0.1, nan]).low)
    assert interval_of([0.1, 0.4, 0.3]).high > 0.4


def test_tables_by_hand():
    rows = some_rows()
    grid = dice_grid(rows)
    assert grid[0] == ["labels", "unet", "msd (depth 30)", "otsu"]
    assert grid[2] == ["omission 30 %", "0.770 ± 0.100", "0.790 ± 0.100", "0.600 ± 0.000"]
    assert [line[0] for line in grid] == ["labels", "clean", "omission 30 %", "omission 70 %", "bias 6 px"]
    assert run_grid(rows)[1][:5] == ["clean", "unet", "3", "0.800", "0.100"]
    assert run_grid(rows)[1][-1] == "-"
    assert run_grid([row("unet", "omission", 0.3, reached=0.285714)])[1][-1] == "28.6 %"
    assert versus_grid(rows)[1][:4] == ["clean", "unet - msd", "3", "-0.020"]
    assert versus_grid(rows)[1][5:] == ["0.250", "0.750", "0.750"]
    assert dice_grid([row("unet", dice=nan), row("msd", "bias", 2.0)])[1:] == [["clean", "-", "-"], ["bias 2 px", "-", "0.500"]]
    assert level_name("inclusion", 0.05) == "inclusion 5 %"


def test_names_are_text_in_every_form():
    grid = [["a|b", "<i>"], ["*x*", "1"]]
    assert markdown(grid).splitlines() == ["| a\\|b | &lt;i&gt; |", "|---|---:|", "| \\*x\\* | 1 |"]
    assert "<th>&lt;i&gt;</th>" in html(grid)


def test_a_figure_is_the_same_again_and_shows_each_method(tmp_path):
    rows = some_rows()
    assert perturbations(rows) == ["omission", "bias"]
    for name in ("one.png", "two.png"):
        draw_perturbation(tmp_path / name, rows, "omission", title="$cells$")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    picture = imread(tmp_path / "one.png")[..., :3].reshape(-1, 3)
    for colour in ((0x00, 0x72, 0xB2), (0x00, 0x9E, 0x73), (0xE6, 0x9F, 0x00)):
        assert (np.abs(picture.astype(int) - colour).sum(axis=1) == 0).sum() > 20


def test_the_report_is_whole_and_says_what_is_missing(tmp_path):
    rows = some_rows()[:-1]
    page, text, *figures = write_report(tmp_path, rows, PLAN)
    assert [path.name for path in figures] == ["omission.png", "bias.png"]
    markup = page.read_text(encoding="utf-8")
    assert "cells &lt;b&gt;|" in markup
    assert markup.count("data:image/png;base64,") == 2
    assert "http" not in markup
    assert 'src="omission' not in markup
    written = text.read_text(encoding="utf-8")
    assert "35 of 36 runs are done; the others are missing here." in written
    assert "![bias](bias.png)" in written
    assert "settings 000000000000" in written
    assert "patches of at most 256 px" in written
    assert "Student's t over runs" in written
    assert "The last column is the least p" in written
    assert "All runs are done." in write_report(tmp_path, some_rows(), PLAN)[1].read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="the table is empty"):
        write_report(tmp_path, [], PLAN)
