"""How good a model is on ground that it never saw, each figure beside its control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from geoseg.area import Area
from geoseg.chipset import MAX_IGNORE
from geoseg.evaluate import dice_at_points, discs, evaluate, polygons_in
from geoseg.findings import Findings
from geoseg.model import SiteModel
from geoseg.outline import Outlines
from geoseg.scene import Scene
from geoseg.vectors import Points, rasterise
from segcore.data.stretch import StretchedImage
from segcore.errors import InputError
from segcore.metrics.pixels import Counts, count, dice
from segcore.pipeline.store import NODATA
from segcore.predict import predict_windows
from segcore.windows import Window, block_grid

_NEGATIVES, _TRIES = 4, 400
"""Random windows for each site, and places tried for each of them."""


Figures = dict[str, float | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is known of the ground that is judged."""

    points: Points
    """Known sites in the area."""
    experts: geopandas.GeoDataFrame
    """Expert outlines, with the ids of points or at their places."""
    ignore: geopandas.GeoDataFrame | None
    """Ground that counts for neither side."""
    area: Area
    """What is judged; training never saw it."""


def classifier_scores(scene: Scene, image: StretchedImage, model: SiteModel, truth: Truth, *, seed: int = 0) -> Figures:
    """AUC of windows centred on sites against windows that touch no site and hold at most 5 % ignored pixels.

    auc_rough: the same against negatives that are as rough as the sites (each site's nearest in mean gradient), since
    empty ground is told from a site by texture alone.
    """
    edge = model.window
    places = np.floor(scene.grid.to_pixels(truth.points.xy)).astype(int)
    sites = np.stack([image.read(Window(int(r) - edge // 2, int(c) - edge // 2, edge, edge)) for r, c in places])
    empty = _empty_windows(scene, image, edge, truth, _NEGATIVES * len(sites), seed)
    at_sites, at_empty = (np.mean([predict_windows(n, own) for n in model.networks], axis=0) for own in (sites, empty))
    rough = _as_rough(sites, empty)
    return {
        "auc": _auc(at_sites, at_empty),
        "auc_rough": _auc(at_sites, at_empty[rough]),
        "windows_site": len(sites),
        "windows_empty": len(empty),
    }


def outline_scores(outlines: Outlines, truth: Truth, *, disc_radius: float) -> Figures:
    """Dice of each known point's own outline, and of discs of one size (metres), chosen elsewhere."""
    points = _frame(truth.points)
    ours = dice_at_points(outlines.found, truth.experts, points, ignore=truth.ignore)
    control = discs(truth.points.xy, disc_radius, crs=truth.points.crs, ids=list(truth.points.ids))
    theirs = dice_at_points(control, truth.experts, points, ignore=truth.ignore)
    return {**ours.as_dict(), "disc_median_dice": theirs.as_dict()["point_median_dice"]}


def best_disc_radius(truth: Truth, window_metres: float) -> float:
    """The radius in metres with which discs of one size reach the best median Dice; for the control, on seen ground."""
    radii = [share * window_metres for share in np.arange(0.08, 0.4, 0.01)]
    known = _frame(truth.points)

    def median(radius: float) -> float:
        control = discs(truth.points.xy, radius, crs=truth.points.crs, ids=list(truth.points.ids))
        return dice_at_points(control, truth.experts, known, ignore=truth.ignore).median

    return max(radii, key=median)


def scan_scores(findings: Findings, scene: Scene, activation: str, truth: Truth, *, score_threshold: float) -> Figures:
    """Raster and object figures of a scan, and the raster Dice of the windows' own blended scores."""
    scores = evaluate(findings.sites, truth.experts, scene.grid, ignore=truth.ignore, area=truth.area.geometry)
    return {**scores.as_dict(), "score_dice": _score_dice(scene, activation, truth, score_threshold)}


def _frame(points: Points) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame({"id": list(points.ids)}, geometry=shapely.points(points.xy), crs=points.crs)


def _empty_windows(scene: Scene, image: StretchedImage, edge: int, truth: Truth, wanted: int, seed: int) -> NDArray[np.uint8]:
    """Random windows (n, C, edge, edge) inside the area that touch no outline, no known point and little ignored ground."""
    rng = np.random.default_rng([seed, 3])
    experts, ignored = (polygons_in(layer, scene.grid.crs) for layer in (truth.experts, truth.ignore))
    sites, unsure = shapely.STRtree([*experts, *shapely.points(truth.points.xy)]), shapely.STRtree(ignored)
    region, found = truth.area.window, []
    for _ in range(_TRIES * wanted):
        row = int(rng.integers(region.row, max(region.row + 1, region.row + region.height - edge)))
        col = int(rng.integers(region.col, max(region.col + 1, region.col + region.width - edge)))
        window = Window(row, col, edge, edge)
        box = shapely.box(*scene.grid.window_bounds(window))
        if len(sites.query(box, predicate="intersects")):
            continue
        under = ignored[unsure.query(box, predicate="intersects")]
        if len(under) and rasterise(under, scene.grid, window).mean() > MAX_IGNORE:
            continue
        if image.mask(window).all():
            found.append(image.read(window))
        if len(found) == wanted:
            break
    if not found:
        raise InputError("the judged area needs windows without a site; there is none. Choose a larger area.")
    return np.stack(found)


def _as_rough(sites: NDArray[np.uint8], empty: NDArray[np.uint8]) -> NDArray[np.int64]:
    """For each site the empty window, each used once, that is nearest in roughness."""
    wanted, have = _roughness(sites), _roughness(empty)
    free = np.ones(len(have), dtype=bool)
    chosen = []
    for value in np.sort(wanted)[::-1]:
        distance = np.where(free, np.abs(have - value), np.inf)
        best = int(np.argmin(distance))
        if not np.isfinite(distance[best]):
            break
        free[best] = False
        chosen.append(best)
    return np.array(chosen)


def _roughness(windows: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute difference of neighbouring pixels, (n,)."""
    values = windows.astype(np.float64)
    return np.asarray((np.abs(np.diff(values, axis=-1)).mean(axis=(1, 2, 3)) + np.abs(np.diff(values, axis=-2)).mean(axis=(1, 2, 3))) / 2)


def _auc(sites: NDArray[Any], empty: NDArray[Any]) -> float:
    return float(roc_auc_score([1] * len(sites) + [0] * len(empty), np.concatenate([sites, empty])))


def _score_dice(scene: Scene, activation: str, truth: Truth, threshold: float) -> float | None:
    """Raster Dice of band 2 of activation.tif, cut at a threshold."""
    experts, ignored = (polygons_in(layer, scene.grid.crs) for layer in (truth.experts, truth.ignore))
    total, region = Counts(), truth.area.window
    with rasterio.open(activation) as source:
        score = source.read(2)
    for block in block_grid((region.height, region.width), 2048):
        window = block.shift(region.row, region.col)
        own = score[block.slices]
        judged = truth.area.mask(window) & ~rasterise(ignored, scene.grid, window)
        marked = (own != NODATA) & (own >= threshold * (NODATA - 1))
        total += count(marked, rasterise(experts, scene.grid, window), ignore=~judged)
    value = dice(total)
    return None if np.isnan(value) else value
