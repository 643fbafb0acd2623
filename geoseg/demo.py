"""The whole chain on the bundled scene, judged on the part that training never saw."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from geoseg import recipe
from geoseg.area import read_area
from geoseg.chips import ChipConfig
from geoseg.figures import preview
from geoseg.model import load_model
from geoseg.scan import ScanOptions
from geoseg.scene import RasterOptions, Scene, open_scene
from geoseg.scorecard import Truth, best_disc_radius, classifier_scores, outline_scores, scan_scores
from geoseg.train import SiteTraining
from geoseg.vectors import read_points, read_polygons
from segcore.data.stretch import StretchedImage
from segcore.files import fresh_dir, write_json
from segcore.progress import Progress, Silent
from segcore.train.loop import TrainConfig
from segcore.windows import Window

WINDOW = 128
UNSEEN_FROM = 1920
"""First column that training and tuning never see."""
TRAINING = SiteTraining(arch="resnet18", members=1, budget="small", augment="flip")
LOOP = TrainConfig(epochs=11, patience=11)


def run_demo(out: Path, *, threads: int, overwrite: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """Chips, training, outlines of the known points and a scan of unseen ground on the bundled scene; returns metrics.json.

    Writes CHIPS, MODEL, OUT, RUN, preview.png and metrics.json into out.

    Raises:
        OutputError: out exists (and overwrite is off) or cannot be written.
    """
    heard: Progress = progress or Silent()
    with as_file(files("geoseg") / "sample") as sample, fresh_dir(out, overwrite=overwrite, replaces="metrics.json") as folder:
        metrics = _chain(sample, folder, threads, heard)
        write_json(folder / "metrics.json", metrics)
    return metrics


def _chain(sample: Path, folder: Path, threads: int, progress: Progress) -> dict[str, Any]:
    raster, points, experts, ignore = (sample / name for name in ("scene.tif", "points.geojson", "outlines.geojson", "ignore.geojson"))
    scene = open_scene(raster, RasterOptions(), progress=progress)
    seen, unseen = (RasterOptions(area=_columns(scene, *columns)) for columns in ((0, UNSEEN_FROM), (UNSEEN_FROM, scene.grid.width)))
    recipe.chips(raster, points, folder / "CHIPS", ChipConfig(window=WINDOW), options=seen, ignore=ignore, progress=progress)
    recipe.train(folder / "CHIPS", folder / "MODEL", TRAINING, LOOP, outlines=experts, progress=progress)
    drawn = recipe.outline(raster, points, folder / "MODEL", folder / "OUT", threads=threads, progress=progress)
    found = recipe.scan(raster, folder / "MODEL", folder / "RUN", ScanOptions(threads=threads), options=unseen, progress=progress)
    model = load_model(folder / "MODEL")
    area = read_area(str(unseen.area), scene.grid)
    known = read_points(points, scene.grid)
    layers = [read_polygons(path, scene.grid.crs) for path in (experts, ignore)]
    trained, truth = (
        Truth(points=known.only(own.holds(known.xy)), experts=layers[0], ignore=layers[1], area=own)
        for own in (read_area(str(seen.area), scene.grid), area)
    )
    image = StretchedImage(scene.source, model.stretch_for(scene.source, scene.source.fingerprint))
    tuning = model.facts["tuning"]
    radius = best_disc_radius(trained, model.window * model.pixel_size)
    preview(
        image,
        scene.grid,
        scene.grid.extent,
        folder / "preview.png",
        found=drawn.found.geometry.to_numpy(),
        expert=layers[0].geometry.to_numpy(),
    )
    activation = str(folder / "RUN" / "activation.tif")
    return {
        "classifier": classifier_scores(scene, image, model, truth),
        "outlines": outline_scores(drawn, truth, disc_radius=radius),
        "scan": scan_scores(found, scene, activation, truth, score_threshold=tuning["scan"]["fit"]["score_threshold"]),
        "judged_on": f"columns {UNSEEN_FROM} to {scene.grid.width - 1}, which neither training nor tuning saw",
    }


def _columns(scene: Scene, first: int, last: int) -> str:
    """minx,miny,maxx,maxy of some columns of the scene."""
    return ",".join(str(value) for value in scene.grid.window_bounds(Window(0, first, scene.grid.height, last - first)))
