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
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas
from commands import run_commands
from torch import Tensor

from geoseg.area import read_area
from geoseg.chipset import open_chips
from geoseg.evaluate import evaluate
from geoseg.findings import Findings, find_sites
from geoseg.folds import make_folds
from geoseg.model import SiteModel, load_model
from geoseg.outline import Outlines
from geoseg.scan import ScanOptions
from geoseg.scene import RasterOptions, Scene, open_scene
from geoseg.scorecard import Truth, best_disc_radius, classifier_scores, outline_scores, scan_scores
from geoseg.tune import Explainers
from geoseg.tune_scan import choose_scan, grounds
from geoseg.tuning_sites import outlined_sites
from geoseg.vectors import read_points, read_polygons
from segcore.cam.evidence import CamEvidence
from segcore.data.stretch import StretchedImage
from segcore.pipeline.plan import Plan
from segcore.pipeline.runner import SerialRunner
from segcore.pipeline.stages import Scan
from segcore.progress import Silent
from segcore.windows import GridConfig, Window

BORDER, WINDOW = 5760, 128
"""First column that is judged, and the window, in pixels."""
SETTINGS = {
    "cpu": ["--arch", "resnet18", "--members", "2", "--budget", "small", "--epochs", "30", "--patience", "30"],
    "smoke": ["--arch", "resnet18", "--members", "1", "--budget", "small", "--epochs", "2"],
}


@dataclass(frozen=True)
class MinMaxEvidence:
    """The control: the map of each window stretched to 0..1 on its own, as public code does."""

    own: CamEvidence

    @property
    def members(self) -> int:
        """As the evidence it wraps."""
        return self.own.members

    @property
    def channels(self) -> tuple[str, ...]:
        """As the evidence it wraps."""
        return self.own.channels

    def screen(self, windows: Tensor) -> Tensor:
        """As the evidence it wraps."""
        return self.own.screen(windows)

    def maps(self, windows: Tensor) -> Tensor:
        """(B, 1, H, W): minimum 0, maximum 1 in every window."""
        maps = self.own.maps(windows)
        low, high = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
        return (maps - low) / (high - low).clamp(min=1e-12)


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
    experts, ignore = (read_polygons(data / f"{name}_32638.gpkg", scene.grid.crs) for name in ("site_polygons_expertA", "ignore"))
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
        "scan_minmax_dice": _minmax_dice(data, scene, image, model, out, truth),
    }


def _minmax_dice(data: Path, scene: Scene, image: StretchedImage, model: SiteModel, out: Path, truth: Truth) -> float | int | None:
    """Raster Dice of the same scan with maps stretched window by window, its settings chosen in the same way."""
    choice = model.scan.choice
    evidence = MinMaxEvidence(model.evidence(choice, device="cpu"))
    chips = open_chips(out / "CHIPS")
    split = model.facts["split"]
    folds = make_folds(chips.places, chips.labels, split=split["kind"], window=model.window, seed=split["seed"])
    explainers = Explainers(networks=model.networks, calibrations=model.calibrations, folds=folds, device="cpu")
    explain = explainers.of(choice)
    sites = outlined_sites(chips, data / "site_polygons_expertA_32638.gpkg", fresh=explainers.fresh)
    seen = grounds(chips, sites, sites.fit, lambda chip: MinMaxEvidence(explain(chip)), fresh=explainers.fresh)
    settings = choose_scan(seen, replace(model.scan, refining=replace(model.scan.refining, crf=None)), model.window).settings
    plan = Plan(
        shape=scene.source.shape,
        region=truth.area.window,
        grid=GridConfig(window=model.window, overlap=ScanOptions().overlap),
        channels=evidence.channels,
        gate=settings.gate,
        refining=settings.refining,
        threads=2,
    )
    with tempfile.TemporaryDirectory() as folder:
        scan = Scan(plan, image, evidence, Path(folder))
        scan.run(SerialRunner(), Silent())
        judged = Scene(source=scene.source, area=truth.area)
        found = find_sites(scan, judged)
        return evaluate(found.sites, truth.experts, scene.grid, ignore=truth.ignore, area=truth.area.geometry).as_dict()["dice"]


def _columns(scene: Scene, first: int, last: int) -> str:
    """minx,miny,maxx,maxy of some columns."""
    return ",".join(str(value) for value in scene.grid.window_bounds(Window(0, first, scene.grid.height, last - first)))


if __name__ == "__main__":
    main()
