"""End to end on real archaeology: 52 stamps of burial mounds in one raster, 98.6 % of it nodata.

Chips, training, outlines and scan by the commands a user runs. Too small for a score to mean much: what must hold is
that it runs, and that no polygon lies over nodata. It trains and is scored on the same mounds, so its score flatters.
Data: --data, $GEOCELLSEG_DATA or ../shared/data; exit 3 where it is absent.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import geopandas
import numpy as np
from commands import run_commands

from geoseg.evaluate import dice_at_points, discs, evaluate
from geoseg.raster import RasterSource, open_raster
from geoseg.vectors import rasterise, read_points, read_polygons


def main() -> None:
    """Run, score, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GEOCELLSEG_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=Path("runs/mounds"))
    parser.add_argument("--epochs", default="12")
    options = parser.parse_args()
    data, out = options.data / "geo" / "mounds", options.out
    if not data.is_dir():
        print(f"{data} is not there; pass --data", file=sys.stderr)
        sys.exit(3)
    raster, points = data / "ikonos_pan_mean4_u16_1m.tif", data / "mound_points.geojson"
    chips, model = str(out / "CHIPS"), str(out / "MODEL")
    training = ["--arch", "resnet18", "--members", "1", "--budget", "small", "--epochs", options.epochs]
    figures: dict[str, float | int | None] = dict(
        run_commands(
            {
                "chips": ["chips", str(raster), str(points), "-o", chips, "--window", "128"],
                "train": ["train", chips, "-o", model, *training],
                "outline": ["outline", str(raster), str(points), model, "-o", str(out / "OUT")],
                "scan": ["scan", str(raster), model, "-o", str(out / "RUN")],
            }
        )
    )
    with open_raster(raster) as source:
        figures |= _score(source, points, data / "mounds_circles.geojson", out)
    for key, value in figures.items():
        print(f"{key:32} {value}")
    print(json.dumps({"name": "mounds", "machine": f"{os.cpu_count()} cores", "figures": figures}))


def _score(source: RasterSource, points: Path, circles: Path, out: Path) -> dict[str, float | int | None]:
    outlines = geopandas.read_file(out / "OUT" / "outlines.gpkg", layer="outlines")
    sites = geopandas.read_file(out / "RUN" / "sites.gpkg", layer="sites")
    known, experts = read_points(points, source.grid), read_polygons(circles, source.grid.crs)
    frame = geopandas.GeoDataFrame({"id": list(known.ids)}, geometry=geopandas.points_from_xy(*known.xy.T), crs=known.crs)
    control = discs(known.xy, 13, crs=known.crs, ids=list(known.ids))
    return {
        "outlines": len(outlines),
        "point_median_dice": dice_at_points(outlines, experts, frame).median,
        "disc_13m_median_dice": dice_at_points(control, experts, frame).median,
        "scan_sites": len(sites),
        "scan_dice": evaluate(sites, experts, source.grid).as_dict()["dice"],
        "outline_pixels_over_nodata": _over_nodata(source, outlines),
        "scan_pixels_over_nodata": _over_nodata(source, sites),
    }


def _over_nodata(source: RasterSource, polygons: geopandas.GeoDataFrame) -> int:
    """Missing pixels under polygons."""
    total = 0
    for polygon in polygons.geometry:
        window = source.grid.window_of_bounds(polygon.bounds)
        if window is not None:
            total += int(np.sum(rasterise([polygon], source.grid, window) & ~source.mask(window)))
    return total


if __name__ == "__main__":
    main()
