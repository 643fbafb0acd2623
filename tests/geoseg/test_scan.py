import json
import sys
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio

from geoseg.crf_choice import CrfChoice, default_crf
from geoseg.lengths import Length
from geoseg.model import SiteModel, load_model
from geoseg.scan import ScanOptions, scan_raster
from geoseg.scanning import ScanSettings
from geoseg.scene import RasterOptions, open_scene
from segcore.errors import BundleError, ConfigError, InputError, MissingExtraError, OutputError
from segcore.pipeline.refine import Refining
from segcore.progress import Silent

FINAL = ["activation.tif", "mask.tif", "preview.png", "run.json", "sites.fgb", "sites.geojson", "sites.gpkg"]
OPTIONS = ScanOptions(block=128)


class Killed(Exception):
    pass


class Tired:
    """Runs so many units, then dies."""

    def __init__(self, units):
        self.left = units

    def map(self, function, units):
        for unit in units:
            if self.left == 0:
                raise Killed
            self.left -= 1
            function(unit)
            yield unit


class Counting(Tired):
    done = 0

    def map(self, function, units):
        for unit in super().map(function, units):
            self.done += 1
            yield unit


@pytest.fixture(scope="module")
def scene(tells):
    return open_scene(tells.raster, RasterOptions(), progress=Silent())


@pytest.fixture
def model(tell_model, bright, monkeypatch):
    """The model with a fake evidence and plain settings."""

    def evidence(self, choice, device):
        bright.channels = (choice.method,)
        return bright

    monkeypatch.setattr(SiteModel, "evidence", evidence)
    model = load_model(tell_model)
    return replace(model, scan=replace(model.scan, gate=0.5, refining=Refining(smooth=0.8, threshold=0.5)))


def part(tells, rows, cols):
    """A corner of the scene as --area."""
    (minx, maxy), (maxx, miny) = tells.grid.to_map([(0, 0), (rows, cols)])
    return RasterOptions(area=f"{minx},{miny},{maxx},{maxy}")


@pytest.fixture
def small(tells):
    return open_scene(tells.raster, part(tells, 130, 150), progress=Silent())


def test_every_disc_is_found_and_nothing_else(tells, scene, model, tmp_path):
    findings = scan_raster(scene, model, tmp_path / "RUN", OPTIONS)
    run = tmp_path / "RUN"
    assert sorted(path.name for path in run.iterdir()) == FINAL
    assert len(findings.sites) == 48
    with rasterio.open(run / "mask.tif") as source:
        mask = source.read(1)
    assert (mask[380:, 440:] == 255).all()
    assert 2 * ((mask == 1) & tells.truth).sum() / ((mask == 1).sum() + tells.truth.sum()) > 0.97
    record = json.loads((run / "run.json").read_text())
    assert record["kind"] == "scan"
    assert record["counts"]["sites"] == 48
    assert record["counts"]["windows"] == 24 * 31
    assert record["counts"]["explained"] == len(geopandas.read_file(run / "sites.gpkg", layer="windows"))
    assert record["config"]["settings"]["gate"] == 0.5
    assert record["tuned_on"] == model.facts["tuned_on"]
    assert len(json.loads((run / "sites.geojson").read_text())["features"]) == 48
    assert len(geopandas.read_file(run / "sites.fgb")) == 48


def test_a_scan_with_the_real_network(tells, small, tell_model, tmp_path):
    findings = scan_raster(small, load_model(tell_model), tmp_path / "RUN", ScanOptions())
    assert 2 <= len(findings.sites) <= 6
    assert findings.sites["score"].between(0.3, 1).all()


