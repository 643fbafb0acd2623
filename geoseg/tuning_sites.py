"""Training sites that an expert has outlined: what settings are chosen with, and judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy.spatial import cKDTree

from geoseg.chipset import ChipSet
from geoseg.evaluate import experts_by_place, polygons_in
from geoseg.grid import GeoGrid
from geoseg.known import Place
from geoseg.vectors import rasterise, read_polygons
from segcore.errors import InputError
from segcore.io.memory import MemoryImage
from segcore.windows import Window

LEAST, MOST = 6, 50
"""Fewest and most outlined sites that tuning uses."""


class ChipReader:
    """One chip, read in the pixels of the raster."""

    def __init__(self, chips: ChipSet, index: int) -> None:
        """Pixels beyond the chip read as 0."""
        edge = int(chips.facts["chip"])
        row, col = chips.places[index]
        self.window = Window(int(row) - edge // 2, int(col) - edge // 2, edge, edge)
        self._image = MemoryImage(np.asarray(chips.chips[index]))

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Pixels (C, height, width) of a window of the raster."""
        pixels: NDArray[np.uint8] = self._image.read(window.shift(-self.window.row, -self.window.col))
        return pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlinedSite:
    """A training site with its expert outline."""

    index: int
    """Of its chip."""
    place: Place
    others: list[Place]
    """Known sites near enough to share its ground."""
    polygon: shapely.Geometry
    """In the raster's CRS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlinedSites:
    """Outlined sites in two halves: one to choose with, one held back to judge by."""

    grid: GeoGrid
    polygons: Sequence[shapely.Geometry]
    """Every outline of the file, also those that are not tuned with."""
    known: NDArray[np.int64]
    """(N, 2): row, col of every training site."""
    drawn: NDArray[np.bool_]
    """(N,): which of them have an outline."""
    fit: Sequence[OutlinedSite]
    held: Sequence[OutlinedSite]


def outlined_sites(chips: ChipSet, outlines: Path, *, fresh: NDArray[np.bool_] | None = None, most: int = MOST) -> OutlinedSites:
    """Match expert polygons to training sites by place; at most `most`, spread evenly, every other one held back.

    fresh (N,): chips that some network did not learn from; their sites are taken first.

    A polygon around several points counts once, with the first, so that it is not in both halves.

    Raises:
        InputError: the file is unusable, or fewer than 6 polygons belong to training sites.
    """
    grid = chip_grid(chips)
    frame = read_polygons(outlines, grid.crs)
    sites = np.flatnonzero(chips.labels == 1)
    polygons = polygons_in(frame, grid.crs)
    expert = experts_by_place(shapely.points(grid.to_map(chips.places[sites] + 0.5)), polygons)
    matched = np.array([own for own in np.sort(np.unique(expert, return_index=True)[1]) if expert[own] >= 0], dtype=np.intp)
    if len(matched) < LEAST:
        raise InputError(
            f"tuning needs outlines of at least {LEAST} training sites, 10 to 50 are good; {outlines.name} has {len(matched)}. "
            "Draw more, or leave --outlines out."
        )
    matched = _chosen(matched, np.zeros(len(chips.labels), dtype=bool) if fresh is None else fresh, sites, most)
    places = [(int(r), int(c)) for r, c in chips.places[sites]]
    near = cKDTree(chips.places[sites]).query_ball_point(chips.places[sites[matched]], 2 * chips.window, p=np.inf)
    found = [
        OutlinedSite(index=int(sites[i]), place=places[i], others=[places[j] for j in sorted(own) if j != i], polygon=polygons[expert[i]])
        for i, own in zip(matched, near, strict=True)
    ]
    return OutlinedSites(grid=grid, polygons=list(polygons), known=chips.places[sites], drawn=expert >= 0, fit=found[::2], held=found[1::2])


def _chosen(matched: NDArray[np.intp], fresh: NDArray[np.bool_], sites: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most `most` of the matched sites: fresh ones, then others, each evenly spread over the file."""
    first, then = matched[fresh[sites[matched]]], matched[~fresh[sites[matched]]]
    first = _spread(first, min(most, len(first)))
    return np.concatenate([first, _spread(then, min(most - len(first), len(then)))])


def _spread(items: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    return np.asarray(items[np.linspace(0, len(items) - 1, count).round().astype(int)])


def chip_grid(chips: ChipSet) -> GeoGrid:
    """Grid of the raster that chips were cut from."""
    _, height, width = chips.facts["shape"]
    return GeoGrid(crs=CRS.from_wkt(chips.facts["crs"]), transform=Affine(*chips.facts["transform"]), height=height, width=width)


def truth_pixels(sites: OutlinedSites, polygons: Sequence[shapely.Geometry], window: Window) -> NDArray[np.bool_]:
    """Pixels (h, w) of a window that lie in any of the polygons."""
    return rasterise(polygons, sites.grid, window)
