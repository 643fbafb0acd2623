"""Outputs that exist, folders that are closed, disks that are full: nothing is left behind."""

import errno
import os

import pytest

from segcore.files import read_json


@pytest.fixture(params=["chips", "train", "outline", "scan", "export", "evaluate", "explain"])
def command(request, world, chain):
    """command(out) -> the arguments of one of the commands that write."""
    small = ["--arch", "test_resnet", "--members", 1, "--epochs", 1, "--budget", "small"]
    arguments = {
        "chips": ["chips", world.raster, world.points, "--window", 32],
        "train": ["train", chain.chips, *small],
        "outline": ["outline", world.raster, world.points, chain.model],
        "scan": ["scan", world.raster, chain.model, "--area", "400000,3699600,400400,3700000", "--threads", 1],
        "export": ["export", chain.run / "sites.gpkg"],
        "evaluate": ["evaluate", world.some, world.expert, "--raster", world.raster],
        "explain": ["explain", world.raster, chain.model, "--at", "400600,3699400", "--methods", "grad-cam", "--threads", 1],
    }[request.param]
    suffix = {"export": ".fgb", "evaluate": ".json", "explain": ".png"}.get(request.param, "")
    return lambda folder: [*arguments, "-o", folder / f"result{suffix}"]


def test_an_output_that_exists(command, refused, tmp_path):
    out = command(tmp_path)[-1]
    out.write_text("mine")
    message = refused(*command(tmp_path))
    assert f"{out} exists" in message
    assert "--overwrite" in message
    assert out.read_text() == "mine"


def test_a_parent_that_is_a_file(command, refused, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "needs a folder that can be written" in refused(*command(tmp_path / "file"))


def test_a_folder_that_is_closed(command, refused, tmp_path, monkeypatch):
    real = os.access
    monkeypatch.setattr("os.access", lambda path, mode, **rest: False if os.fspath(path) == str(tmp_path) else real(path, mode, **rest))
    assert f"{tmp_path} cannot" in refused(*command(tmp_path))


def full(*_arguments, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("chips", "numpy.lib.format.write_array_header_1_0"),
        ("chips", "matplotlib.figure.Figure.savefig"),
        ("chips", "pyogrio.write_dataframe"),
        ("train", "pathlib.Path.write_bytes"),
        ("outline", "pyogrio.write_dataframe"),
        ("outline", "matplotlib.figure.Figure.savefig"),
        ("outline", "pathlib.Path.write_text"),
        ("export", "pyogrio.write_dataframe"),
        ("evaluate", "pathlib.Path.write_text"),
        ("explain", "matplotlib.figure.Figure.savefig"),
    ],
    indirect=["command"],
)
def test_a_full_disk(command, refused, tmp_path, monkeypatch, place):
    monkeypatch.setattr(place, full)
    message = refused(*command(tmp_path))
    assert "is full" in message
    assert "Free space" in message


@pytest.mark.parametrize("command", ["scan"], indirect=True)
@pytest.mark.parametrize("place", ["segcore.pipeline.store.save", "geoseg.assemble.rasterio_copy", "pyogrio.write_dataframe"])
def test_a_disk_that_fills_up_during_a_scan_leaves_what_can_be_resumed(command, geoseg, works, tmp_path, monkeypatch, place):
    with monkeypatch.context() as patch:
        patch.setattr(place, full)
        done = geoseg(*command(tmp_path))
    assert done.exit_code == 2
    assert [line for line in done.stderr.splitlines() if line.startswith("Error: ")] == [done.stderr.splitlines()[-1]]
    assert "--resume" in done.stderr
    assert [path.name for path in (tmp_path / "result").iterdir()] == [".work"]
    works(*command(tmp_path), "--resume")
    assert read_json(tmp_path / "result/run.json")["counts"]["windows"] == 169


@pytest.mark.parametrize("command", ["chips", "outline", "scan", "export", "evaluate", "explain"], indirect=True)
def test_overwrite_replaces_what_is_there(command, works, tmp_path):
    works(*command(tmp_path))
    out = command(tmp_path)[-1]
    mark = out / "mark" if out.is_dir() else out
    mark.write_text("old")
    works(*command(tmp_path), "--overwrite")
    assert not mark.exists() or mark.read_bytes() != b"old"
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("command", ["scan"], indirect=True)
def test_overwrite_of_a_scan_spares_what_is_no_run(command, refused, tmp_path):
    (tmp_path / "result").mkdir()
    (tmp_path / "result/thesis.docx").write_text("mine")
    assert "something else" in refused(*command(tmp_path), "--overwrite")


def test_a_format_that_export_does_not_know(refused, chain, tmp_path):
    assert ".fgb" in refused("export", chain.run / "sites.gpkg", "-o", tmp_path / "sites.doc")


def test_export_of_something_else(refused, world, tmp_path):
    assert "needs a layer sites or outlines" in refused("export", world.points, "-o", tmp_path / "sites.fgb")


def test_evaluate_of_points(refused, world, tmp_path):
    message = refused("evaluate", world.points, world.expert, "--raster", world.raster, "-o", tmp_path / "m.json")
    assert "a layer of polygons is needed" in message


def test_evaluate_finds_a_picture_that_exists_before_it_works(refused, world, tmp_path):
    (tmp_path / "p.png").write_text("mine")
    assert "p.png exists" in refused("evaluate", world.some, world.expert, "--raster", world.raster, "--picture", tmp_path / "p.png")
