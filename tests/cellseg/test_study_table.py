"""The table: what is written is read again, and what is damaged is refused."""

from dataclasses import replace
from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellseg.study.plan import Key
from cellseg.study.table import COLUMNS, Row, cells_of, read_table, row_of, write_table
from segcore.errors import InputError

ROW = Row(
    data='simulated, "hl60"',
    target="hl60",
    net="msd",
    depth=30,
    width=0,
    epochs=20,
    patch=128,
    patches=160,
    perturbation="omission",
    level=0.3,
    run=1,
    dice=0.912345,
    precision=nan,
    recall=0.0,
    seconds=61.5,
    restarts=2,
    epoch=19,
    parameters=4242,
    seed=123456789,
    commit="abc",
    settings="0123456789ab",
)


def test_rows_come_back_in_the_order_of_the_plan(tmp_path):
    rows = [replace(ROW, run=run, precision=0.5, reached=0.3) for run in (2, 0, 1)]
    order = [row.key for row in sorted(rows, key=lambda row: row.run)]
    write_table(tmp_path / "runs.csv", rows, order)
    assert read_table(tmp_path / "runs.csv") == [rows[1], rows[2], rows[0]]
    write_table(tmp_path / "runs.csv", rows, order[1:])
    assert [row.run for row in read_table(tmp_path / "runs.csv")] == [1, 2, 0]
    assert read_table(tmp_path / "none.csv") == []


def test_tables_without_the_later_column_are_read(tmp_path):
    path = tmp_path / "runs.csv"
    write_table(path, [replace(ROW, precision=0.5, reached=0.25)], [])
    assert read_table(path)[0].reached == 0.25
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith(",settings,reached")
    path.write_text("\n".join(line.rpartition(",")[0] for line in lines), encoding="utf-8")
    (row,) = read_table(path)
    assert isnan(row.reached)
    assert replace(row, reached=0.25) == replace(ROW, precision=0.5, reached=0.25)


def test_cells_are_plain():
    cells = dict(zip(COLUMNS, cells_of(replace(ROW, level=6.0)), strict=True))
    assert (cells["level"], cells["dice"], cells["precision"], cells["seconds"], cells["restarts"]) == ("6", "0.912345", "", "61.5", "2")
    assert isnan(row_of(cells, "here").precision)


@given(st.floats(0, 1, exclude_min=True))
def test_every_level_comes_back_as_it_was(level):
    cells = dict(zip(COLUMNS, cells_of(replace(ROW, level=level)), strict=True))
    assert row_of(cells, "here").key == Key(net="msd", perturbation="omission", level=level, run=1)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.912345", "good", "line 2 of .* has another row"),
        ("0.912345", "inf", "is no number"),
        ("omission", "laziness", "one of clean, omission, inclusion, bias; .*'laziness'"),
        ("run", "walk", "has the columns data, target"),
        (",30,", ",30,30,", "has another row"),
        (",1,", ",1", "has another row"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, old, new, words):
    path = tmp_path / "runs.csv"
    write_table(path, [ROW], [])
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_table(path)


def test_other_files_and_repeated_runs_are_refused(tmp_path):
    path = tmp_path / "runs.csv"
    write_table(path, [ROW, ROW], [])
    with pytest.raises(InputError, match="has one twice"):
        read_table(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="in UTF-8"):
        read_table(path)
