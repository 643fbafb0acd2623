"""Tables of studies are made from their CSV, never by hand."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from cellseg.image import CellImage
from cellseg.study.table import Row

ROOT = Path(__file__).parents[1]


@pytest.fixture
def methods(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield import_module("methods")
    for name in ("methods", "commands"):
        sys.modules.pop(name, None)


@pytest.fixture
def errors(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield import_module("error_study")
    for name in ("error_study", "error_sets", "error_findings"):
        sys.modules.pop(name, None)


def test_the_page_on_maps_has_the_tables_of_its_csv(methods):
    text = methods.PAGE.read_text(encoding="utf-8")
    assert methods.page(text) == text
    assert "| discs of one size |" in text


def test_rows_of_other_settings_are_refused(methods, monkeypatch, tmp_path):
    lines = methods.TABLE.read_text(encoding="utf-8").splitlines()
    mixed = tmp_path / "maps.csv"
    mixed.write_text("\n".join([*lines[:-1], lines[-1].replace(",cpu,", ",gpu,")]), encoding="utf-8")
    monkeypatch.setattr(methods, "TABLE", mixed)
    with pytest.raises(ValueError, match="mixes runs of other settings"):
        methods.read_rows()


def test_the_page_on_annotation_errors_has_the_tables_of_its_csv(errors):
    text = errors.PAGE.read_text(encoding="utf-8")
    rows = errors.read_rows()
    assert errors.page(text, rows) == text
    assert text.count("not measured yet") < 20 or not rows
    for name, (_, own) in errors.chosen(rows).items():
        assert all((errors.IMAGES / errors.picture(name, kind)).is_file() for kind in errors.perturbations(own))


def error_rows(losses):
    """Two runs of each (net, perturbation, level) -> points lost; clean labels give 0.9 and 0.92."""
    common = {
        "data": "d",
        "target": "hl60",
        "depth": 0,
        "width": 8,
        "epochs": 2,
        "patch": 64,
        "patches": 0,
        "precision": 1.0,
        "recall": 1.0,
    }
    common |= {"seconds": 1.0, "restarts": 0, "epoch": 1, "parameters": 5, "seed": 1, "commit": "abc", "settings": "0" * 12}
    points = {(net, "clean", 0.0): 0 for net, _, _ in losses} | losses
    return [
        Row(
            net=net,
            perturbation=kind,
            level=level,
            run=run,
            dice=0.9 + 0.02 * run - points[net, kind, level] * (1 + run / 10) / 100,
            **common,
        )
        for net, kind, level in points
        for run in (0, 1)
    ]


def test_verdicts_follow_from_the_rows(errors):
    rows = error_rows(
        {
            ("unet", "omission", 0.3): 1.0,
            ("msd", "omission", 0.3): 1.95,
            ("segnet", "omission", 0.3): 3.0,
            ("msd", "omission", 0.7): 4.0,
            ("unet", "bias", 6.0): 6.0,
            ("segnet", "bias", 6.0): 12.0,
        }
    )
    grid = errors.findings_grid({"hl60": rows})
    found = {line[1]: line for line in grid if line[0] == "hl60"}
    assert found["U-Net is flat up to 30 % omission"][3:] == ["+1.1 (+1.0 to +1.1)", "2", "holds"]
    assert found["MSD is flat up to 30 % omission"][5] == "open"
    assert found["SegNet loses about 10 at 30 % omission"][5] == "does not hold"
    assert found["MSD loses little at 70 % omission"][5] == "holds"
    assert found["MSD sometimes collapses above 30 % omission"][3:] == ["0 restarts", "2", "not seen"]
    assert found["bias costs up to 5"][3:] == ["+12.6 (+12.0 to +13.2): segnet, bias 6 px", "2", "does not hold"]
    assert found["SegNet lags U-Net by 6 under bias"][5] == "holds"
    assert {line[5] for line in grid[1:] if line[0] != "hl60"} == {"not measured yet"}
    one = errors.findings_grid({"hl60": [row for row in rows if row.run == 0]})
    assert {line[5] for line in one if line[0] == "hl60"} == {"open", "not seen"}


def test_a_study_of_errors_shows_the_budget_with_most_runs(errors):
    rows = error_rows({("unet", "omission", 0.3): 1.0})
    found = errors.chosen({("cpu", "hl60"): rows, ("gpu", "hl60"): rows[:2], ("gpu", "consep"): rows})
    assert {name: (budget, len(own)) for name, (budget, own) in found.items()} == {"hl60": ("cpu", 4), "consep": ("gpu", 4)}
    assert errors.chosen({("cpu", "hl60"): rows, ("gpu", "hl60"): rows})["hl60"][0] == "gpu"
    figures = errors.figures(found)
    assert figures["dice_unet_hl60"] == figures["dice_unet_consep"] == 0.91
    assert figures["loss_unet_hl60_omission_30"] == pytest.approx(0.0105, abs=1e-4)
    text = errors.results(found)
    assert "### HL60 nuclei\n\nBudget `cpu`, 4 runs in 0.0 hours" in text
    assert "![HL60 nuclei: omission](../images/error_study_hl60_omission.png)" in text
    assert text.count("Not measured yet.") == 3


def test_rows_of_a_study_of_errors_are_kept_beside_those_of_other_budgets(errors, monkeypatch, tmp_path):
    monkeypatch.setattr(errors, "TABLE", tmp_path / "rows.csv")
    assert errors.read_rows() == {}
    rows = error_rows({("unet", "omission", 0.3): 1.0})
    errors.keep({("gpu", "hl60"): rows[:2]})
    errors.keep({("cpu", "hl60"): rows, ("cpu", "consep"): []})
    again = errors.keep({("gpu", "hl60"): rows[2:]})
    assert {key: len(own) for key, own in again.items()} == {("cpu", "hl60"): 4, ("gpu", "hl60"): 2}
    assert again["gpu", "hl60"][0].key == rows[2].key
    lines = errors.TABLE.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("budget,set,data,target,net,depth,")
    errors.TABLE.write_text("\n".join([*lines[:-1], lines[-1].replace("0" * 12, "1" * 12)]), encoding="utf-8")
    with pytest.raises(ValueError, match="mixes runs of other settings in hl60, gpu"):
        errors.read_rows()


def test_every_budget_is_a_plan_and_every_finding_has_its_data(errors):
    sets = import_module("error_sets")
    for budget in sets.BUDGETS.values():
        assert all(sets.plan_of(budget, own).runs == budget.runs for own in budget.sets.values())
    assert {own.data for own in import_module("error_findings").FINDINGS} == set(errors.SETS) == set(errors.TITLES)
    gpu = sets.plan_of(sets.BUDGETS["gpu"], sets.BUDGETS["gpu"].sets["consep"])
    assert (gpu.omission, gpu.inclusion, gpu.bias, gpu.learning.patch) == ((0.3, 0.5, 0.7), (0.3, 0.7), (2, 6), 192)


def test_tissue_keeps_two_classes_and_the_rest_is_background(errors):
    image = CellImage(
        pixels=np.zeros((3, 1, 5), np.uint8),
        instances=np.array([[1, 2, 3, 0, -1]], np.int32),
        classes={1: "epithelial", 2: "spindle", 3: "inflammatory"},
    )
    (kept,) = import_module("error_sets").two_classes([image])
    assert kept.instances.tolist() == [[1, 0, 3, 0, -1]]
    assert kept.classes == {1: "epithelial", 3: "inflammatory"}


def test_missing_tissue_ends_with_3_and_says_so(errors, tmp_path, capsys):
    with pytest.raises(SystemExit, match="3"):
        import_module("error_sets").make_consep(tmp_path / "none", tmp_path / "data")
    assert "pass --data" in capsys.readouterr().err
