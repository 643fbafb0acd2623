"""The files of a comparison: the same numbers in the table as in the CSV, and the thesis' own last row."""

import csv
from dataclasses import replace
from math import isnan
from statistics import mean, variance

import numpy as np
import pytest
import shapely

from geoseg.columns import Column
from geoseg.compare_report import HEADER, table, write_csv, write_markdown, write_report
from geoseg.compare_sites import JudgedSites
from geoseg.comparison import Cell, Comparison, Fit, Tally
from geoseg.known import OutlineSettings
from segcore.cam.choice import MapChoice
from segcore.files import read_json
from segcore.pipeline.refine import Refining

THESIS = {
    "vgg16": (0.4483, 0.4083, 0.6043, 0.5928),
    "resnet34": (0.4826, 0.5149, 0.4041, 0.5954),
    "densenet121": (0.4514, 0.3537, 0.2130, 0.6185),
}
METHODS = ("occlusion", "grad-cam", "layer-cam", "smooth-guided-grad-cam")


def with_dice(value, sites=2):
    """A tally of that pooled Dice; the first site is the better one."""
    share = (np.linspace(1.2, 0.8, sites) if sites > 1 else np.ones(1)) * value
    return Tally(hits=5000.0 * share, found=np.full(sites, 5000.0), expert=np.full(sites, 5000.0))


def comparison(figures=THESIS, *, members=None, control=0.5):
    choices = [MapChoice(method, "last") for method in METHODS]
    cells = []
    for view, values in enumerate(figures.values()):
        for column, value in enumerate(values):
            if isnan(value):
                continue
            own = {"view": view, "column": column, "choice": choices[column]}
            cells.append(Cell(network="ensemble", tally=with_dice(value), **own))
            for number, part in enumerate(members or ()):
                cells.append(Cell(network=str(number + 1), tally=with_dice(value * part, sites=1 + number), **own))
    xy = np.zeros((2, 2))
    sites = JudgedSites(
        polygons=shapely.buffer(shapely.points(xy), 1),
        xy=xy,
        others=xy,
        half=np.array([0, 1]),
        rule="the western and the eastern half of the sites",
        fresh=[[(0,)] * 2] * len(figures),
        unseen=1,
        left_out={"more than half under ignore": 3},
    )
    settings = OutlineSettings(choice=choices[0], shift=0, prior=12.0, refining=Refining(smooth=4.0, threshold=0.25))
    return Comparison(
        names=tuple(f"m|{name}" for name in figures),
        archs=tuple(figures),
        columns=tuple(Column(str(choice), (choice,) * len(figures)) for choice in choices),
        cells=tuple(cells),
        fits=(Fit(view=0, column=0, settings=(settings, replace(settings, prior=9.0)), seconds=0.25),),
        discs=None if control is None else with_dice(control),
        radii=None if control is None else (30.0, 32.0),
        sites=sites,
    )


def dice(tally):
    return tally.dice


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == list(HEADER)
    return [dict(zip(header, row, strict=True)) for row in rows]


def tables_of(path):
    """Both tables of the page: cells without bold."""
    tables, lines = [], path.read_text(encoding="utf-8").splitlines()
    for line, before in zip(lines, ["", *lines], strict=False):
        if line.startswith("|") and not line.startswith("|---"):
            if not before.startswith("|"):
                tables.append([])
            masked = line.replace("\\|", "\0").strip("| ")
            tables[-1].append([cell.strip(" *").replace("\0", "|") for cell in masked.split("|")])
    return tables


def test_the_last_row_is_that_of_the_thesis():
    *_, last = table(comparison(), dice)
    assert last[:5] == ["mean (variance)", "0.46 (0.0004)", "0.43 (0.0067)", "0.41 (0.0383)", "0.60 (0.0002)"]


def test_the_best_map_of_each_model_is_bold():
    _, *rows, _ = table(comparison(), dice)
    assert [[i for i, cell in enumerate(row) if cell.startswith("**")] for row in rows] == [[3], [4], [4]]


