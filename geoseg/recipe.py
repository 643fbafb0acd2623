"""The whole chain, file to file; read me first.

    raster + points --chips--> CHIPS/ --train--> MODEL/
    raster + points + MODEL/ --outline--> OUT/      raster + MODEL/ --scan--> RUN/      polygons + expert --judge--> figures

Each function opens what the user named, says what is odd about it, and hands over to the module that does the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from affine import Affine
from geopandas import GeoDataFrame

from geoseg.chips import ChipConfig, Ground, cut_chips
from geoseg.compare import compare_views
from geoseg.compare_report import write_report
from geoseg.compare_sites import judged_sites
from geoseg.comparison import Comparison
from geoseg.crf_choice import MODELS_OWN, CrfChoice
from geoseg.evaluate import Scores, evaluate
from geoseg.explain import Explained, draw_explained
from geoseg.explain import explain as explain_place
from geoseg.export import holds_sites, read_sites
from geoseg.figures import confusion_overlay, thumbnail
from geoseg.findings import Findings
from geoseg.grid import metres_per_unit
from geoseg.model import load_model
from geoseg.outline import Outlines, outline_sites
from geoseg.scan import ScanOptions, scan_raster
from geoseg.scene import RasterOptions, Scene, open_scene
from geoseg.train import SiteTraining, train_sites
from geoseg.vectors import Points, read_points, read_polygons
from geoseg.views import open_views
from segcore.data.stretch import StretchedImage, fit_stretch
from segcore.device import choose_device
from segcore.errors import InputError, OutputError
from segcore.files import fresh_dir, require_free, sha256, write_json
from segcore.progress import Progress, Silent
from segcore.threads import torch_threads
from segcore.train.loop import TrainConfig

_SILENT = Silent()
_WHOLE = RasterOptions()


def chips(
    raster: Path,
    points: Path,
    out: Path,
    config: ChipConfig,
    *,
    options: RasterOptions = _WHOLE,
    points_crs: str | None = None,
    negatives: Path | None = None,
    ignore: Path | None = None,
    overwrite: bool = False,
    progress: Progress = _SILENT,
) -> dict[str, Any]:
    """Cut chips around the points of a layer, and negatives elsewhere (or at the points of a second layer)."""
    scene = open_scene(raster, options, progress=progress)
    ground = Ground(
        source=scene.wanted,
        grid=scene.grid,
        fingerprint=scene.source.fingerprint,
        sites=_points(points, scene, points_crs, progress),
        negatives=None if negatives is None else _points(negatives, scene, points_crs, progress, layer="negatives"),
        ignore=None if ignore is None else read_polygons(ignore, scene.grid.crs),
    )
    return cut_chips(ground, out, config, overwrite=overwrite, progress=progress)


def train(
    chip_set: Path,
    out: Path,
    training: SiteTraining,
    loop: TrainConfig,
    *,
    outlines: Path | None = None,
    overwrite: bool = False,
    progress: Progress = _SILENT,
) -> dict[str, Any]:
    """Train site classifiers on a chip set; outlines of some of its sites tune what follows."""
    return train_sites(chip_set, out, training, loop, outlines=outlines, overwrite=overwrite, progress=progress)


def outline(
    raster: Path,
    points: Path,
    model: Path,
    out: Path,
    *,
    options: RasterOptions = _WHOLE,
    points_crs: str | None = None,
    method: str | None = None,
    crf: CrfChoice = MODELS_OWN,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    progress: Progress = _SILENT,
) -> Outlines:
    """Outline the known sites of a layer."""
    loaded = load_model(model)
    scene = open_scene(raster, options, pixel_size=loaded.pixel_size, progress=progress)
    known = _points(points, scene, points_crs, progress)
    return outline_sites(
        scene,
        known,
        loaded,
        out,
        method=method,
        crf=crf,
        device=choose_device(device),
        threads=threads or torch.get_num_threads(),
        overwrite=overwrite,
        progress=progress,
    )


def scan(
    raster: Path,
    model: Path,
    out: Path,
    scanning: ScanOptions,
    *,
    options: RasterOptions = _WHOLE,
    device: str = "auto",
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    keep_work: bool = False,
    progress: Progress = _SILENT,
) -> Findings:
    """Search a raster for sites."""
    loaded = load_model(model)
    scene = open_scene(raster, options, pixel_size=loaded.pixel_size, progress=progress)
    scanning = replace(scanning, device=choose_device(device), threads=threads or torch.get_num_threads())
    return scan_raster(scene, loaded, out, scanning, resume=resume, overwrite=overwrite, keep_work=keep_work, progress=progress)


def explain(
    raster: Path,
    models: Sequence[Path],
    at: tuple[float, float],
    out: Path,
    *,
    methods: Sequence[str] | None = None,
    expert: Path | None = None,
    options: RasterOptions = _WHOLE,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    progress: Progress = _SILENT,
) -> Explained:
    """Draw the window around one place under each model and method as a PNG, with an expert's outlines in red."""
    require_free(out, overwrite=overwrite)
    if out.suffix.lower() != ".png":
        raise OutputError(f"a panel is a PNG; got {out.name}. Name it {out.stem}.png.")
    views = open_views(raster, models, options, progress=progress)
    drawn = () if expert is None else read_polygons(expert, views[0].scene.grid.crs).geometry.to_numpy()
    with torch_threads(threads or torch.get_num_threads()):
        seen = explain_place(views, at, methods=methods, device=choose_device(device), progress=progress)
    draw_explained(out, seen, expert=drawn)
    return seen


