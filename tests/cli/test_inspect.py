import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from segcli.main import GROUPS


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "scene.tif"
    pixels = np.random.default_rng(0).integers(1, 255, (1, 64, 96), dtype=np.uint8)
    place = {"crs": "EPSG:32637", "transform": rasterio.Affine(2, 0, 500_000, 0, -2, 4_000_000)}
    with rasterio.open(path, "w", driver="GTiff", count=1, height=64, width=96, dtype="uint8", **place) as out:
        out.write(pixels)
    return path


def inspect(*arguments):
    return CliRunner().invoke(GROUPS["geoseg"], ["inspect", *map(str, arguments)])


def test_facts_go_to_stdout(raster):
    done = inspect(raster, "--nodata", "0", "--bands", "1")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "scene.tif" in done.stdout
    assert "96 x 64 px" in done.stdout
    assert "EPSG:32637" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nowhere.tif"], "nowhere.tif"),
        (["/vsicurl/http://localhost/x.tif"], "--allow-remote"),
        (["RASTER", "--model", "nowhere"], "bundle.json"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(raster, arguments, word):
    done = inspect(*[raster if argument == "RASTER" else argument for argument in arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: ")
    assert word in done.stderr
