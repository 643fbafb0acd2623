from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from rasterio.warp import transform

from geoseg.raster import open_raster
from geoseg.warp import utm_zone
from segcore.errors import ConfigError, InputError
from segcore.windows import Window

WriteRaster = Callable[..., Path]
DEGREES = Affine(2e-5, 0, 44.0, 0, -2e-5, 33.0)


def _disc(height: int, width: int) -> NDArray[np.uint8]:
    rows, cols = np.ogrid[:height, :width]
    return (((rows - 80) ** 2 + (cols - 120) ** 2 < 30**2) * 200 + 20).astype(np.uint8)[None]


def test_degrees_are_read_in_metres_at_native_spacing(write_raster: WriteRaster) -> None:
    source = open_raster(write_raster(_disc(160, 240), crs="EPSG:4326", transform=DEGREES))
    assert source.crs.to_epsg() == 32638
    assert source.native_crs.to_epsg() == 4326
    assert 1.85 < source.pixel_size < 2.22  # 2e-5 degrees at 33 N: 1.87 m east-west, 2.22 m north-south
    assert source.notes == (f"scene.tif is in degrees (EPSG:4326); it is read through a warp to EPSG:32638 at {source.pixel_size:.4g} m.",)


def test_degrees_keep_things_where_they_are(write_raster: WriteRaster) -> None:
    source = open_raster(write_raster(_disc(160, 240), crs="EPSG:4326", transform=DEGREES))
    whole = source.grid.extent
    centre = np.argwhere(source.read(whole)[0] > 120).mean(axis=0) + 0.5
    xs, ys = transform("EPSG:4326", "EPSG:32638", [44.0 + 120.5 * 2e-5], [33.0 - 80.5 * 2e-5])
    np.testing.assert_allclose(source.grid.to_map([centre]), [[xs[0], ys[0]]], atol=0.5)


def test_a_warp_leaves_no_black_rim(write_raster: WriteRaster) -> None:
    source = open_raster(write_raster(np.full((1, 160, 240), 50, np.uint8), crs="EPSG:4326", transform=DEGREES))
    pixels, valid = source.read(source.grid.extent)[0], source.mask(source.grid.extent)
    assert valid.mean() > 0.95
    np.testing.assert_array_equal(pixels[valid], 50)


def test_degrees_at_a_coarser_pixel_size(write_raster: WriteRaster) -> None:
    source = open_raster(write_raster(_disc(160, 240), crs="EPSG:4326", transform=DEGREES), pixel_size=5)
    assert source.pixel_size == pytest.approx(5)
    inner = source.read(source.grid.extent)[0]
    assert (inner > 120).sum() * 25 == pytest.approx(math.pi * 30**2 * 1.87 * 2.22, rel=0.05)


def test_web_mercator_metres_are_not_metres(write_raster: WriteRaster) -> None:
    """At 60 N a Mercator metre is half a metre on the ground."""
    (x,), (y,) = transform("EPSG:4326", "EPSG:3857", [15.0], [60.0])
    source = open_raster(write_raster(_disc(160, 240), crs="EPSG:3857", transform=Affine(2, 0, x, 0, -2, y)))
    assert source.crs.to_epsg() == 32633
    assert source.pixel_size == pytest.approx(1.0, rel=0.02)
    assert "2 m on the map but 1 m on the ground" in source.notes[0]


@pytest.mark.parametrize(("place", "flip"), [(Affine(2, 0, 4e5, 0, 2, 3.6e6), (0,)), (Affine(-2, 0, 4e5, 0, -2, 3.6e6), (1,))])
def test_mirrored_rasters_are_read_north_up(write_raster: WriteRaster, pixels: NDArray[Any], place: Affine, flip: tuple[int, ...]) -> None:
    source = open_raster(write_raster(pixels, transform=place))
    assert source.transform.a > 0 > source.transform.e
    np.testing.assert_array_equal(source.read(Window(0, 0, 90, 120))[0], np.flip(pixels[0], flip))
    assert "mirrored" in source.notes[0]


def test_oblong_pixels_become_squares(write_raster: WriteRaster) -> None:
    source = open_raster(write_raster(np.full((1, 50, 100), 7, np.uint8), transform=Affine(2, 0, 4e5, 0, -4, 3.6e6)))
    assert source.transform.a == -source.transform.e == pytest.approx(math.sqrt(8))
    assert source.notes == ("scene.tif has pixels of 2 x 4 m; it is read at 2.828 m.",)
    assert (source.read(source.grid.extent)[0][source.mask(source.grid.extent)] == 7).all()


@pytest.mark.parametrize(("asked", "read"), [(2.09, 2.0), (1.91, 2.0), (2.2, 2.2), (0.5, 0.5)])
def test_five_percent_count_as_equal(write_raster: WriteRaster, pixels: NDArray[Any], asked: float, read: float) -> None:
    assert open_raster(write_raster(pixels), pixel_size=asked).pixel_size == pytest.approx(read)


@pytest.mark.parametrize("size", [0, -1, math.nan, math.inf])
def test_a_pixel_size_must_be_one(write_raster: WriteRaster, pixels: NDArray[Any], size: float) -> None:
    with pytest.raises(ConfigError, match="in metres and above 0"):
        open_raster(write_raster(pixels), pixel_size=size)


def test_no_crs(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    with pytest.raises(InputError, match=r"needs a CRS; scene\.tif has none.*gdal_edit\.py -a_srs EPSG:CODE .*scene\.tif$"):
        open_raster(write_raster(pixels, crs=None))
    with pytest.raises(InputError, match=r"gdal_edit\.py -a_srs EPSG:4326 "):
        open_raster(write_raster(pixels, "degrees.tif", crs=None, transform=DEGREES))


def test_no_place(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    with pytest.raises(InputError, match=r"needs a place on the map; .*-a_ullr MINX MAXY MAXX MINY"):
        open_raster(write_raster(pixels, crs=None, transform=None))


def test_rotated(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    place = Affine(2, 0.1, 4e5, 0.1, -2, 3.7e6)
    with pytest.raises(
        InputError, match=r"rotated or sheared\. Run: gdalwarp -t_srs EPSG:32638 -r cubic '?.*two words.tif'? .*two words_utm.tif"
    ):
        open_raster(write_raster(pixels, "two words.tif", transform=place))


def test_degrees_that_are_metres(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    with pytest.raises(InputError, match="degrees are within"):
        open_raster(write_raster(pixels, crs="EPSG:4326"))


def test_the_whole_world_has_no_utm_zone(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    with pytest.raises(InputError, match="one UTM grid covers 12 degrees"):
        open_raster(write_raster(pixels, crs="EPSG:4326", transform=Affine(3, 0, -180, 0, -2, 90)))


def test_another_planet(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    moon = "+proj=longlat +R=1737400 +no_defs"
    with pytest.raises(InputError, match="scene"):
        open_raster(write_raster(pixels, crs=moon, transform=DEGREES))


@pytest.mark.parametrize(("lon", "lat", "code"), [(44, 33, 32638), (-179.9, 1, 32601), (179.9, -1, 32760), (6, 50, 32632)])
def test_utm_zones(lon: float, lat: float, code: int) -> None:
    assert utm_zone(lon, lat).to_epsg() == code
