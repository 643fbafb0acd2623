"""--crf, --crf-width and --crf-weight of scan and outline."""

import subprocess
import sys

import click
import geopandas
import pytest
import rasterio
from click.testing import CliRunner

from segcli.crf import crf_options
from segcore.files import read_json

CORNER = ("--area", "400000,3699700,400300,3700000", "--threads", 1)


@pytest.fixture(params=["outline", "scan"])
def command(request, world, chain, tmp_path):
    """The arguments of one of the commands, without options."""
    points = [world.points] if request.param == "outline" else []
    return [request.param, world.raster, *points, chain.model, "-o", tmp_path / "result"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--crf", "fog"), "'grid', 'pydensecrf', 'none'"),
        (("--crf-width", "80"), "--crf-width is a number above 0 with its unit, m or px; got '80'"),
        (("--crf-width", "-3px"), "got '-3px'"),
        (("--crf-width", "nanm"), "got 'nanm'"),
        (("--crf-width", "0.5m"), "from one pixel to one window (32px, 64m)"),
        (("--crf-width", "33px"), "Choose one between"),
        (("--crf-weight", "-1"), "appearance_weight is a number >= 0, got -1.0"),
        (("--crf-weight", "nan"), "appearance_weight is a number >= 0, got nan"),
        (("--crf-weight", "much"), "--crf-weight"),
        (("--crf", "none", "--crf-weight", "2"), "got --crf none"),
    ],
)
def test_options_that_cannot_be(command, refused, options, words):
    assert words in refused(*command, *options)


def test_a_backend_that_is_not_installed(command, geoseg, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    done = geoseg(*command, "--crf", "pydensecrf")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("Error: the CRF backend pydensecrf needs the extra crf")
    assert "pip install 'geocellseg[crf]'" in done.stderr
    assert not (tmp_path / "result").exists()


def refining(command):
    record = read_json(command[-1] / "run.json")
    return record["config"]["settings"]["refining"]


def test_what_is_said_is_what_is_done(command, works):
    works(*command, "--crf-width", "24m", "--crf-weight", 3, *CORNER)
    crf = refining(command)["crf"]
    assert (crf["backend"], crf["appearance_sigma"], crf["appearance_weight"]) == ("grid", 12.0, 3.0)
    works(*command, "--crf", "none", "--overwrite", *CORNER)
    assert refining(command)["crf"] is None


def test_the_backends_draw_nearly_the_same(command, works, tmp_path):
    pytest.importorskip("pydensecrf")
    done = {}
    for backend in ("grid", "pydensecrf"):
        run = works(*command, "--crf", backend, "--crf-width", "8px", "--overwrite", *CORNER)
        assert ("does not tile exactly" in run.stderr) == (backend == "pydensecrf" and command[0] == "scan")
        assert refining(command)["crf"]["backend"] == backend
        if command[0] == "scan":
            with rasterio.open(command[-1] / "mask.tif") as source:
                done[backend] = float((source.read(1) == 1).sum())
        else:
            done[backend] = float(geopandas.read_file(command[-1] / "outlines.gpkg", layer="outlines").area.sum())
    assert done["grid"] > 0
    assert done["pydensecrf"] == pytest.approx(done["grid"], rel=0.1)


def test_a_run_is_not_resumed_with_another_crf(world, chain, geoseg, works, tmp_path):
    call = ["scan", world.raster, chain.model, "-o", tmp_path / "run", *CORNER]
    works(*call, "--crf-width", "12px", "--keep-work")
    for other in (("--crf-width", "13px"), ("--crf-width", "12px", "--crf-weight", 9), ("--crf", "none")):
        done = geoseg(*call, *other, "--resume")
        assert done.exit_code == 2
        assert "differs in refining" in done.stderr


def test_the_options_arrive_as_they_were_written():
    @click.command()
    @crf_options
    def show(**values):
        click.echo(values["crf"])

    call = CliRunner().invoke
    assert call(show, []).stdout == "CrfChoice(backend=None, width=None, weight=None)\n"
    said = call(show, ["--crf", "grid", "--crf-width", "80m", "--crf-weight", "0"]).stdout
    assert said == "CrfChoice(backend='grid', width=Length(value=80.0, unit='m'), weight=0.0)\n"


def test_help_loads_nothing_heavy():
    code = "import sys, segcli.scan, segcli.outline; print([own for own in ('torch', 'numpy', 'rasterio') if own in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
