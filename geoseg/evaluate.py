"""Found polygons against an expert's: pixels, objects, and outlines at known points."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from rasterio.features import rasterize

from geoseg.grid import GeoGrid
from segcore.errors import ConfigError, InputError
from segcore.metrics.figures import agreement, jsonable
from segcore.metrics.objects import ObjectScores, Overlaps, object_scores
from segcore.metrics.pixels import Counts, count, share
from segcore.windows import Window, block_grid

Geometries = NDArray[np.object_]
"""Valid, non-empty polygons and multipolygons of one CRS; (N,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How well found polygons agree with an expert's."""

    pixels: Counts
    """Pixels of the raster, union of all polygons on each side, without those under ignore."""
    objects: ObjectScores
    """Polygons, one to one."""
    dropped_found: int = 0
    """Found polygons with more than half their area under ignore: not counted."""
    dropped_expected: int = 0
    """Expert polygons with more than half their area under ignore: not counted."""

    def as_dict(self) -> dict[str, float | int | None]:
        """Flat figures for JSON; None where a share of nothing was asked for."""
        figures: dict[str, float | int] = {
            **agreement(self.pixels, self.objects),
            "matched": self.objects.matched,
            "found": self.objects.found,
            "expected": self.objects.expected,
            "dropped_found": self.dropped_found,
            "dropped_expected": self.dropped_expected,
        }
        return jsonable(figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointScores:
    """Dice between each known point's own outline and its expert polygon."""

    ids: tuple[str, ...]
    """Points that have an expert polygon which counts."""
    dice: NDArray[np.float64]
    """Dice per point, 0..1, 0 without an outline; (N,), in the order of ids."""
    with_outline: int = 0
    """How many of them have an outline."""
    dropped: int = 0
    """Points left out because more than half of their polygon lies under ignore."""
    without_expert: int = 0
    """Points left out because no expert polygon belongs to them."""

    @property
    def median(self) -> float:
        """Median over all points, those without an outline included; nan without points."""
        return float(np.median(self.dice)) if self.dice.size else float("nan")

    def as_dict(self) -> dict[str, float | int | None]:
        """Flat figures for JSON; None where there is no point."""
        figures: dict[str, float | int] = {
            "points": len(self.ids),
            "with_outline": self.with_outline,
            "point_median_dice": self.median,
            "point_mean_dice": share(float(self.dice.sum()), self.dice.size),
            "point_share_half": share(int(np.sum(self.dice >= 0.5)), self.dice.size),
            "points_dropped": self.dropped,
            "points_without_expert": self.without_expert,
        }
        return jsonable(figures)


def evaluate(
    predicted: gpd.GeoDataFrame,
    expert: gpd.GeoDataFrame,
    grid: GeoGrid,
    *,
    ignore: gpd.GeoDataFrame | None = None,
    area: shapely.Geometry | None = None,
    block: int = 2048,
) -> Scores:
    """Score found polygons against an expert's; layers in another CRS are reprojected to the grid's.

    Pixels: Dice of the union of each side on the raster's grid (a pixel is inside when its centre is), so polygons
    may overlap; pixels under ignore count for neither side. Objects: one row is one object, however many parts it
    has; on either side, an object with more than half its area under ignore is dropped, otherwise it counts whole;
    one-to-one by descending IoU of the exact outlines, matched at IoU >= 0.5.

    Args:
        predicted: what was found, polygons.
        expert: what should have been found, polygons.
        grid: the raster both belong to.
        ignore: ground that is neither right nor wrong, polygons.
        area: pixels inside it count, and objects whose representative point is; grid's CRS, default the whole raster.
        block: edge of the squares that are rasterised at a time, in pixels; bounds the memory, changes nothing.

    Raises:
        InputError: a layer has no CRS or holds something other than polygons.
    """
    area = shapely.box(*grid.bounds) if area is None else area
    found, expected, ignored = layers = [polygons_in(layer, grid.crs) for layer in (predicted, expert, ignore)]
    blocks = block_grid((grid.height, grid.width), block)
    pixels = sum((_count(window, grid, *layers, np.array([area], dtype=object)) for window in blocks), Counts())
    found, expected = (side[_represented(side, area)] for side in (found, expected))
    drop_found, drop_expected = (under_ignore(side, ignored) for side in (found, expected))
    kept_found, kept_expected = found[~drop_found], expected[~drop_expected]
    objects = object_scores(overlaps(kept_found, kept_expected), found=len(kept_found), expected=len(kept_expected))
    return Scores(pixels=pixels, objects=objects, dropped_found=int(drop_found.sum()), dropped_expected=int(drop_expected.sum()))


def dice_at_points(
    outlines: gpd.GeoDataFrame,
    experts: gpd.GeoDataFrame,
    points: gpd.GeoDataFrame,
    *,
    ignore: gpd.GeoDataFrame | None = None,
) -> PointScores:
    """Score the outline of each known point against the expert polygon of the same point.

    A point is known by its column `id`, else by its index. Its outline is what `outlines` holds under that `point_id`
    (several rows are joined); no outline scores 0. Its expert polygon has the same `id`, or, where the layers share
    no id, is the smallest one that contains the point, else the nearest one no farther than its own radius.

    Raises:
        InputError: a layer has no CRS, holds other geometries, or outlines lack the column point_id.
    """
    if "point_id" not in outlines.columns:
        columns = ", ".join(map(str, outlines.columns))
        raise InputError(f"outlines name their point in the column point_id; got {columns}. Use the layer outlines.")
    truth = polygons_in(experts, experts.crs)
    places = _in_crs(points, experts.crs).geometry.to_numpy()
    keys = _keys(points, "id")
    shared = _experts_by_id(keys, _keys(experts[_polygonal(experts)], "id")) if "id" in points and "id" in experts else None
    expert = experts_by_place(places, truth) if shared is None else shared
    dropped = (expert >= 0) & np.append(under_ignore(truth, polygons_in(ignore, experts.crs)), False)[expert]
    counted = np.flatnonzero((expert >= 0) & ~dropped)
    own = _by_key(outlines, experts.crs)
    return PointScores(
        ids=tuple(keys[i] for i in counted),
        dice=np.array([_dice(own.get(keys[i]), truth[expert[i]]) for i in counted], dtype=np.float64),
        with_outline=sum(keys[i] in own for i in counted),
        dropped=int(dropped.sum()),
        without_expert=int(np.sum(expert < 0)),
    )


def discs(points_xy: ArrayLike, radius_m: float, *, crs: Any = None, ids: Any = None) -> gpd.GeoDataFrame:
    """One 64-gon of one radius round each point: the control that any outline must beat.

    Args:
        points_xy: (N, 2), x and y in metres of a projected CRS.
        radius_m: radius in metres.
        crs: what x and y are in.
        ids: (N,) names for the column point_id; 0..N-1 by default.

    Raises:
        ConfigError: the radius is not positive.
    """
    if not radius_m > 0:
        raise ConfigError(f"a disc has a radius > 0 m, got {radius_m:g}. Use about that of a median site.")
    centres = shapely.points(np.asarray(points_xy, dtype=np.float64).reshape(-1, 2))
    point_ids = range(len(centres)) if ids is None else ids
    return gpd.GeoDataFrame({"point_id": point_ids}, geometry=shapely.buffer(centres, radius_m, quad_segs=16), crs=crs)


def polygons_in(frame: gpd.GeoDataFrame | None, crs: Any) -> Geometries:
    """Polygons of a layer in another CRS, repaired where invalid; rows without geometry are left out.

    Raises:
        InputError: the layer has no CRS or holds something other than polygons.
    """
    if frame is None or frame.empty:
        return np.empty(0, dtype=object)
    shapes: Geometries = _in_crs(frame[_polygonal(frame)], crs).geometry.to_numpy().astype(object)
    invalid = ~shapely.is_valid(shapes)
    shapes[invalid] = shapely.make_valid(shapes[invalid], method="structure", keep_collapsed=False)
    return shapes


def overlaps(found: Geometries, expected: Geometries) -> Overlaps:
    """Pairs of polygons that share ground, with their exact IoU."""
    rows, cols = shapely.STRtree(expected).query(found, predicate="intersects")
    shared = shapely.area(shapely.intersection(found[rows], expected[cols]))
    ious = shared / (shapely.area(found[rows]) + shapely.area(expected[cols]) - shared)
    return Overlaps(found=rows[shared > 0], expected=cols[shared > 0], iou=ious[shared > 0])


def under_ignore(objects: Geometries, ignored: Geometries) -> NDArray[np.bool_]:
    """Which objects have more than half their area under ignore polygons, which may overlap each other; (N,)."""
    rows, cols = shapely.STRtree(ignored).query(objects, predicate="intersects")
    covered = np.zeros(len(objects))
    for row in np.unique(rows):
        covered[row] = shapely.intersection(objects[row], shapely.union_all(ignored[cols[rows == row]])).area
    return np.asarray(covered > 0.5 * shapely.area(objects))


def _count(window: Window, grid: GeoGrid, *layers: Geometries) -> Counts:
    """Pixel counts of one block; layers are found, expected, ignored, area."""
    found, expected, under, inside = (_draw(shapes, window, grid) for shapes in layers)
    return count(found, expected, ignore=under | ~inside)


def _draw(shapes: Geometries, window: Window, grid: GeoGrid) -> NDArray[np.bool_]:
    """Pixels (height, width) of a window whose centre lies in any of the shapes."""
    size = (window.height, window.width)
    near = shapes[shapely.intersects(shapes, shapely.box(*grid.window_bounds(window)))]
    if not near.size:
        return np.zeros(size, dtype=bool)
    return np.asarray(rasterize(near, out_shape=size, transform=grid.window_transform(window), dtype=np.uint8), dtype=bool)


def _represented(objects: Geometries, area: shapely.Geometry) -> NDArray[np.bool_]:
    """Objects whose representative point lies in area; (N,)."""
    return np.asarray(shapely.intersects(area, shapely.point_on_surface(objects)), dtype=bool)


def _polygonal(frame: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    """Rows that have a geometry; anything but polygons is refused."""
    there = ~(frame.geometry.isna() | frame.geometry.is_empty).to_numpy()
    others = set(frame.geometry[there].geom_type) - {"Polygon", "MultiPolygon"}
    if others:
        raise InputError(f"outlines are polygons; got {', '.join(sorted(others))}. Buffer them to their extent or choose another layer.")
    return np.asarray(there)


def _in_crs(frame: gpd.GeoDataFrame, crs: Any) -> gpd.GeoDataFrame:
    """The layer in another CRS."""
    if frame.crs is None or crs is None:
        raise InputError("a layer says where it lies by its CRS; this one has none. Assign one, for example in QGIS: Set Layer CRS.")
    return frame.to_crs(crs)


def _keys(frame: gpd.GeoDataFrame, column: str) -> list[str]:
    """The name of each row: the column where there is one, else the index. 3 and 3.0 are one name."""
    values: list[Hashable] = (frame[column] if column in frame.columns else frame.index).tolist()
    return [str(int(value)) if isinstance(value, float) and value.is_integer() else str(value) for value in values]


def _experts_by_id(keys: list[str], expert_keys: list[str]) -> NDArray[np.intp] | None:
    """Row of the expert polygon of each point, -1 for none; None where the layers have no id in common."""
    rows = {key: row for row, key in enumerate(expert_keys)}
    found = np.array([rows.get(key, -1) for key in keys], dtype=np.intp)
    return found if (found >= 0).any() else None


def experts_by_place(places: Geometries, truth: Geometries) -> NDArray[np.intp]:
    """Row of the expert polygon at each point, -1 for none."""
    result = np.full(len(places), -1, dtype=np.intp)
    tree, areas = shapely.STRtree(truth), shapely.area(truth)
    near, nearest = tree.query_nearest(places, all_matches=False) if truth.size else np.empty((2, 0), dtype=np.intp)
    close = shapely.distance(places[near], truth[nearest]) <= np.sqrt(areas[nearest] / np.pi)
    result[near[close]] = nearest[close]
    rows, cols = tree.query(places, predicate="intersects")
    order = np.argsort(-areas[cols], kind="stable")
    result[rows[order]] = cols[order]
    return result


def _by_key(outlines: gpd.GeoDataFrame, crs: Any) -> dict[str, shapely.Geometry]:
    """One geometry per point id."""
    shapes = polygons_in(outlines, crs)
    keys = _keys(outlines[_polygonal(outlines)], "point_id") if shapes.size else []
    parts: dict[str, list[shapely.Geometry]] = {}
    for key, geometry in zip(keys, shapes, strict=True):
        parts.setdefault(key, []).append(geometry)
    return {key: shapely.union_all(some) for key, some in parts.items()}


def _dice(outline: shapely.Geometry | None, truth: shapely.Geometry) -> float:
    """2 |A and B| / (|A| + |B|) of two outlines; 0 without one."""
    return 0.0 if outline is None else 2 * outline.intersection(truth).area / (outline.area + truth.area)
