"""The main job on real relief: the left three quarters train and tune, the right quarter is judged.

Runs the commands a user runs, each in a process of its own, and scores what they leave; every figure stands beside its
control. Data: --data, $GEOCELLSEG_DATA or ../shared/data; exit 3 where it is absent.

    python benchmarks/relief.py --budget cpu      about 20 minutes on 2 cores; what docs/benchmarks.md quotes
    python benchmarks/relief.py --budget smoke    a minute or two, to see that it runs
    python benchmarks/relief.py --report          only score what an earlier run left
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

import geopandas
from commands import run_commands

from geoseg.area import read_area
from geoseg.findings import Findings
from geoseg.minmax import minmax_dice
from geoseg.model import load_model
from geoseg.outline import Outlines
from geoseg.scene import RasterOptions, Scene, open_scene
from geoseg.scorecard import Truth, best_disc_radius, classifier_scores, outline_scores, scan_scores
from geoseg.vectors import read_points, read_polygons
from segcore.data.stretch import StretchedImage
from segcore.progress import Silent
from segcore.windows import Window

BORDER, WINDOW = 5760, 128
"""First column that is judged, and the window, in pixels."""
SETTINGS = {
    "cpu": ["--arch", "resnet18", "--members", "2", "--budget", "small", "--epochs", "24", "--patience", "24"],
    "smoke": ["--arch", "resnet18", "--members", "1", "--budget", "small", "--epochs", "2"],
}


def main() -> None:
    """Run, score, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GEOCELLSEG_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=Path("runs/relief"))
    parser.add_argument("--budget", choices=SETTINGS, default="cpu")
    parser.add_argument("--report", action="store_true", help="score what is there, run nothing")
    options = parser.parse_args()
    data = options.data / "geo" / "relief"
    if not data.is_dir():
        print(f"{data} is not there; pass --data", file=sys.stderr)
        sys.exit(3)
    raster = data / "raster_pan_u8_2m.tif"
    scene = open_scene(raster, RasterOptions(), progress=Silent())
    right = _columns(scene, BORDER, scene.grid.width)
    if not options.report:
        _run(data, raster, options.out, _columns(scene, 0, BORDER), right, options.budget)
    figures = {**json.loads((options.out / "cost.json").read_text()), **_score(data, scene, options.out, right)}
    for key, value in figures.items():
        print(f"{key:32} {value}")
    print(
        json.dumps(
            {"name": "relief", "machine": f"{os.cpu_count()} cores, {platform.machine()}", "budget": options.budget, "figures": figures}
        )
    )


def _run(data: Path, raster: Path, out: Path, left: str, right: str, budget: str) -> None:
    """The four commands, with the time and peak memory of each in cost.json."""
    points, experts, ignore = (str(data / f"{name}_32638.gpkg") for name in ("site_points", "site_polygons_expertA", "ignore"))
    chips, model = str(out / "CHIPS"), str(out / "MODEL")
    commands = {
        "chips": ["chips", str(raster), points, "-o", chips, "--window", str(WINDOW), "--area", left, "--ignore", ignore],
        "train": ["train", chips, "-o", model, "--augment", "flip", "--outlines", experts, *SETTINGS[budget]],
        "outline": ["outline", str(raster), points, model, "-o", str(out / "OUT"), "--area", right],
        "scan": ["scan", str(raster), model, "-o", str(out / "RUN"), "--area", right],
    }
    (out / "cost.json").write_text(json.dumps(run_commands(commands)))


def _score(data: Path, scene: Scene, out: Path, right: str) -> dict[str, float | int | None]:
    model = load_model(out / "MODEL")
    area = read_area(right, scene.grid)
    known = read_points(data / "site_points_32638.gpkg", scene.grid)
    experts_file = data / "site_polygons_expertA_32638.gpkg"
    experts, ignore = (read_polygons(path, scene.grid.crs) for path in (experts_file, data / "ignore_32638.gpkg"))
    trained, truth = (
        Truth(points=known.only(own.holds(known.xy)), experts=experts, ignore=ignore, area=own)
        for own in (read_area(_columns(scene, 0, BORDER), scene.grid), area)
    )
    image = StretchedImage(scene.source, model.stretch_for(scene.source, scene.source.fingerprint))
    tuning = model.facts["tuning"]
    outlines = Outlines(found=geopandas.read_file(out / "OUT" / "outlines.gpkg", layer="outlines"), missing=geopandas.GeoDataFrame())
    findings = Findings(sites=geopandas.read_file(out / "RUN" / "sites.gpkg", layer="sites"), windows=geopandas.GeoDataFrame())
    radius = best_disc_radius(trained, model.window * model.pixel_size)
    threshold = tuning["scan"]["fit"]["score_threshold"]
    scan = scan_scores(findings, scene, str(out / "RUN" / "activation.tif"), truth, score_threshold=threshold)
    return {
        **classifier_scores(scene, image, model, truth),
        "disc_radius_m": round(radius, 1),
        **outline_scores(outlines, truth, disc_radius=radius),
        **{f"scan_{key}": own for key, own in scan.items()},
        "scan_minmax_dice": minmax_dice(scene, image, model, out / "CHIPS", experts_file, truth, threads=os.cpu_count() or 1),
    }


def _columns(scene: Scene, first: int, last: int) -> str:
    """minx,miny,maxx,maxy of some columns."""
    return ",".join(str(value) for value in scene.grid.window_bounds(Window(0, first, scene.grid.height, last - first)))


if __name__ == "__main__":
    main()
