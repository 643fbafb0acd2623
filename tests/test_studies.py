"""Tables of studies are made from their CSV, never by hand."""

import json
import sys
from argparse import Namespace
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from cellseg.image import CellImage
from cellseg.study.plan import digest_of
from cellseg.study.table import Row, write_table
from segcore.errors import ConfigError
from segcore.files import write_json

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
    for name in ("error_study", "error_sets", "error_findings", "error_settings", "error_summary"):
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


def error_rows(losses, spread=0.1):
    """Two runs of each (net, perturbation, level) -> points lost, the second a share more; clean labels give 0.9 and 0.92."""
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
            dice=0.9 + 0.02 * run - points[net, kind, level] * (1 + spread * run) / 100,
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
        },
        spread=0.01,
    )
    grid = errors.findings_grid({"hl60": rows})
    found = {line[1]: line for line in grid if line[0] == "hl60"}
    assert found["U-Net is flat up to 30 % omission"][3:] == ["+1.0 (+0.9 to +1.1)", "2", "holds"]
    assert found["MSD is flat up to 30 % omission"][5] == "open"
    assert found["SegNet loses about 10 at 30 % omission"][5] == "does not hold"
    assert found["MSD loses little at 70 % omission"][5] == "holds"
    assert found["MSD sometimes collapses above 30 % omission"][3:] == ["0 restarts", "2", "not seen"]
    assert found["bias costs up to 5"][3:] == ["+12.1 (+11.3 to +12.8): the worst of 2, segnet, bias 6 px", "2", "does not hold"]
    assert found["SegNet lags U-Net by 6 under bias"][5] == "holds"
    text = errors.summary({"hl60": rows}, errors.TITLES)
    assert "**HL60 nuclei.** Clean labels: U-Net 0.910, MSD 0.910, SegNet 0.910. Points of Dice lost with" in text
    assert "omission 30 %: U-Net +1.0, SegNet +3.0, MSD +2.0; omission 70 %: MSD +4.0; bias 6 px: U-Net +6.0, SegNet +12.1." in text
    assert f"Of {len(grid) - 1}: 3 holds, 2 does not hold, 1 open, 1 not seen, 14 not measured yet." in text
    assert {line[5] for line in grid[1:] if line[0] != "hl60"} == {"not measured yet"}
    one = errors.findings_grid({"hl60": [row for row in rows if row.run == 0]})
    assert {line[5] for line in one if line[0] == "hl60"} == {"open", "not seen"}


@pytest.mark.parametrize(("unet", "segnet", "said"), [(3.0, 2.0, "holds"), (3.0, (1.0, 4.5), "open"), ((1.0, 4.5), 8.0, "does not hold")])
def test_what_is_said_of_all_networks_must_hold_of_each(errors, unet, segnet, said):
    """One of them with a tight interval below the bound decides nothing while another's interval crosses it."""
    rows = error_rows({("unet", "bias", 6.0): 0.0, ("segnet", "bias", 6.0): 0.0})
    lost = {"unet": unet, "segnet": segnet}

    def worse(row):
        own = lost[row.net] if isinstance(lost[row.net], tuple) else (lost[row.net], lost[row.net] + 0.02)
        return row if row.perturbation == "clean" else replace(row, dice=row.dice - own[row.run] / 100)

    grid = errors.findings_grid({"hl60": [worse(row) for row in rows]})
    assert next(line[5] for line in grid if line[1] == "bias costs up to 5") == said


