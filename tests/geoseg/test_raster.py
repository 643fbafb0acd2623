from __future__ import annotations

import json
import math
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

from geoseg.raster import RasterSource, open_raster
from segcore.errors import ConfigError, InputError
from segcore.io.protocol import ImageSource
from segcore.windows import Window

WriteRaster = Callable[..., Path]

WHOLE = Window(0, 0, 90, 120)
TYPES = ("uint8", "uint16", "int16", "float32", "float64")


@pytest.mark.parametrize("dtype", TYPES)
def test_pixels_come_as_they_are_stored(write_raster: WriteRaster, pixels: NDArray[Any], dtype: str) -> None:
    with open_raster(write_raster(pixels.astype(dtype))) as source:
        seam: ImageSource = source
        assert (seam.name, seam.shape, seam.dtype) == ("scene", (1, 90, 120), np.dtype(dtype))
        np.testing.assert_array_equal(source.read(WHOLE), pixels)
        assert source.mask(WHOLE).all()
        assert source.pixel_size == 2
        assert source.notes == ()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(st.integers(-20, 100), st.integers(-20, 130), st.integers(1, 60), st.integers(1, 60)))
def test_overhanging_windows_are_padded(write_raster: WriteRaster, corner: tuple[int, int, int, int]) -> None:
    array = np.random.default_rng(1).integers(0, 250, (1, 90, 120), dtype=np.uint8)
    window = Window(*corner)
    padded = np.pad(array, ((0, 0), (80, 200), (80, 200)))
    inside = np.pad(np.ones((90, 120), dtype=bool), ((80, 200), (80, 200)))
    here = window.shift(80, 80).slices
    with open_raster(write_raster(array)) as source:
        np.testing.assert_array_equal(source.read(window), padded[:, *here])
        np.testing.assert_array_equal(source.mask(window), inside[here])