def test_both_tables_have_the_numbers_of_the_csv(tmp_path):
    own = comparison(members=(0.9, 0.5))
    write_csv(tmp_path / "compare.csv", own)
    write_markdown(tmp_path / "compare.md", own, scene="scene", expert="expert")
    *rows, control = rows_of(tmp_path / "compare.csv")
    assert (control["method"], control["model"]) == ("discs", "")
    for (header, *lines), figure in zip(tables_of(tmp_path / "compare.md"), ("dice", "median_dice"), strict=True):
        written = {}
        model = ""
        for label, *cells in lines[:-1]:
            model = model if label.startswith("- ") else label.rpartition(" (")[0]
            network = label.removeprefix("- network ") if label.startswith("- ") else "ensemble"
            for title, cell in zip(header[1:-2], cells, strict=False):
                written[model, network, title] = (cell, cells[-1])
        listed = {
            (row["model"], row["network"], f"{row['method']}@{row['layer']}"): (f"{float(row[figure]):.3f}", row["sites"]) for row in rows
        }
        assert written == listed
        assert {line[-2] for line in lines[:-1]} == {f"{float(control[figure]):.3f}", ""}
        for column, title in enumerate(header[1:-2], 1):
            values = [float(row[figure]) for row in rows if row["network"] == "ensemble" and f"{row['method']}@{row['layer']}" == title]
            assert lines[-1][column] == f"{mean(values):.2f} ({variance(values):.4f})"


def test_one_model_has_the_mean_of_its_networks():
    own = comparison({"vgg16": (0.8, 0.4, 0.4, 0.4)}, members=(1.0, 0.5))
    assert table(own, dice)[-1][1] == "0.60 (0.0800)"


def test_a_variance_below_the_digits_is_not_called_none():
    own = comparison({"vgg16": (0.8,) * 4, "resnet34": (0.801,) * 4})
    assert table(own, dice)[-1][1] == "0.80 (<0.0001)"


def test_one_network_has_a_mean_and_no_variance():
    own = comparison({"vgg16": (0.8, 0.4, 0.4, 0.4)})
    assert table(own, dice)[-1][1] == "0.80 (-)"


def test_a_map_that_a_model_lacks_is_an_empty_cell_and_no_row(tmp_path):
    own = comparison({"vgg16": (float("nan"), 0.4, 0.4, 0.4), "resnet34": (0.5, 0.4, 0.4, 0.4)})
    assert table(own, dice)[1][1] == ""
    assert table(own, dice)[-1][1] == "0.50 (-)"
    write_csv(tmp_path / "compare.csv", own)
    assert [row["model"] for row in rows_of(tmp_path / "compare.csv") if row["method"] == "occlusion"] == ["m|resnet34"]


def test_the_page_says_what_was_seen_and_left_out(tmp_path):
    write_markdown(tmp_path / "compare.md", comparison(), scene="a*b", expert="<x>")
    page = (tmp_path / "compare.md").read_text(encoding="utf-8")
    assert "1 of the 2 sites lie on ground that no network learnt from; the other 1 are explained only by" in page
    assert "on chips that its networks were trained on" in page
    assert "3 more than half under ignore" in page
    assert "a\\*b" in page
    assert "&lt;x&gt;" in page
    assert "m\\|vgg16" in page


def test_without_control_the_page_says_so(tmp_path):
    write_markdown(tmp_path / "compare.md", comparison(control=None), scene="s", expert="e")
    assert "there is no control with discs" in (tmp_path / "compare.md").read_text(encoding="utf-8")


def test_run_json_has_settings_and_times(tmp_path):
    write_report(tmp_path, comparison(), scene="s", expert="e", inputs={"expert": "12"}, config={"methods": None})
    run = read_json(tmp_path / "run.json")
    (fit,) = run["fits"]
    assert fit["settings"] == [{"smooth": 4.0, "prior": 12.0, "cut": 0.25}, {"smooth": 4.0, "prior": 9.0, "cut": 0.25}]
    assert (fit["model"], fit["seconds_per_window"], run["disc_radius_m"]) == ("m|vgg16", 0.25, [30.0, 32.0])
    assert run["inputs"] == {"expert": "12"}


@pytest.mark.parametrize("name", ["compare.csv", "compare.md", "compare.png"])
def test_the_same_comparison_makes_the_same_bytes(tmp_path, name):
    for folder, value in (("a", 0.5), ("b", 0.5), ("c", 0.6)):
        (tmp_path / folder).mkdir()
        write_report(tmp_path / folder, comparison(control=value), scene="s", expert="e", inputs={}, config={})
    a, b, c = ((tmp_path / folder / name).read_bytes() for folder in "abc")
    assert a == b != c