def test_runs_are_counted_not_networks_or_levels(errors):
    from cellseg.study.statistics import interval_of

    findings = import_module("error_findings")
    rows = error_rows({("unet", "inclusion", 0.7): 1.0, ("msd", "inclusion", 0.7): 3.0})
    measured = findings.loss_of_all("inclusion", 0.7)(rows)
    assert (measured.values, measured.what) == (pytest.approx((2.0, 2.2)), "unet, msd")
    assert findings.loss_of_all("inclusion", 0.7)([row for row in rows if (row.net, row.run) != ("msd", 1)]).values == pytest.approx((2.0,))
    assert findings.loss_of_all("inclusion", 0.3)(rows).values == ()
    rows = error_rows({("unet", "bias", 2.0): 1.0, ("unet", "bias", 6.0): 2.0, ("segnet", "bias", 2.0): 3.0, ("segnet", "bias", 6.0): 8.0})
    lags = findings.gap("unet", "segnet", "bias")
    assert lags(rows).values == pytest.approx((4.0, 4.4))
    assert lags(rows[:-1]).values == pytest.approx((4.0,)), "a run that lacks a level is left out"
    assert findings.gap("unet", "segnet", "bias", 6.0)(rows).values == pytest.approx((6.0, 6.6))
    assert interval_of(lags(rows).values).low < 4.0


def made(errors, keys, **learning):
    """What the script would keep of these (budget, set) today, and the digest of their rows."""
    settings, sets = import_module("error_settings"), import_module("error_sets")
    found = {}
    for budget, name in keys:
        plan = sets.plan_of(sets.BUDGETS[budget], sets.BUDGETS[budget].sets[name])
        own = json.loads(json.dumps({**plan.settings("x"), "defaults": settings.defaults(), "version": "1"}))
        own["learning"] |= learning
        found[f"{budget} {name}"] = {"settings": own, "digest": digest_of(own), "data": settings.recipe(budget, name)}
    return found


def test_settings_of_rows_are_kept_beside_them_and_those_of_others_are_refused(errors, monkeypatch, tmp_path):
    monkeypatch.setattr(errors, "MADE", tmp_path / "made.json")
    kept = made(errors, [("cpu", "consep"), ("cpu", "hl60")])
    errors.write_made(errors.MADE, {"cpu hl60": made(errors, [("cpu", "hl60")], epochs=3)["cpu hl60"]})
    errors.write_made(errors.MADE, {"cpu consep": kept["cpu consep"]})
    assert list(errors.read_made(errors.MADE)) == ["cpu consep", "cpu hl60"]
    rows = {
        name: [replace(row, settings=own["digest"]) for row in error_rows({("unet", "omission", 0.3): 1.0})] for name, own in kept.items()
    }
    text = errors.settings("cpu", "consep", rows["cpu consep"])
    assert "tiles at 1/2 of their resolution. Commit abc" in text
    assert "by now" not in text
    with pytest.raises(ValueError, match=r"rows of hl60, cpu have settings \w+, which are not those kept beside them"):
        errors.settings("cpu", "hl60", rows["cpu hl60"])
    old = errors.read_made(errors.MADE)["cpu hl60"]["digest"]
    text = errors.settings("cpu", "hl60", [replace(row, settings=old) for row in rows["cpu hl60"]])
    assert text.endswith("The script has other settings by now: epochs.")


def test_a_study_of_errors_shows_the_budget_with_most_runs(errors, monkeypatch, tmp_path):
    monkeypatch.setattr(errors, "MADE", tmp_path / "made.json")
    kept = made(errors, [("cpu", "hl60"), ("gpu", "consep")])
    errors.write_made(errors.MADE, kept)
    rows = error_rows({("unet", "omission", 0.3): 1.0})
    found = errors.chosen({("cpu", "hl60"): rows, ("gpu", "hl60"): rows[:2], ("gpu", "consep"): rows})
    assert {name: (budget, len(own)) for name, (budget, own) in found.items()} == {"hl60": ("cpu", 4), "consep": ("gpu", 4)}
    assert errors.chosen({("cpu", "hl60"): rows, ("gpu", "hl60"): rows})["hl60"][0] == "gpu"
    figures = errors.figures(found)
    assert figures["dice_unet_hl60"] == figures["dice_unet_consep"] == 0.91
    assert figures["loss_unet_hl60_omission_30"] == pytest.approx(0.0105, abs=1e-4)
    digests = {"hl60": "cpu hl60", "consep": "gpu consep"}
    shown = {key: (own, [replace(row, settings=kept[digests[key]]["digest"]) for row in rows]) for key, (own, rows) in found.items()}
    text = errors.results(shown)
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
    assert {key: len(own) for key, own in again.items()} == {("cpu", "hl60"): 4, ("gpu", "hl60"): 4}
    others = errors.keep({("gpu", "hl60"): [replace(row, settings="2" * 12) for row in rows[2:]]})
    assert [row.key for row in others["gpu", "hl60"]] == [row.key for row in rows[2:]]
    lines = errors.TABLE.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("budget,set,data,target,net,depth,")
    errors.TABLE.write_text("\n".join([*lines[:-1], lines[-1].replace("2" * 12, "1" * 12)]), encoding="utf-8")
    with pytest.raises(ValueError, match="mixes runs of other settings in hl60, gpu"):
        errors.read_rows()


