"""Finished blocks as two cloud-optimised GeoTIFFs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rasterio
from rasterio.shutil import copy as rasterio_copy
from rasterio.windows import Window as RasterioWindow

from geoseg.grid import GeoGrid
from segcore.pipeline.stages import Scan
from segcore.pipeline.store import NODATA

TILE = 512


def assemble(scan: Scan, grid: GeoGrid, folder: Path) -> None:
    """Write activation.tif and mask.tif over the region of the plan.

    activation.tif has two uint8 bands: the activation and the blended score of the windows, both times 254; mask.tif
    is 1 for site and 0 for ground; 255 is nodata in both.
    """
    _write(scan, grid, folder / "activation.tif", ("activation", "score"), resampling="average")
    _write(scan, grid, folder / "mask.tif", ("mask",), resampling="nearest")


def _write(scan: Scan, grid: GeoGrid, path: Path, names: tuple[str, ...], *, resampling: str) -> None:
    """Tiled first, block by block, then copied into the layout of a COG with its overviews."""
    region = scan.plan.region
    plain = path.with_suffix(".plain.tif")
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": len(names),
        "height": region.height,
        "width": region.width,
        "crs": grid.crs,
        "transform": grid.window_transform(region),
        "nodata": NODATA,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "compress": "deflate",
        "BIGTIFF": "IF_SAFER",
    }
    with rasterio.open(plain, "w", **profile) as target:
        for number, block in enumerate(scan.plan.blocks):
            result = scan.blocks.load(number)
            where = RasterioWindow(block.col - region.col, block.row - region.row, block.width, block.height)
            for band, name in enumerate(names, 1):
                target.write(getattr(result, name), band, window=where)
        for band, name in enumerate(names, 1):
            target.set_band_description(band, name)
    rasterio_copy(plain, path, driver="COG", compress="DEFLATE", blocksize=TILE, overview_resampling=resampling.upper(), bigtiff="IF_SAFER")
    plain.unlink()
