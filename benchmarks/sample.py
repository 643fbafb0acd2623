"""Cut the sample scene that geocellseg carries from the relief data set; run once, the result is committed.

Usage: python benchmarks/sample.py [--data DIR]    (default: $GEOCELLSEG_DATA, else ../shared/data)
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import geopandas
import rasterio
from rasterio.windows import Window
from shapely.geometry import box

ROWS, COLS = (2432, 4480), (1024, 4096)
OUT = Path(__file__).parents[1] / "geoseg" / "sample"


def main() -> None:
    """Write scene.tif, points.geojson, outlines.geojson and ignore.geojson."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GEOCELLSEG_DATA", "../shared/data")))
    folder = parser.parse_args().data / "geo" / "relief"
    with rasterio.open(folder / "raster_pan_u8_2m.tif") as source:
        window = Window(COLS[0], ROWS[0], COLS[1] - COLS[0], ROWS[1] - ROWS[0])
        profile = {
            **source.profile,
            "height": window.height,
            "width": window.width,
            "transform": source.window_transform(window),
            "predictor": 2,
            "zlevel": 9,
        }
        bounds = rasterio.windows.bounds(window, source.transform)
        with rasterio.open(OUT / "scene.tif", "w", **profile) as target:
            target.write(source.read(window=window))
    area = box(*bounds)
    points = geopandas.read_file(folder / "site_points_32638.gpkg", columns=["id"])
    outlines = geopandas.read_file(folder / "site_polygons_expertA_32638.gpkg", columns=["id"])
    ignore = geopandas.read_file(folder / "ignore_32638.gpkg", columns=["id"])
    points = points[points.within(area)]
    for name, frame in (
        ("points", points),
        ("outlines", outlines[outlines["id"].isin(points["id"])]),
        ("ignore", ignore[ignore.intersects(area)]),
    ):
        frame.to_file(OUT / f"{name}.geojson", driver="GeoJSON", RFC7946="YES")
        print(f"{name}: {len(frame)}")


if __name__ == "__main__":
    main()
