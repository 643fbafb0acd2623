from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from geoseg.opening import gdal_errors, require_readable, sample_windows, tiling_command
from segcore.errors import InputError
from segcore.windows import Window

WriteRaster = Callable[..., Path]


def test_samples_reach_from_the_first_to_the_last_block(write_raster: WriteRaster) -> None:
    path = write_raster(np.ones((1, 650, 700), np.uint8), tiled=True, blockxsize=64, blockysize=64)
    with rasterio.open(path) as dataset:
        windows = sample_windows(dataset)
    assert len(windows) == 9
    assert windows[0] == Window(0, 0, 64, 64)
    assert windows[-1] == Window(640, 640, 10, 60)


def test_a_small_raster_has_fewer_samples(write_raster: WriteRaster) -> None:
    with rasterio.open(write_raster(np.ones((1, 9, 8), np.uint8))) as dataset:
        assert sample_windows(dataset) == [Window(0, 0, 9, 8)]


def test_one_huge_block_is_refused_before_it_is_read() -> None:
    class Huge:
        block_shapes: Any = ((50_000, 50_000),)
        dtypes: Any = ("uint8",)

    with pytest.raises(InputError, match=r"blocks of 50000 x 50000 px\. Run: gdal_translate -co TILED=YES"):
        require_readable(Huge(), [1], "scene.tif")


def test_failures_become_one_line() -> None:
    with pytest.raises(InputError) as caught, gdal_errors("scene.tif", Window(1, 2, 3, 4)):
        raise rasterio.errors.RasterioIOError("scene.tif: broken\n  in the middle.")
    message = "a raster must be readable to the last pixel; scene.tif is not at row 1, col 2, 3 x 4 px (it: broken in the middle). Copy or"
    assert str(caught.value).startswith(message)


def test_the_command_quotes_names() -> None:
    assert tiling_command("my scene.tif").endswith("'my scene.tif' 'my scene_tiled.tif'")
