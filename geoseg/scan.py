"""A whole raster and a model in, site polygons with evidence out."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import geopandas
import torch

from geoseg.assemble import assemble
from geoseg.crf_choice import MODELS_OWN, CrfChoice, require_backend, scan_note
from geoseg.export import write_fgb, write_geojson, write_layers
from geoseg.figures import preview
from geoseg.findings import Findings, find_sites
from geoseg.model import SiteModel
from geoseg.scanning import ScanSettings
from geoseg.scene import Scene
from geoseg.trust import GDAL_ERRORS
from segcore.data.stretch import StretchedImage
from segcore.errors import InputError, OutputError
from segcore.files import read_json, require_free, write_json
from segcore.pipeline.plan import Plan
from segcore.pipeline.runner import Runner, SerialRunner
from segcore.pipeline.stages import Scan
from segcore.progress import Progress, Silent
from segcore.provenance import collect
from segcore.windows import GridConfig

WORK = ".work"
"""Folder of an unfinished run, inside RUN/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """What a user may say instead of the model's own choice."""

    method: str | None = None
    overlap: float = 0.5
    threshold: float | None = None
    crf: CrfChoice = MODELS_OWN
    device: str = "cpu"
    threads: int = 1
    block: int = 512

    def settings(self, model: SiteModel, pixel_size: float | None = None) -> ScanSettings:
        """The model's settings with the user's changes. pixel_size: metres of the raster as it is read; the model's if not given.

        Raises:
            ConfigError: an option is out of range, or the model has no such map.
        """
        refining = model.scan.refining
        if self.threshold is not None:
            refining = replace(refining, threshold=self.threshold)
        refining = self.crf.apply(refining, model.window, pixel_size or model.pixel_size)
        return replace(model.scan, choice=model.choose(self.method, model.scan.choice), refining=refining)