def test_an_interrupted_run_goes_on_to_the_same_files(small, model, tmp_path):
    scan_raster(small, model, tmp_path / "whole", OPTIONS)
    for units in (0, 2, 5):
        out = tmp_path / f"killed{units}"
        with pytest.raises(Killed):
            scan_raster(small, model, out, OPTIONS, runner=Tired(units))
        assert [path.name for path in out.iterdir()] == [".work"]
        rest = Counting(-1)
        scan_raster(small, model, out, OPTIONS, resume=True, runner=rest)
        assert sorted(path.name for path in out.iterdir()) == FINAL
        record = json.loads((out / "run.json").read_text())
        total = -(-record["counts"]["windows"] // 16) + record["counts"]["blocks"]
        assert rest.done == total - units
        for name in ("activation.tif", "mask.tif", "sites.geojson", "sites.fgb", "preview.png"):
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"threshold": 0.4}, "refining"),
        ({"overlap": 0.25}, "grid"),
        ({"block": 64}, "block"),
        ({"method": "grad-cam"}, "map"),
        ({"crf": CrfChoice(backend="grid")}, "refining"),
        ({"crf": CrfChoice(weight=3.0)}, "refining"),
    ],
)
def test_resume_with_other_settings_is_refused_by_name(small, model, tmp_path, change, name):
    with pytest.raises(Killed):
        scan_raster(small, model, tmp_path / "RUN", OPTIONS, runner=Tired(1))
    with pytest.raises(InputError, match=rf"differs in .*{name}"):
        scan_raster(small, model, tmp_path / "RUN", replace(OPTIONS, **change), resume=True)
    scan_raster(small, model, tmp_path / "RUN", OPTIONS, resume=True)


def test_resume_with_another_area_or_model_is_refused(tells, small, model, tmp_path):
    with pytest.raises(Killed):
        scan_raster(small, model, tmp_path / "RUN", OPTIONS, runner=Tired(1))
    other = open_scene(tells.raster, part(tells, 140, 150), progress=Silent())
    with pytest.raises(InputError, match=r"differs in area, region\."):
        scan_raster(other, model, tmp_path / "RUN", OPTIONS, resume=True)
    with pytest.raises(InputError, match=r"differs in model\."):
        scan_raster(small, replace(model, digest="else"), tmp_path / "RUN", OPTIONS, resume=True)


def test_a_finished_run_is_not_resumed_nor_replaced(small, model, tmp_path):
    scan_raster(small, model, tmp_path / "RUN", OPTIONS)
    before = (tmp_path / "RUN" / "run.json").read_bytes()
    with pytest.raises(InputError, match="needs an unfinished run"):
        scan_raster(small, model, tmp_path / "RUN", OPTIONS, resume=True)
    with pytest.raises(OutputError, match="exists"):
        scan_raster(small, model, tmp_path / "RUN", OPTIONS)
    assert (tmp_path / "RUN" / "run.json").read_bytes() == before
    (tmp_path / "RUN" / "old.txt").touch()
    scan_raster(small, model, tmp_path / "RUN", OPTIONS, overwrite=True)
    assert not (tmp_path / "RUN" / "old.txt").exists()


@pytest.mark.parametrize("content", [{}, {"run.json": '{"kind": "outline"}'}, {"notes.txt": "mine"}])
def test_only_runs_are_overwritten(small, model, tmp_path, content):
    out = tmp_path / "RUN"
    out.mkdir()
    for name, text in content.items():
        (out / name).write_text(text)
    with pytest.raises(OutputError, match="something else"):
        scan_raster(small, model, out, OPTIONS, overwrite=True)
    assert {path.name: path.read_text() for path in out.iterdir()} == content


def test_an_unfinished_run_may_be_overwritten(small, model, tmp_path):
    with pytest.raises(Killed):
        scan_raster(small, model, tmp_path / "RUN", OPTIONS, runner=Tired(1))
    scan_raster(small, model, tmp_path / "RUN", replace(OPTIONS, threshold=0.6), overwrite=True)
    assert (tmp_path / "RUN" / "run.json").is_file()


def test_final_files_come_by_rename_and_run_json_last(small, model, tmp_path, monkeypatch):
    renamed, replace_file = [], Path.replace

    def spy(self, target):
        if Path(target).parent == tmp_path / "RUN":
            assert self.parent == tmp_path / "RUN" / ".work" / "final"
            renamed.append(Path(target).name)
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", spy)
    scan_raster(small, model, tmp_path / "RUN", OPTIONS, keep_work=True)
    assert sorted(renamed) == FINAL
    assert renamed[-1] == "run.json"
    assert (tmp_path / "RUN" / ".work" / "plan.json").is_file()


