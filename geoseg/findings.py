"""From finished blocks to sites with evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import pandas
import shapely
from numpy.typing import NDArray

from geoseg.attributes import attributes
from geoseg.nodata import nodata_distance
from geoseg.polygonize import Region, at_least, polygon_id, polygonize, simplify
from geoseg.scene import Scene
from geoseg.vectors import rasterise
from segcore.pipeline.stages import Scan
from segcore.pipeline.store import NODATA
from segcore.windows import Window

MIN_AREA = 0.01
"""Smallest site, as a share of a window's area."""
TOLERANCE = 1.0
"""Simplification, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a scan found."""

    sites: geopandas.GeoDataFrame
    """One polygon a site: id, evidence, attributes."""
    windows: geopandas.GeoDataFrame
    """The windows that passed the gate, with the score of each member."""


def find_sites(scan: Scan, scene: Scene) -> Findings:
    """Polygons of the mask of a finished scan, inside the area that is wanted, with evidence from maps and windows."""
    pixel = abs(scene.grid.transform.determinant)
    regions = at_least(polygonize(_masks(scan, scene), scene.grid.transform), MIN_AREA * scan.plan.grid.window**2 * pixel)
    windows = _windows(scan, scene)
    return Findings(
        sites=_sites(regions, windows, scan, scene), windows=windows[windows["passed"]].drop(columns="passed").reset_index(drop=True)
    )


def _masks(scan: Scan, scene: Scene) -> Iterator[tuple[Window, NDArray[np.bool_]]]:
    for number, block in enumerate(scan.plan.blocks):
        mask = scan.blocks.load(number).mask == 1
        yield block, mask & scene.area.mask(block) if scene.area and mask.any() else mask


def _sites(regions: Sequence[Region], windows: geopandas.GeoDataFrame, scan: Scan, scene: Scene) -> geopandas.GeoDataFrame:
    smooth = simplify(regions, TOLERANCE * abs(scene.grid.transform.a))
    polygons = [region.polygon for region in smooth]
    ids = [polygon_id(scene.source.name, region.row, region.col) for region in regions]
    evidence = pandas.DataFrame(
        [_evidence(polygon, windows, scan, scene) for polygon in polygons],
        columns=["score", "score_spread", "activation_mean", "activation_max", "nodata_m", *_members(scan)],
    )
    crs = scene.grid.crs.to_wkt()
    data = pandas.concat([pandas.DataFrame({"id": ids}, dtype=object), evidence, attributes(polygons, crs)], axis=1)
    return geopandas.GeoDataFrame(data, geometry=polygons, crs=crs)


def _evidence(polygon: Any, windows: geopandas.GeoDataFrame, scan: Scan, scene: Scene) -> dict[str, float]:
    """Scores of the window that sees the most of a polygon, and its activation."""
    near = windows.iloc[windows.sindex.query(polygon)]
    shared = shapely.area(shapely.intersection(near.geometry.to_numpy(), polygon)) if len(near) else np.zeros(0)
    best = near.iloc[np.lexsort((-near["score"].to_numpy(), -np.round(shared, 6)))[0]] if len(near) else None
    members = {name: float(best[name]) if best is not None else float("nan") for name in _members(scan)}
    scores = np.array(list(members.values()))
    mean, peak = _activation(polygon, scan, scene)
    return {
        "score": float(scores.mean()),
        "score_spread": float(scores.std()),
        "activation_mean": mean,
        "activation_max": peak,
        "nodata_m": nodata_distance(polygon, scene.source, scene.grid, scan.plan.grid.window),
        **members,
    }


def _activation(polygon: Any, scan: Scan, scene: Scene) -> tuple[float, float]:
    """Mean and maximum activation of the pixels of a polygon, 0..1; NaN without a pixel. Read block by block."""
    whole = scene.grid.window_of_bounds(tuple(polygon.bounds))
    total, count, peak = 0, 0, 0
    for number in scan.plan.blocks_touching(whole) if whole else ():
        block = scan.plan.blocks[number]
        window = block.overlap(whole or block) or block
        values = scan.activation(window)
        inside = values[rasterise([polygon], scene.grid, window) & (values != NODATA)]
        if len(inside):
            total, count, peak = total + int(inside.sum(dtype=np.int64)), count + len(inside), max(peak, int(inside.max()))
    steps = NODATA - 1.0
    return (total / count / steps, peak / steps) if count else (float("nan"), float("nan"))


def _windows(scan: Scan, scene: Scene) -> geopandas.GeoDataFrame:
    found = list(scan.scores())
    scores = np.array([own for _, own in found], dtype=np.float64).reshape(len(found), scan.evidence.members)
    boxes = [shapely.box(*scene.grid.window_bounds(window)) for window, _ in found]
    data = pandas.DataFrame(scores, columns=_members(scan))
    data.insert(0, "score", scores.mean(axis=1))
    data["passed"] = data["score"] >= scan.plan.gate
    return geopandas.GeoDataFrame(data, geometry=boxes, crs=scene.grid.crs.to_wkt())


def _members(scan: Scan) -> list[str]:
    return [f"score_{member + 1}" for member in range(scan.evidence.members)]