def test_zero_is_data_unless_declared(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    pixels[0, :10] = 0
    assert open_raster(write_raster(pixels)).mask(WHOLE).all()
    expected = np.arange(90)[:, None].repeat(120, 1) >= 10
    np.testing.assert_array_equal(open_raster(write_raster(pixels, "a.tif", nodata=0)).mask(WHOLE), expected)
    np.testing.assert_array_equal(open_raster(write_raster(pixels, "b.tif"), nodata=0).mask(WHOLE), expected)
    assert open_raster(write_raster(pixels, "c.tif", nodata=0), nodata=255).mask(WHOLE).all()


def test_a_nodata_value_no_pixel_can_have(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    path = write_raster(pixels)
    for value in (-9999, 0.5, math.nan):
        with pytest.raises(ConfigError, match="is none of uint8"):
            open_raster(path, nodata=value)


def _alpha(write_raster: WriteRaster, pixels: NDArray[Any], hole: NDArray[np.bool_]) -> Path:
    stack = np.concatenate([pixels, np.where(hole, 0, 255)[None].astype(np.uint8)])
    return write_raster(stack, colours=(ColorInterp.gray, ColorInterp.alpha))


def _msk(write_raster: WriteRaster, pixels: NDArray[Any], hole: NDArray[np.bool_]) -> Path:
    path = write_raster(pixels, mask=np.where(hole, 0, 255).astype(np.uint8))
    assert path.with_name("scene.tif.msk").exists()
    return path


def _nan(write_raster: WriteRaster, pixels: NDArray[Any], hole: NDArray[np.bool_]) -> Path:
    array = pixels.astype(np.float32)
    array[0, hole] = np.where(np.arange(hole.sum()) % 2, np.nan, np.inf)
    return write_raster(array)


def _only_nan(write_raster: WriteRaster, pixels: NDArray[Any], hole: NDArray[np.bool_]) -> Path:
    return write_raster(np.where(hole, np.nan, pixels).astype(np.float32))


def _declared(write_raster: WriteRaster, pixels: NDArray[Any], hole: NDArray[np.bool_]) -> Path:
    array = pixels.astype(np.float32)
    array[0, hole] = np.finfo(np.float32).min
    return write_raster(array, nodata=float(np.finfo(np.float32).min))


def _both(write_raster: WriteRaster, pixels: NDArray[Any], hole: NDArray[np.bool_]) -> Path:
    """Half of the hole by nodata, the other half by .msk."""
    first = hole & (np.arange(120) < 30)
    pixels[0, first] = 0
    return write_raster(pixels, nodata=0, mask=np.where(hole & ~first, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("make", [_alpha, _msk, _nan, _declared, _both])
def test_missing_pixels_in_every_dress(write_raster: WriteRaster, pixels: NDArray[Any], make: Any) -> None:
    hole = np.zeros((90, 120), dtype=bool)
    hole[20:40, 10:70] = True
    with open_raster(make(write_raster, pixels, hole)) as source:
        assert source.shape == (1, 90, 120)
        np.testing.assert_array_equal(source.mask(WHOLE), ~hole)
        assert np.isfinite(source.read(WHOLE)).all()
        np.testing.assert_array_equal(source.read(WHOLE)[0][~hole], pixels[0][~hole])


@pytest.mark.parametrize("make", [_alpha, _msk, _only_nan, _declared])
@pytest.mark.parametrize("size", [1.0, 4.0])
def test_missing_pixels_survive_resampling(write_raster: WriteRaster, pixels: NDArray[Any], make: Any, size: float) -> None:
    hole = np.zeros((90, 120), dtype=bool)
    hole[20:40, 10:70] = True
    with open_raster(make(write_raster, np.full_like(pixels, 99), hole), pixel_size=size) as source:
        whole = source.grid.extent
        expected = ~hole[::2, ::2] if size == 4 else ~hole.repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(source.mask(whole), expected)
        np.testing.assert_allclose(source.read(whole)[0][expected], 99, atol=1e-3)


def test_several_bands_need_a_choice(write_raster: WriteRaster) -> None:
    array = np.arange(4 * 90 * 120, dtype=np.uint16).reshape(4, 90, 120)
    path = write_raster(array, colours=(ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined))
    with pytest.raises(InputError, match=r"has 4 bands: 1 red, 2 green, 3 blue, 4 undefined. Pass --bands"):
        open_raster(path)
    np.testing.assert_array_equal(open_raster(path, bands=(4, 2)).read(WHOLE), array[[3, 1]])
    for bands in ((5,), (0,), ()):
        with pytest.raises(ConfigError, match="numbered from 1"):
            open_raster(path, bands=bands)


def test_a_pixel_is_valid_where_all_chosen_bands_are(write_raster: WriteRaster) -> None:
    array = np.ones((2, 90, 120), dtype=np.uint8)
    array[0, :5], array[1, -5:] = 0, 0
    source = open_raster(write_raster(array, nodata=0), bands=(1, 2))
    assert source.mask(WHOLE).sum() == 80 * 120


def test_complex_numbers_and_colour_tables_are_refused(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    with pytest.raises(InputError, match=r"plain numbers; scene\.tif holds complex64"):
        open_raster(write_raster(pixels.astype(np.complex64)))
    path = write_raster(pixels, "colours.tif", photometric="palette", colours=(ColorInterp.palette,))
    with pytest.raises(InputError, match="-expand gray"):
        open_raster(path)


def test_missing_foreign_and_empty_files(write_raster: WriteRaster, tmp_path: Path, pixels: NDArray[Any]) -> None:
    with pytest.raises(InputError, match="is not there"):
        open_raster(tmp_path / "none.tif")
    with pytest.raises(InputError, match="is a folder"):
        open_raster(tmp_path)
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(InputError, match=r"a file GDAL can read.*text.tif is not"):
        open_raster(tmp_path / "text.tif")
    with pytest.raises(InputError, match=r"scene\.tif has none \(all nodata"):
        open_raster(write_raster(np.zeros_like(pixels), nodata=0))


@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 128, "blockysize": 128}, {"compress": "deflate"}])
def test_truncated_files_are_found_at_the_door(
    write_raster: WriteRaster, layout: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_raster(np.random.default_rng(0).integers(1, 255, (1, 600, 700), dtype=np.uint8), **layout)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 9 // 10])
    with pytest.raises(InputError, match=r"readable to the last pixel; .*scene.tif is not at row \d+, col \d+"):
        open_raster(path)
    assert capfd.readouterr() == ("", "")


def test_damage_found_while_reading_names_the_window(write_raster: WriteRaster, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_raster(
        np.random.default_rng(0).integers(1, 255, (1, 640, 640), dtype=np.uint8),
        compress="deflate",
        tiled=True,
        blockxsize=64,
        blockysize=64,
    )
    source = open_raster(path)
    source.close()
    with rasterio.open(path) as dataset:
        offset = int(dataset.get_tag_item("BLOCK_OFFSET_1_5", "TIFF", bidx=1))
    content = bytearray(path.read_bytes())
    content[offset : offset + 200] = b"\xff" * 200
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not at row 320, col 64, 10 x 10 px"):
        source.read(Window(320, 64, 10, 10))
    assert capfd.readouterr() == ("", "")


def test_a_pickled_source_reads_the_same(write_raster: WriteRaster, pixels: NDArray[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_raster(pixels)
    monkeypatch.chdir(path.parent)
    source = open_raster(path.name)
    source.read(WHOLE)
    monkeypatch.chdir("/")
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.read(WHOLE), pixels)
    assert copy.grid == source.grid
    assert copy.fingerprint == source.fingerprint


def _sum_of(source: RasterSource, queue: Any) -> None:
    queue.put(int(source.read(WHOLE).sum(dtype=np.int64)))


def test_a_forked_process_opens_its_own_handle(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    source = open_raster(write_raster(pixels))
    source.read(Window(0, 0, 1, 1))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_sum_of, args=(source, queue))
    child.start()
    assert queue.get(timeout=60) == pixels.sum(dtype=np.int64)
    child.join()


def test_the_fingerprint_follows_content_not_place(write_raster: WriteRaster, pixels: NDArray[Any], tmp_path: Path) -> None:
    path = write_raster(pixels)
    mark = open_raster(path).fingerprint
    assert json.loads(json.dumps(mark)) == mark
    moved = tmp_path / "elsewhere" / "other.tif"
    moved.parent.mkdir()
    shutil.copy(path, moved)
    assert open_raster(moved).fingerprint == mark
    pixels[0, 60, 50] ^= 1
    assert open_raster(write_raster(pixels)).fingerprint != mark
    assert open_raster(moved, nodata=3).fingerprint != mark
    assert open_raster(moved, pixel_size=4).fingerprint != mark


def test_a_closed_source_opens_again(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    with open_raster(write_raster(pixels)) as source:
        pass
    np.testing.assert_array_equal(source.read(WHOLE), pixels)


def test_only_the_blocks_that_are_needed_are_read(write_raster: WriteRaster) -> None:
    """A window away from a damaged block reads well: nothing else was touched."""
    path = write_raster(np.ones((1, 640, 640), dtype=np.uint8), compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    with rasterio.open(path) as dataset:
        offset = int(dataset.get_tag_item("BLOCK_OFFSET_1_5", "TIFF", bidx=1))
    content = bytearray(path.read_bytes())
    content[offset : offset + 8] = b"\xff" * 8
    path.write_bytes(content)
    source = open_raster(path)
    assert source.read(Window(320, 128, 64, 512)).all()
    with pytest.raises(InputError):
        source.read(Window(320, 120, 64, 10))


def test_averages_are_those_of_numpy(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    source = open_raster(write_raster(pixels.astype(np.float32)), pixel_size=6)
    expected = pixels[0].reshape(30, 3, 40, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(source.read(source.grid.extent)[0], expected, rtol=1e-5)
    assert source.transform == Affine(6, 0, 400_000, 0, -6, 3_700_000)
    assert source.notes == ("scene.tif has pixels of 2 x 2 m; it is read at 6 m.",)


def test_any_window_of_a_warp_is_a_part_of_the_whole(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    source = open_raster(write_raster(pixels), pixel_size=1.3)
    whole = source.read(source.grid.extent)
    for window in (Window(3, 5, 40, 50), Window(70, 90, 20, 64)):
        np.testing.assert_array_equal(source.read(window), whole[:, *window.slices])


def test_ground_control_points_are_refused_with_their_command(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    points = [GroundControlPoint(row=r, col=c, x=44 + c * 1e-4, y=33 - r * 1e-4) for r, c in ((0, 0), (0, 119), (89, 0), (89, 119))]
    path = write_raster(pixels, gcps=(points, rasterio.CRS.from_epsg(4326)))
    with pytest.raises(
        InputError, match=r"only 4 ground control points. Run: gdalwarp -order 1 -t_srs EPSG:32638 -r cubic .*scene.tif .*scene_utm.tif"
    ):
        open_raster(path)
