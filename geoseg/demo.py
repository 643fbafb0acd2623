"""The whole chain on the bundled scene, judged on the part that training never saw."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from geoseg import recipe
from geoseg.area import read_area
from geoseg.chips import ChipConfig
from geoseg.figures import preview
from geoseg.minmax import minmax_dice
from geoseg.model import load_model
from geoseg.scan import ScanOptions
from geoseg.scene import RasterOptions, Scene, open_scene
from geoseg.scorecard import Truth, best_disc_radius, classifier_scores, outline_scores, scan_scores
from geoseg.train import SiteTraining
from geoseg.vectors import read_points, read_polygons
from segcore.data.stretch import StretchedImage
from segcore.files import fresh_dir, write_json
from segcore.progress import Progress, Silent
from segcore.threads import torch_threads
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
    """The commands of the chain, one after the other."""
    raster, points, experts, ignore = (sample / name for name in ("scene.tif", "points.geojson", "outlines.geojson", "ignore.geojson"))
    scene = open_scene(raster, RasterOptions(), progress=progress)
    seen, unseen = (RasterOptions(area=_columns(scene, *columns)) for columns in ((0, UNSEEN_FROM), (UNSEEN_FROM, scene.grid.width)))
    recipe.chips(raster, points, folder / "CHIPS", ChipConfig(window=WINDOW), options=seen, ignore=ignore, progress=progress)
    recipe.train(folder / "CHIPS", folder / "MODEL", TRAINING, LOOP, outlines=experts, progress=progress)
    drawn = recipe.outline(raster, points, folder / "MODEL", folder / "OUT", threads=threads, progress=progress)
    found = recipe.scan(raster, folder / "MODEL", folder / "RUN", ScanOptions(), options=unseen, threads=threads, progress=progress)
    known = read_points(points, scene.grid)
    layers = [read_polygons(path, scene.grid.crs) for path in (experts, ignore)]
    trained, judged = (
        Truth(points=known.only(area.holds(known.xy)), experts=layers[0], ignore=layers[1], area=area)
        for area in (read_area(str(own.area), scene.grid) for own in (seen, unseen))
    )
    model = load_model(folder / "MODEL")
    image = StretchedImage(scene.source, model.stretch_for(scene.source, scene.source.fingerprint))
    shapes = {"found": drawn.found.geometry.to_numpy(), "expert": layers[0].geometry.to_numpy()}
    preview(image, scene.grid, scene.grid.extent, folder / "preview.png", **shapes)
    progress.say("judging on ground that neither training nor tuning saw")
    radius = best_disc_radius(trained, model.window * model.pixel_size)
    threshold = model.facts["tuning"]["scan"]["fit"]["score_threshold"]
    scan = scan_scores(found, scene, str(folder / "RUN" / "activation.tif"), judged, score_threshold=threshold)
    with torch_threads(threads):
        control = minmax_dice(scene, image, model, folder / "CHIPS", experts, judged, threads=threads)
        windows = classifier_scores(scene, image, model, judged)
    return {
        "judged_on": f"columns {UNSEEN_FROM} to {scene.grid.width - 1}, which neither training nor tuning saw",
        "classifier": windows,
        "outlines": outline_scores(drawn, judged, disc_radius=radius),
        "scan": {**scan, "minmax_dice": control},
    }


def _columns(scene: Scene, first: int, last: int) -> str:
    """minx,miny,maxx,maxy of some columns of the scene."""
    return ",".join(str(value) for value in scene.grid.window_bounds(Window(0, first, scene.grid.height, last - first)))