def test_the_plan_says_what_must_be_equal(small, model, tmp_path):
    scan_raster(small, model, tmp_path / "RUN", OPTIONS)
    identity = json.loads((tmp_path / "RUN" / "run.json").read_text())["config"]["plan"]["identity"]
    assert set(identity) == {"raster", "model", "map", "area", "stretch", "device"}
    assert identity["raster"] == small.source.fingerprint
    assert identity["model"] == model.digest
    assert identity["area"].startswith("POLYGON")


def test_what_a_user_may_say_instead(model):
    assert ScanOptions().settings(model) == model.scan
    assert ScanOptions(threshold=0.7).settings(model).refining.threshold == 0.7
    with_crf = ScanOptions(crf=CrfChoice(backend="grid")).settings(model)
    assert with_crf.refining.crf == default_crf(32)
    tuned = replace(model, scan=ScanSettings(choice=model.scan.choice, gate=0.5, refining=with_crf.refining))
    assert ScanOptions(crf=CrfChoice(backend="none")).settings(tuned).refining.crf is None
    assert ScanOptions(method="grad-cam").settings(model).choice.method == "grad-cam"
    for wrong, message in (
        ({"threshold": 1.5}, "between 0 and 1"),
        ({"method": "x"}, "a map is one of"),
        ({"method": "score-cam"}, "--calibrate"),
    ):
        with pytest.raises(ConfigError, match=message):
            ScanOptions(**wrong).settings(model)


@pytest.mark.parametrize("change", [CrfChoice(width=Length(11, "px")), CrfChoice(weight=2.0), CrfChoice(backend="none")])
def test_resume_with_another_crf_is_refused(small, model, tmp_path, change):
    options = replace(OPTIONS, crf=CrfChoice(width=Length(10, "px")))
    with pytest.raises(Killed):
        scan_raster(small, model, tmp_path / "RUN", options, runner=Tired(1))
    with pytest.raises(InputError, match=r"differs in refining\."):
        scan_raster(small, model, tmp_path / "RUN", replace(OPTIONS, crf=change), resume=True)
    scan_raster(small, model, tmp_path / "RUN", options, resume=True)


def test_a_width_in_metres_is_one_of_the_raster_as_it_is_read(small, model, tmp_path):
    assert small.source.pixel_size == pytest.approx(2.0)
    other = replace(model, facts={**model.facts, "pixel_size": 2.05})
    scan_raster(small, other, tmp_path / "RUN", replace(OPTIONS, crf=CrfChoice(width=Length(20, "m"))))
    refining = json.loads((tmp_path / "RUN" / "run.json").read_text())["config"]["settings"]["refining"]
    assert refining["crf"]["appearance_sigma"] == pytest.approx(10.0)


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def test_a_scan_with_pydensecrf_says_so_and_nearly_equals_the_grid(small, model, tmp_path):
    pytest.importorskip("pydensecrf")
    masks, heard = {}, Heard()
    for backend in ("grid", "pydensecrf"):
        crf = CrfChoice(backend=backend, width=Length(5, "px"))
        scan_raster(small, model, tmp_path / backend, replace(OPTIONS, crf=crf), progress=heard)
        with rasterio.open(tmp_path / backend / "mask.tif") as source:
            masks[backend] = source.read(1)
    assert len([line for line in heard.lines if "does not tile exactly" in line]) == 1
    assert (masks["grid"] == masks["pydensecrf"]).mean() > 0.98
    assert (masks["grid"] == 1).any()


def test_without_the_extra_nothing_is_begun(small, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        scan_raster(small, model, tmp_path / "RUN", replace(OPTIONS, crf=CrfChoice(backend="pydensecrf")))
    assert not (tmp_path / "RUN").exists()


def test_another_number_of_bands_is_refused(model, tmp_path, write_raster):
    two = open_scene(write_raster(np.ones((2, 50, 50), np.uint8)), RasterOptions(bands=(1, 2)), progress=Silent())
    with pytest.raises(BundleError, match="reads 1 band"):
        scan_raster(two, model, tmp_path / "RUN", OPTIONS)
    assert not (tmp_path / "RUN").exists()
