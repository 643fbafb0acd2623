from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray

from geoseg.inspect import inspect_raster
from segcore.errors import ConfigError, InputError
from segcore.windows import GridConfig, window_grid

WriteRaster = Callable[..., Path]


def test_facts_by_hand(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    pixels[0, :45] = 0
    facts = inspect_raster(write_raster(pixels, nodata=0, tiled=True, blockxsize=64, blockysize=64), window=30)
    assert (facts.name, facts.width, facts.height, facts.dtype, facts.crs) == ("scene.tif", 120, 90, "uint8", "EPSG:32638")
    assert (facts.pixel_size, facts.nodata, facts.block, facts.bands, facts.overviews) == (2.0, "0", (64, 64), ("gray",), ())
    assert facts.valid_share == pytest.approx(0.5)
    assert facts.percentiles is not None
    assert facts.percentiles["50"] == pytest.approx(125, abs=15)
    assert facts.problems == ()


def test_facts_are_json_and_lines(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    facts = inspect_raster(write_raster(pixels.astype(np.float32), nodata=np.nan))
    value = facts.as_dict()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["forecast"]["windows"] == 1
    assert facts.lines()[0].startswith("scene.tif: GTiff, ")
    assert all("\n" not in line for line in facts.lines())


def test_the_forecast_counts_windows_as_a_scan_does(write_raster: WriteRaster) -> None:
    array = np.zeros((1, 600, 800), dtype=np.uint8)
    array[0, :, :400] = 9
    forecast = inspect_raster(write_raster(array, nodata=0), window=40, overlap=0.5, seconds_per_window=2, workers=2).forecast
    assert forecast is not None
    assert forecast.windows == len(window_grid((600, 800), GridConfig(window=40)))
    assert forecast.windows_with_data == pytest.approx(forecast.windows / 2, rel=0.1)
    assert forecast.hours == pytest.approx(forecast.windows_with_data / 3600)


@pytest.mark.parametrize("rim", [0, 255])
def test_a_film_edge_is_proposed_as_nodata(write_raster: WriteRaster, rim: int) -> None:
    array = np.random.default_rng(0).integers(20, 200, (1, 400, 500), dtype=np.uint8)
    plain = inspect_raster(write_raster(array, "plain.tif"), window=100)
    array[0, :30], array[0, :, -40:] = rim, rim
    edged = inspect_raster(write_raster(array, "edged.tif"), window=100)
    assert plain.problems == ()
    assert any(f"Pass --nodata {rim}" in problem for problem in edged.problems)
    assert inspect_raster(write_raster(array, "told.tif"), window=100, nodata=rim).problems == ()


def test_dark_pixels_everywhere_are_no_film_edge(write_raster: WriteRaster) -> None:
    array = np.random.default_rng(0).integers(0, 3, (1, 400, 500), dtype=np.uint8)
    assert inspect_raster(write_raster(array), window=100).problems == ()


def test_a_refused_raster_is_described_with_its_refusal(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    facts = inspect_raster(write_raster(pixels, crs=None))
    assert facts.crs is None
    assert facts.forecast is None
    assert any("gdal_edit.py -a_srs" in line for line in facts.lines())
    bands = inspect_raster(write_raster(np.repeat(pixels, 3, 0), "rgb.tif", photometric="rgb"))
    assert bands.bands == ("red", "green", "blue")
    assert any("Pass --bands" in problem for problem in bands.problems)
    assert inspect_raster(write_raster(np.repeat(pixels, 3, 0), "rgb.tif", photometric="rgb"), bands=(2,)).problems == ()


def test_rows_and_degrees_are_problems_with_a_way_out(write_raster: WriteRaster) -> None:
    array = np.random.default_rng(0).integers(1, 255, (1, 40, 2400), dtype=np.uint8)
    place = Affine(2e-5, 0, 44.0, 0, -2e-5, 33.0)
    rows, degrees = inspect_raster(write_raster(array, crs="EPSG:4326", transform=place), window=20).problems
    assert "gdal_translate -co TILED=YES" in rows
    assert "gdalwarp -t_srs EPSG:32638" in degrees


def test_sixteen_bits_and_a_flat_scene(write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    notes = inspect_raster(write_raster(pixels.astype(np.uint16) + 1000)).notes
    assert any("16-bit values mostly lie from 100" in note for note in notes)
    flat = inspect_raster(write_raster(np.full_like(pixels, 7), "flat.tif")).problems
    assert any("needs contrast" in problem for problem in flat)


def test_what_is_no_raster(tmp_path: Path, write_raster: WriteRaster, pixels: NDArray[Any]) -> None:
    with pytest.raises(InputError, match="is not there"):
        inspect_raster(tmp_path / "none.tif")
    with pytest.raises(ConfigError, match="overlap"):
        inspect_raster(write_raster(pixels), overlap=1.5)