def scan_raster(
    scene: Scene,
    model: SiteModel,
    out: Path,
    options: ScanOptions,
    *,
    resume: bool = False,
    overwrite: bool = False,
    keep_work: bool = False,
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Scan a raster into RUN/: activation.tif, mask.tif, sites.gpkg, .geojson, .fgb, preview.png, run.json.

    While it runs, finished units are kept in RUN/.work; with resume an interrupted run goes on from there and ends in
    the same files.

    Raises:
        BundleError: the model reads another number of bands.
        ConfigError: an option is out of range.
        InputError: resume finds no unfinished run, or one with other settings.
        MissingExtraError: the CRF's backend is not installed.
        OutputError: out exists (without resume or overwrite) or cannot be written.
    """
    heard: Progress = progress or Silent()
    model.require_bands(scene.source)
    settings = options.settings(model, scene.source.pixel_size)
    require_backend(settings.refining.crf)
    image = StretchedImage(scene.source, model.stretch_for(scene.wanted, scene.source.fingerprint))
    plan = _plan(scene, model, image, settings, options)
    work = _open_work(out, plan, resume=resume, overwrite=overwrite)
    heard.say(f"scan: {len(plan.windows)} windows of {model.window} px, {len(model.networks)} network(s), {len(plan.blocks)} blocks")
    if note := scan_note(settings.refining.crf):
        heard.say(note)
    scan = Scan(plan, image, model.evidence(settings.choice, device=options.device), work)
    with _resumable(work):
        scan.run(runner or SerialRunner(), heard)
        findings = find_sites(scan, scene)
        _finish(out, work, scan, scene, image, findings, model, settings, keep_work=keep_work)
    heard.say(f"{len(findings.sites)} sites found")
    return findings


@contextmanager
def _resumable(work: Path) -> Iterator[None]:
    """Say what cannot be written together with the way to go on."""
    try:
        yield
    except (OSError, *GDAL_ERRORS) as error:
        if not isinstance(error, (OutputError, *GDAL_ERRORS)) and error.errno != errno.ENOSPC:
            raise
        reason = " ".join(str(error).split()).partition(";")[0].rstrip(".")
        raise OutputError(
            f"a run needs room and the right to write; {reason}. What is done is kept in {work}: go on with --resume."
        ) from error


def _plan(scene: Scene, model: SiteModel, image: StretchedImage, settings: ScanSettings, options: ScanOptions) -> Plan:
    identity = {
        "raster": scene.source.fingerprint,
        "model": model.digest,
        "map": str(settings.choice),
        "area": None if scene.area is None else scene.area.geometry.wkt,
        "stretch": asdict(image.stretch),
        "device": torch.device(options.device).type,
    }
    return Plan(
        shape=scene.source.shape,
        region=scene.region,
        grid=GridConfig(window=model.window, overlap=options.overlap),
        channels=(settings.choice.method,),
        gate=settings.gate,
        refining=settings.refining,
        block=options.block,
        threads=options.threads,
        identity=identity,
    )


def _open_work(out: Path, plan: Plan, *, resume: bool, overwrite: bool) -> Path:
    """The folder of unfinished work, with the plan in it."""
    work = out / WORK
    if resume and (work / "plan.json").is_file():
        changed = Plan.from_json(read_json(work / "plan.json")).differences(plan)
        if changed:
            raise InputError(f"a run goes on only with the settings it began with; {out} differs in {', '.join(changed)}. Use another -o.")
        return work
    if resume and out.exists():
        raise InputError(f"--resume needs an unfinished run; {out} holds none. Leave --resume out, or pass --overwrite.")
    if (work / "plan.json").is_file() and not overwrite:
        raise OutputError(f"an output is never replaced silently; {out} is an unfinished run. Go on with --resume, or pass --overwrite.")
    require_free(out, overwrite=overwrite)
    if out.exists():
        _remove_run(out)
    try:
        work.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made ({error.strerror}). Choose another -o.") from error
    write_json(work / "plan.json", plan.to_json())
    return work


def _remove_run(out: Path) -> None:
    """Remove an older run, finished or not; anything that is not one is left alone."""
    finished = (out / "run.json").is_file() and read_json(out / "run.json").get("kind") == "scan"
    if not finished and not (out / WORK).is_dir():
        raise OutputError(f"--overwrite replaces an earlier run; {out} is something else. Choose another -o.")
    shutil.rmtree(out)


def _finish(
    out: Path,
    work: Path,
    scan: Scan,
    scene: Scene,
    image: StretchedImage,
    findings: Findings,
    model: SiteModel,
    settings: ScanSettings,
    *,
    keep_work: bool,
) -> None:
    """Write the final files in the work folder, then rename each into place; run.json comes last."""
    final = work / "final"
    shutil.rmtree(final, ignore_errors=True)
    final.mkdir()
    assemble(scan, scene.grid, final)
    write_layers(final / "sites.gpkg", {"sites": findings.sites, "windows": findings.windows})
    write_geojson(final / "sites.geojson", findings.sites)
    write_fgb(final / "sites.fgb", findings.sites)
    preview(image, scene.grid, scene.region, final / "preview.png", found=findings.sites.geometry.to_numpy())
    write_json(final / "run.json", _record(scan, scene, image, findings.sites, model, settings))
    for path in sorted(final.iterdir(), key=lambda own: own.name == "run.json"):
        path.replace(out / path.name)
    if not keep_work:
        shutil.rmtree(work)


def _record(
    scan: Scan, scene: Scene, image: StretchedImage, sites: geopandas.GeoDataFrame, model: SiteModel, settings: ScanSettings
) -> Mapping[str, Any]:
    config = {"settings": asdict(settings), "plan": scan.plan.to_json()}
    inputs = {"raster": scene.source.fingerprint, "model": model.digest}
    counts = {"windows": len(scan.plan.windows), "explained": scan.explained(), "blocks": len(scan.plan.blocks), "sites": len(sites)}
    return {
        "kind": "scan",
        "scene": scene.source.name,
        "counts": counts,
        "stretch": asdict(image.stretch),
        "tuned_on": model.facts["tuned_on"],
        **collect(config, inputs),
    }
