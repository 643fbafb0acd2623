"""Outlines of known sites: points in, polygons out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geoseg.attributes import attributes
from geoseg.crf_choice import MODELS_OWN, CrfChoice, require_backend
from geoseg.export import write_geojson, write_layers
from geoseg.figures import preview
from geoseg.known import OutlineSettings, Place, Sight, look, outline
from geoseg.model import SiteModel
from geoseg.nodata import nodata_distance
from geoseg.polygonize import Region, polygonize, simplify
from geoseg.scene import Scene
from geoseg.trained import trained_at
from geoseg.vectors import Points
from segcore.data.stretch import StretchedImage
from segcore.evidence import Evidence
from segcore.files import fresh_dir, write_json
from segcore.progress import Progress, Silent
from segcore.provenance import collect
from segcore.threads import torch_threads
from segcore.windows import Window

TOLERANCE = 1.0
"""Simplification of outlines, in pixels: it takes the stairs and leaves the shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlines:
    """What became of each point."""

    found: geopandas.GeoDataFrame
    """One polygon for each point that has one: point_id, fold, settings, evidence, attributes."""
    missing: geopandas.GeoDataFrame
    """The other points, with the reason."""


def outline_sites(
    scene: Scene,
    points: Points,
    model: SiteModel,
    out: Path,
    *,
    method: str | None = None,
    crf: CrfChoice = MODELS_OWN,
    device: str = "cpu",
    threads: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Outlines:
    """Outline every point of a layer and write OUT/: outlines.gpkg, outlines.geojson, preview.png, run.json.

    method: another map than the one the model was tuned with; lengths and cut stay those of the model.
    crf: another CRF than the model's.

    Raises:
        BundleError: the model reads another number of bands.
        ConfigError: the method is not calibrated in the model, or the CRF is out of range.
        MissingExtraError: the CRF's backend is not installed.
        OutputError: out exists or cannot be written.
    """
    heard: Progress = progress or Silent()
    model.require_bands(scene.source)
    refining = crf.apply(model.outline.refining, model.window, scene.source.pixel_size)
    require_backend(refining.crf)
    settings = replace(model.outline, choice=model.choose(method, model.outline.choice), refining=refining)
    with fresh_dir(out, overwrite=overwrite, replaces="run.json") as folder:
        image = StretchedImage(scene.wanted, model.stretch_for(scene.wanted, scene.source.fingerprint))
        with torch_threads(threads):
            outlines = draw_outlines(image, scene, points, model, settings, device=device, progress=heard)
        _write(folder, outlines, scene, image, points, model, settings)
    heard.say(f"{len(outlines.found)} of {len(points)} points have an outline")
    return outlines


def draw_outlines(
    image: StretchedImage, scene: Scene, points: Points, model: SiteModel, settings: OutlineSettings, *, device: str, progress: Progress
) -> Outlines:
    """Outlines of all points, in their order; nothing is written."""
    evidence = model.evidence(settings.choice, device=device)
    places: list[Place] = [(int(r), int(c)) for r, c in np.floor(scene.grid.to_pixels(points.xy))]
    near = neighbours(places, model.window + 2 * settings.shift)
    regions: list[Region] = []
    rows: list[dict[str, Any]] = []
    lost: list[tuple[int, str]] = []
    first = {place: i for i, place in reversed(list(enumerate(places)))}
    for i, place in enumerate(places):
        twin = f"the point lies on the same pixel as {points.ids[first[place]]}" if first[place] < i else None
        drawn = twin or _draw(image, scene, place, [places[j] for j in near[i]], evidence, model.window, settings)
        if isinstance(drawn, str):
            lost.append((i, drawn))
        else:
            regions.append(drawn[0])
            rows.append({"point_id": points.ids[i], **drawn[1], "place": place})
        progress.step("outlines", i + 1, len(places))
    polygons = [region.polygon for region in simplify(regions, TOLERANCE * abs(scene.grid.transform.a))]
    return Outlines(found=_found(rows, polygons, scene, model, settings), missing=_missing(lost, points))


def neighbours(places: Sequence[Place], reach: float) -> list[list[int]]:
    """For each place the numbers of the others within reach px (in the larger of rows and columns)."""
    found = cKDTree(np.asarray(places, dtype=np.float64).reshape(-1, 2)).query_ball_point(
        np.asarray(places).reshape(-1, 2), reach, p=np.inf
    )
    return [sorted(j for j in near if j != i) for i, near in enumerate(found)]


def _draw(
    image: StretchedImage, scene: Scene, place: Place, others: Sequence[Place], evidence: Evidence, window: int, settings: OutlineSettings
) -> tuple[Region, dict[str, Any]] | str:
    """The outline and its evidence, or the reason why there is none."""
    if not image.mask(Window(*place, 1, 1))[0, 0]:
        return "the point lies on nodata"
    sight = look(image, place, others, evidence, window=window, shift=settings.shift)
    mask = outline(sight, settings)
    if mask is None:
        return "no activation at the point"
    mask &= image.mask(sight.region)
    regions = polygonize([(sight.region, mask)], scene.grid.transform)
    if not regions:
        return "the activation lies on nodata"
    region = max(regions, key=lambda own: own.polygon.area)
    edge = nodata_distance(region.polygon, scene.source, scene.grid, window)
    return region, {**_evidence(sight, mask), "nodata_m": edge}


def _evidence(sight: Sight, mask: NDArray[np.bool_]) -> dict[str, Any]:
    inside = sight.values[mask]
    return {
        "score": float(sight.scores.mean()),
        "score_spread": float(sight.scores.std()),
        "activation_mean": float(inside.mean()),
        "activation_max": float(inside.max()),
        **{f"score_{member + 1}": float(own) for member, own in enumerate(sight.scores)},
    }


def _found(
    rows: Sequence[Mapping[str, Any]], polygons: Sequence[Any], scene: Scene, model: SiteModel, settings: OutlineSettings
) -> geopandas.GeoDataFrame:
    columns = ["point_id", "fold", "settings", "score", "score_spread", "activation_mean", "activation_max", "nodata_m"]
    members = [f"score_{member + 1}" for member in range(len(model.networks))]
    middles = scene.grid.to_map(np.array([row["place"] for row in rows], dtype=np.float64).reshape(-1, 2) + 0.5)
    folds = trained_at(model.facts, scene.grid.crs, model.path.name).folds_at(middles, reach=scene.grid.pixel_size)
    data = pandas.DataFrame(
        [{**row, "fold": fold, "settings": settings_digest(settings)} for row, fold in zip(rows, folds, strict=True)],
        columns=[*columns, *members],
    )
    data["fold"] = data["fold"].astype("Int64")
    crs = scene.grid.crs.to_wkt()
    return geopandas.GeoDataFrame(pandas.concat([data, attributes(polygons, crs)], axis=1), geometry=list(polygons), crs=crs)


def _missing(lost: Sequence[tuple[int, str]], points: Points) -> geopandas.GeoDataFrame:
    where = [i for i, _ in lost]
    data = {"point_id": [points.ids[i] for i in where], "reason": [reason for _, reason in lost]}
    return geopandas.GeoDataFrame(data, geometry=shapely.points(points.xy[where].reshape(-1, 2)), crs=points.crs)


def settings_digest(settings: OutlineSettings) -> str:
    """Eight hexadecimal digits that tell two settings apart; run.json spells them out."""
    return hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode()).hexdigest()[:8]


def _write(
    folder: Path, outlines: Outlines, scene: Scene, image: StretchedImage, points: Points, model: SiteModel, settings: OutlineSettings
) -> None:
    write_layers(folder / "outlines.gpkg", {"outlines": outlines.found, "points": outlines.missing})
    write_geojson(folder / "outlines.geojson", outlines.found, "outlines")
    preview(
        image, scene.grid, scene.region, folder / "preview.png", found=outlines.found.geometry.to_numpy(), points=shapely.points(points.xy)
    )
    record = collect(
        {"settings": asdict(settings), "digest": settings_digest(settings)}, {"raster": scene.source.fingerprint, "model": model.digest}
    )
    counts = {"points": len(points), "outlines": len(outlines.found), "outside": points.outside}
    write_json(
        folder / "run.json", {"kind": "outline", "scene": scene.source.name, "counts": counts, "stretch": asdict(image.stretch), **record}
    )
