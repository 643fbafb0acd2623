"""Rasters that are refused, and odd ones that work."""

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.warp import transform_bounds

from segcore.files import read_json


@pytest.fixture(params=["chips", "scan", "outline"])
def command(request, world, tmp_path):
    """command(raster) -> the arguments of one of the commands that read a raster."""
    rest = {"chips": [world.points], "scan": [], "outline": [world.points]}[request.param]
    if request.param != "chips":
        rest = [*rest, request.getfixturevalue("chain").model]
    return lambda raster: [request.param, raster, *rest, "-o", tmp_path / "result"]


def test_a_file_that_is_not_there(command, refused, tmp_path):
    assert "nowhere.tif is not there" in refused(*command(tmp_path / "nowhere.tif"))


def test_a_file_that_is_no_raster(command, refused, tmp_path):
    (tmp_path / "notes.tif").write_text("a letter")
    assert "notes.tif is not" in refused(*command(tmp_path / "notes.tif"))


def test_a_truncated_tiff(command, refused, world, tmp_path):
    half = tmp_path / "half.tif"
    half.write_bytes(world.raster.read_bytes()[: world.raster.stat().st_size // 2])
    message = refused(*command(half))
    assert "half.tif is not" in message
    assert "again" in message


def test_no_crs(command, refused, world, scene):
    assert "gdal_edit.py -a_srs" in refused(*command(scene(world.pixels, crs=None)))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_control_points_only(command, refused, world, scene):
    path = scene(world.pixels, crs=None, transform=None)
    with rasterio.open(path, "r+") as raster:
        corners = [(0, 0, 400_000, 3_700_000), (0, 700, 401_400, 3_700_000), (600, 0, 400_000, 3_698_800)]
        raster.gcps = [GroundControlPoint(*corner) for corner in corners], CRS.from_epsg(32638)
    assert "gdalwarp" in refused(*command(path))


def test_several_bands_and_no_choice(command, refused, world, scene):
    assert "--bands 1" in refused(*command(scene(np.repeat(world.pixels, 3, 0))))


def test_a_band_that_is_not_there(command, refused, world):
    assert "--bands 2" in refused(*command(world.raster), "--bands", 2)


def test_nothing_but_nodata(command, refused, world, scene):
    assert "needs pixels with data" in refused(*command(scene(np.zeros_like(world.pixels), nodata=0)))


def test_a_nodata_value_that_pixels_cannot_have(command, refused, world):
    assert "-9999" in refused(*command(world.raster), "--nodata", -9999)


def test_an_area_beside_the_raster(command, refused, world):
    assert "must lie on the raster" in refused(*command(world.raster), "--area", "0,0,10,10")


@pytest.fixture
def corner(world):
    """The lower right quarter of the scene with its nodata, and its place."""
    return world.pixels[:, 300:, 350:], rasterio.Affine(2.0, 0.0, 400_700.0, 0.0, -2.0, 3_699_400.0)


def test_nan_is_nodata(works, world, chain, scene, corner, tmp_path):
    pixels = np.where(corner[0] == 0, np.nan, corner[0]).astype(np.float32)
    raster = scene(pixels, transform=corner[1])
    works("chips", raster, world.points, "-o", tmp_path / "chips", "--window", 32)
    works("scan", raster, chain.model, "-o", tmp_path / "run", "--threads", 1)
    with rasterio.open(tmp_path / "run/mask.tif") as mask:
        assert ((mask.read(1) == 255) == np.isnan(pixels[0])).all()
    assert len(geopandas.read_file(tmp_path / "run/sites.gpkg", layer="sites")) > 2


def test_smaller_than_a_window(works, world, chain, scene, tmp_path):
    row, col, _ = world.mounds[1].astype(int)
    pixels = world.pixels[:, row - 12 : row + 12, col - 14 : col + 14]
    place = rasterio.Affine(2.0, 0.0, 400_000 + 2 * (col - 14), 0.0, -2.0, 3_700_000 - 2 * (row - 12))
    raster = scene(pixels, transform=place)
    works("scan", raster, chain.model, "-o", tmp_path / "run", "--threads", 1)
    works("outline", raster, world.points, chain.model, "-o", tmp_path / "out", "--threads", 1)
    assert read_json(tmp_path / "run/run.json")["counts"]["windows"] == 1
    assert len(geopandas.read_file(tmp_path / "out/outlines.gpkg", layer="outlines")) == 1


def test_degrees_are_read_through_a_warp_and_it_is_said(works, world, chain, scene, corner, tmp_path):
    left, bottom, right, top = transform_bounds("EPSG:32638", "EPSG:4326", 400_700, 3_698_800, 401_400, 3_699_400)
    place = rasterio.Affine((right - left) / 350, 0, left, 0, (bottom - top) / 300, top)
    raster = scene(corner[0], crs="EPSG:4326", transform=place, nodata=0)
    for arguments in (
        ("chips", raster, world.points, "-o", tmp_path / "chips", "--window", 32),
        ("scan", raster, chain.model, "-o", tmp_path / "run", "--threads", 1),
    ):
        said = [line for line in works(*arguments).stderr.splitlines() if "EPSG:4326" in line]
        assert len(said) == 1
        assert "EPSG:32638" in said[0]
    assert geopandas.read_file(tmp_path / "run/sites.gpkg", layer="sites").crs == "EPSG:32638"
