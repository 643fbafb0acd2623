"""From a mask to polygons, block by block, with outlines that do not know how the mask was cut.

A block is traced on its own; pieces that share an edge across a seam are joined exactly before anything else
happens to them. Only traced pieces are held in memory, never the mask.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely.geometry import Polygon, shape

from segcore.errors import ConfigError, RunError, ShapeError
from segcore.windows import Window

_CORNER_SHARE = 0.75
"""Largest triangle that simplify takes away, as a share of tolerance squared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One 4-connected region of a mask."""

    polygon: Polygon
    """Outline along pixel edges, in map coordinates (x, y); shell counter-clockwise, holes clockwise."""
    row: int
    """Row of the first mask pixel, in reading order."""
    col: int
    """Column of the first mask pixel."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of a piece's outline that lies on the border of its block."""

    axis: int
    """0: on a horizontal line, 1: on a vertical one."""
    line: int
    """Row or column number of the line."""
    low: bool
    """Whether the piece lies above (left of) the line."""
    start: int
    """First column (row) along the line."""
    stop: int
    """One past the last column (row)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One 4-connected region of one block, in whole pixels (x = column, y = row) of the raster."""

    polygon: Polygon
    runs: tuple[Run, ...]
    """Empty where the piece keeps clear of the block's border: then it is a region already."""


def polygonize(blocks: Iterable[tuple[Window, NDArray[np.bool_]]], transform: Affine) -> list[Region]:
    """Outline every 4-connected region of a mask that comes in blocks (height, width).

    Blocks do not overlap, come in any order and any size; ground without a block is background. Vertices, holes
    and order (by first mask pixel) are those of the mask, whatever the blocks. Regions that touch at a corner only
    stay apart, so every polygon is valid.

    Raises:
        ShapeError: a mask does not have the size of its window.
    """
    return join(chain.from_iterable(trace(window, mask) for window, mask in blocks), transform)


def trace(window: Window, mask: NDArray[np.bool_]) -> list[Piece]:
    """Outline the regions of one block, mask (height, width), where the raster has it; needs no other block.

    Raises:
        ShapeError: the mask does not have the size of its window.
    """
    if mask.shape != (window.height, window.width):
        raise ShapeError(f"a mask block has the size of its window, {(window.height, window.width)}; got {mask.shape}. Read it again.")
    if not mask.any():
        return []
    pixels = np.ascontiguousarray(mask, dtype=np.uint8)
    shift = Affine.translation(window.col, window.row)
    polygons = (shape(geometry) for geometry, _ in shapes(pixels, mask=pixels != 0, connectivity=4, transform=shift))
    return [Piece(polygon=polygon, runs=tuple(_runs(polygon, window))) for polygon in polygons]


def join(pieces: Iterable[Piece], transform: Affine) -> list[Region]:
    """Join pieces that share an edge across a seam and place them on the map; sorted by first mask pixel."""
    pieces = list(pieces)
    regions = [_region(polygon, transform) for polygon in _merged(pieces)]
    return sorted(regions, key=lambda region: (region.row, region.col))


def at_least(regions: Iterable[Region], area: float) -> list[Region]:
    """Drop regions smaller than area (map units squared); call it before simplify, while areas are exact."""
    return [region for region in regions if region.polygon.area >= area]


def simplify(regions: Sequence[Region], tolerance: float) -> list[Region]:
    """Take the pixel stairs out of all outlines at once: no gap or overlap opens between neighbours.

    Corners that span a triangle of less than 3/4 tolerance squared go, smallest first (Visvalingam & Whyatt 1993, on
    the edges of the whole coverage). The share makes a tolerance of one pixel take single stairs (1/2 px squared) but
    not steps of two, which keeps the area of a region of 300 pixels or more to 1 %.

    Args:
        regions: polygons that do not overlap.
        tolerance: length in map units, >= 0; 0 changes nothing.

    Raises:
        ConfigError: the tolerance is negative.
    """
    if not tolerance >= 0:
        raise ConfigError(f"a simplify tolerance is a length >= 0, got {tolerance:g}. Use 0 to keep pixel edges.")
    if tolerance == 0 or not regions:
        return list(regions)
    polygons = shapely.coverage_simplify([region.polygon for region in regions], tolerance * _CORNER_SHARE**0.5)
    sound = shapely.is_valid(polygons) & (shapely.get_type_id(polygons) == shapely.GeometryType.POLYGON)
    polygons = shapely.orient_polygons(polygons)
    return [replace(region, polygon=new) if good else region for region, new, good in zip(regions, polygons, sound, strict=True)]