def test_a_set_in_which_runs_fail_stops_no_other_and_none_begins_without_time(errors, monkeypatch, tmp_path, capsys):
    def study(data, out, plan, **how):
        out.mkdir(parents=True)
        write_table(out / "runs.csv", error_rows({("unet", "omission", 0.3): 1.0}), list(plan.keys()))
        write_json(out / "study.json", {"settings": {}, "digest": "0" * 12})
        if out.name == "hl60":
            raise ConfigError("nothing is left.")

    for name, value in {"TABLE": tmp_path / "rows.csv", "MADE": tmp_path / "made.json"}.items():
        monkeypatch.setattr(errors, name, value)
    monkeypatch.setattr(errors, "data_of", lambda *_: tmp_path)
    monkeypatch.setattr(errors, "run_study", study)
    options = Namespace(budget="cpu", sets="hl60,consep", out=tmp_path / "out", data=tmp_path, workers=1, seconds=100.0)
    rows, failed = errors.run(options)
    assert {key: len(own) for key, own in rows.items()} == {("cpu", "hl60"): 4, ("cpu", "consep"): 4}
    assert failed == ["hl60"]
    assert "hl60: nothing is left.\nhl60: 52 runs are left for another call\n" in capsys.readouterr().out
    options.seconds, options.out = 0.5, tmp_path / "again"
    assert errors.run(options) == (rows, [])
    assert capsys.readouterr().out == "hl60: left for another call\nconsep: left for another call\n"


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


def test_tissue_at_half_its_resolution(errors):
    instances = np.zeros((4, 4), np.int32)
    instances[1, 1], instances[2:, 2:] = 7, 9
    pixels = np.stack([np.arange(16, dtype=np.uint8).reshape(4, 4)] * 3)
    image = CellImage(pixels=pixels, instances=instances, classes={7: "epithelial", 9: "inflammatory", 8: "epithelial"})
    half = import_module("error_sets").shrunk(image, 2)
    assert half.pixels[0].tolist() == [[2, 4], [10, 12]]  # means of 2.5, 4.5, 10.5 and 12.5, rounded to even
    assert half.pixels.dtype == np.uint8
    assert half.instances.tolist() == [[7, 0], [0, 9]]
    assert half.classes == {7: "epithelial", 9: "inflammatory"}
    assert import_module("error_sets").shrunk(image, 1) is image


def test_tissue_in_quarters(errors):
    instances = np.arange(1, 17, dtype=np.int32).reshape(4, 4)
    image = CellImage(name="a", pixels=instances[None].astype(np.uint8), instances=instances, classes={1: "epithelial", 16: "inflammatory"})
    found = list(import_module("error_sets").quarters(image))
    assert [own.name for own in found] == ["a_0", "a_1", "a_2", "a_3"]
    assert [own.instances.ravel().tolist() for own in found] == [[1, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]]
    assert [dict(own.classes) for own in found] == [{1: "epithelial"}, {}, {}, {16: "inflammatory"}]
    assert (found[2].pixels[0] == found[2].instances).all()


def test_missing_tissue_ends_with_3_and_says_so(errors, tmp_path, capsys):
    with pytest.raises(SystemExit, match="3"):
        import_module("error_sets").make_consep(tmp_path / "none", tmp_path / "data", 1)
    assert "pass --data" in capsys.readouterr().err