def compare(
    raster: Path,
    expert: Path,
    models: Sequence[Path],
    out: Path,
    *,
    options: RasterOptions = _WHOLE,
    methods: Sequence[str] | None = None,
    ignore: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    progress: Progress = _SILENT,
) -> Comparison:
    """Compare models and maps by Dice with an expert's outlines; writes compare.csv, compare.md, compare.png, run.json."""
    require_free(out, overwrite=overwrite, replaces="run.json")
    views = open_views(raster, models, options, progress=progress)
    crs, source = views[0].scene.grid.crs, views[0].scene.source
    sites = judged_sites(views, read_polygons(expert, crs), None if ignore is None else read_polygons(ignore, crs))
    with fresh_dir(out, overwrite=overwrite, replaces="run.json") as folder:
        with torch_threads(threads or torch.get_num_threads()):
            found = compare_views(views, sites, methods, device=choose_device(device), progress=progress)
        digests = {name: sha256(path) for name, path in (("expert", expert), ("ignore", ignore)) if path is not None and path.is_file()}
        inputs = {"raster": source.fingerprint, "models": {view.name: view.model.digest for view in views}, **digests}
        config = {"methods": None if methods is None else list(methods), "area": None if options.area is None else str(options.area)}
        write_report(folder, found, scene=source.name, expert=expert.name, inputs=inputs, config=config)
    return found


def judge(
    predicted: Path,
    expert: Path,
    raster: Path,
    *,
    options: RasterOptions = _WHOLE,
    ignore: Path | None = None,
    out: Path | None = None,
    picture: Path | None = None,
    overwrite: bool = False,
    progress: Progress = _SILENT,
) -> Scores:
    """Compare found polygons with an expert's; metrics and an overlay picture where asked for.

    predicted: a GeoPackage of scan or outline, or any other layer of polygons.
    """
    for path in (out, picture):
        if path is not None:
            require_free(path, overwrite=overwrite)
    scene = open_scene(raster, options, progress=progress)
    ours = predicted.suffix == ".gpkg" and holds_sites(predicted)
    found = read_sites(predicted)[1] if ours else read_polygons(predicted, scene.grid.crs)
    drawn = read_polygons(expert, scene.grid.crs)
    unsure = None if ignore is None else read_polygons(ignore, scene.grid.crs)
    scores = evaluate(found, drawn, scene.grid, ignore=unsure, area=scene.area.geometry if scene.area else None)
    if out is not None:
        write_json(out, scores.as_dict())
    if picture is not None:
        _draw(picture, scene, found, drawn, unsure)
    return scores


def _draw(path: Path, scene: Scene, found: GeoDataFrame, drawn: GeoDataFrame, unsure: GeoDataFrame | None) -> None:
    """Hits, misses and false alarms over the scene, as a picture."""
    grey, factor = thumbnail(StretchedImage(scene.wanted, fit_stretch(scene.wanted)), region=scene.region)
    transform = scene.grid.window_transform(scene.region) @ Affine.scale(factor)
    shapes = [layer.to_crs(scene.grid.crs.to_wkt()).geometry.to_numpy() for layer in (found, drawn)]
    under = () if unsure is None else unsure.geometry.to_numpy()
    confusion_overlay(path, grey, transform, *shapes, ignore=under, metres_per_unit=metres_per_unit(scene.grid.crs))


def _points(path: Path, scene: Scene, crs: str | None, progress: Progress, *, layer: str = "sites") -> Points:
    """Points of a layer inside the area that is wanted; what is odd about them is said."""
    points = read_points(path, scene.grid, crs=crs, prefer=layer)
    for note in points.notes:
        progress.say(note)
    if scene.area is None:
        return points
    inside = scene.area.holds(points.xy)
    if not inside.any():
        raise InputError(f"points must lie in the area; none of the {len(points)} of {path.name} on the raster does. Check --area.")
    return points.only(inside)
