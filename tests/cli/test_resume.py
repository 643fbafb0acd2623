"""A scan that was killed goes on where it stopped and ends in the same bytes."""

import time

import pytest

FILES = ("sites.geojson", "sites.fgb", "activation.tif", "mask.tif")
DENSE = ("--overlap", 0.6, "--threads", 1, "--device", "cpu")
"""Some 2,300 windows, 150 units."""


@pytest.fixture(scope="module")
def whole(works, world, chain, tmp_path_factory):
    """A run that nobody disturbed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    works("scan", world.raster, chain.model, "-o", run, *DENSE)
    return run


@pytest.fixture(scope="module")
def killed(geoseg_process, world, chain, tmp_path_factory):
    """A run that was killed while it explained windows."""
    run = tmp_path_factory.mktemp("killed") / "run"
    process = geoseg_process("scan", world.raster, chain.model, "-o", run, *DENSE)
    while process.poll() is None and len(units(run)) < 20:
        time.sleep(0.005)
    process.kill()
    said = process.communicate()[0]
    assert process.returncode == -9, said
    return run


def units(run):
    return sorted((run / ".work/windows").glob("[0-9]*.safetensors"))


def test_a_killed_scan_leaves_nothing_that_looks_finished(killed):
    assert len(units(killed)) >= 20
    assert [path.name for path in killed.iterdir()] == [".work"]


def test_it_is_not_taken_for_free_ground(killed, geoseg, world, chain):
    done = geoseg("scan", world.raster, chain.model, "-o", killed, *DENSE)
    assert done.exit_code == 2
    assert "unfinished run. Go on with --resume, or pass --overwrite." in done.stderr


def test_it_goes_on_only_with_the_settings_it_began_with(killed, geoseg, world, chain):
    done = geoseg("scan", world.raster, chain.model, "-o", killed, *DENSE, "--threshold", 0.2, "--resume")
    assert done.exit_code == 2
    assert "refining" in done.stderr
    assert len(units(killed)) >= 20


def test_resumed_it_ends_in_the_same_bytes(killed, whole, works, world, chain):
    stamps = {path.name: path.stat().st_mtime_ns for path in units(killed)}
    works("scan", world.raster, chain.model, "-o", killed, *DENSE, "--resume", "--keep-work")
    assert [name for name in FILES if (killed / name).read_bytes() != (whole / name).read_bytes()] == []
    assert sorted(path.name for path in killed.iterdir() if path.name != ".work") == sorted(path.name for path in whole.iterdir())
    redone = [name for name, stamp in stamps.items() if (killed / ".work/windows" / name).stat().st_mtime_ns != stamp]
    assert redone == []


def test_a_finished_run_cannot_be_resumed(whole, geoseg, world, chain):
    done = geoseg("scan", world.raster, chain.model, "-o", whole, *DENSE, "--resume")
    assert done.exit_code == 2
    assert "unfinished" in done.stderr


def test_a_damaged_unit_is_named_with_the_way_out(whole, geoseg, works, world, chain, tmp_path):
    run, area = tmp_path / "run", ("--area", "400000,3699600,400400,3700000", "--threads", 1)
    works("scan", world.raster, chain.model, "-o", run, *area, "--keep-work")
    unit = units(run)[1]
    unit.write_bytes(unit.read_bytes()[:-9])
    again = geoseg("scan", world.raster, chain.model, "-o", run, *area, "--resume")
    assert again.exit_code == 1
    assert str(unit) in again.stderr
    assert "Delete it" in again.stderr