def polygon_id(scene: str, row: int, col: int) -> str:
    """Short id of a region, 12 hexadecimal digits: the same ground of the same scene has the same id in every run."""
    return hashlib.sha256(f"{scene}\n{row}\n{col}".encode()).hexdigest()[:12]


def site_layer(regions: Sequence[Region], *, crs: Any, scene: str) -> gpd.GeoDataFrame:
    """Regions as a layer in the CRS of the raster, with a column id; scene names the raster in the ids."""
    ids = [polygon_id(scene, region.row, region.col) for region in regions]
    return gpd.GeoDataFrame({"id": pd.Series(ids, dtype=str)}, geometry=[region.polygon for region in regions], crs=crs)


def _runs(polygon: Polygon, window: Window) -> Iterator[Run]:
    """Stretches of the shell on the border of the block. Holes never run along it."""
    ring = shapely.get_coordinates(polygon.exterior).astype(np.int64)
    ends = ((window.col, window.col + window.width), (window.row, window.row + window.height))
    for across, (first, last) in enumerate(ends):
        place, along = ring[:, across], ring[:, 1 - across]
        still = place[:-1] == place[1:]
        for line in (first, last):
            for i in np.flatnonzero(still & (place[:-1] == line)):
                start, stop = sorted((int(along[i]), int(along[i + 1])))
                yield Run(1 - across, line, line == last, start, stop)


def _merged(pieces: Sequence[Piece]) -> Iterator[Polygon]:
    """Pixel polygons of whole regions, in no order."""
    edges = np.array(list(_neighbours(pieces)), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges), dtype=bool), (edges[:, 0], edges[:, 1])), shape=(len(pieces), len(pieces)))
    _, labels = connected_components(graph, directed=False) if pieces else (0, np.empty(0, dtype=np.int32))
    groups: dict[int, list[Polygon]] = defaultdict(list)
    for label, piece in zip(labels.tolist(), pieces, strict=True):
        groups[label].append(piece.polygon)
    for polygons in groups.values():
        whole = polygons[0] if len(polygons) == 1 else shapely.union_all(polygons)
        if not isinstance(whole, Polygon):
            raise RunError(f"pieces that share edges make one polygon; got a {whole.geom_type}. Blocks overlap: cut them without overlap.")
        yield whole


def _neighbours(pieces: Sequence[Piece]) -> Iterator[tuple[int, int]]:
    """Pairs of pieces on both sides of a seam whose runs share more than a point."""
    seams: dict[tuple[int, int], tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]] = defaultdict(lambda: ([], []))
    for number, piece in enumerate(pieces):
        for run in piece.runs:
            seams[run.axis, run.line][run.low].append((run.start, run.stop, number))
    for high, low in seams.values():
        high.sort()
        low.sort()
        i = j = 0
        while i < len(high) and j < len(low):
            if max(high[i][0], low[j][0]) < min(high[i][1], low[j][1]):
                yield high[i][2], low[j][2]
            i, j = (i + 1, j) if high[i][1] <= low[j][1] else (i, j + 1)


def _region(polygon: Polygon, transform: Affine) -> Region:
    """The one way to write a pixel polygon: corners only, each ring from its first pixel, holes in reading order."""
    shell, *holes = (shapely.get_coordinates(ring).astype(np.int64) for ring in (polygon.exterior, *polygon.interiors))
    outer = _ring(shell, clockwise=transform.determinant > 0)
    inner = sorted((_ring(hole, clockwise=transform.determinant < 0) for hole in holes), key=lambda ring: (ring[0, 1], ring[0, 0]))
    placed = Polygon(_place(outer, transform), [_place(ring, transform) for ring in inner])
    return Region(polygon=placed, row=int(outer[0, 1]), col=int(outer[0, 0]))


def _ring(ring: NDArray[np.int64], *, clockwise: bool) -> NDArray[np.int64]:
    """Corners of a closed pixel ring (N, 2), from its upper left one; clockwise as seen with rows running down."""
    points = ring[:-1]
    steps = ring[1:] - points
    before = np.roll(steps, 1, axis=0)
    points = points[before[:, 0] * steps[:, 1] != before[:, 1] * steps[:, 0]]
    after = np.roll(points, -1, axis=0)
    twice_area = int(np.sum(points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]))
    points = points if (twice_area > 0) == clockwise else points[::-1]
    first = int(np.lexsort((points[:, 0], points[:, 1]))[0])
    points = np.roll(points, -first, axis=0)
    return np.concatenate([points, points[:1]])


def _place(ring: NDArray[np.int64], transform: Affine) -> NDArray[np.float64]:
    """Map coordinates of pixel corners (x = column, y = row)."""
    x, y = ring[:, 0], ring[:, 1]
    return np.stack(
        [transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f],
        axis=1,
    )
