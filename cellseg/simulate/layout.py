"""Where the cells of a volume lie: shapes put one after the other where nothing is yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellseg.image import Instances
from cellseg.simulate.nucleus import Mask, Pixel, largest
from cellseg.simulate.population import Population

Shape = tuple[int, int, int]
Streams = Callable[..., np.random.Generator]
"""streams(*key) -> the generator of that part of the volume."""

TRIES = 60
"""Places that are tried before a cell is left out."""
LEAST_INSIDE = 0.35
"""Share of a cell that lies inside the volume, where a face cuts it."""
_COARSE_UM, _FINE_UM, _FAR_UM = 0.5, 0.125, 20.0
"""Steps and longest way of a cell that is moved away from another until they touch."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """A nucleus at its place."""

    population: Population
    mask: Mask
    """(d, h, w); the part outside the volume is there too, for its light."""
    corner: Shape
    """Voxel of the volume where the mask begins; may be negative."""

    @property
    def centre(self) -> NDArray[np.float64]:
        """Of the mask's box, voxels (3,)."""
        return np.array(self.corner) + np.array(self.mask.shape) / 2

    def cut(self, shape: Shape) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """The part inside a volume: (slices of the volume, slices of the mask)."""
        starts = [max(low, 0) for low in self.corner]
        ends = [min(low + size, limit) for low, size, limit in zip(self.corner, self.mask.shape, shape, strict=True)]
        inside = tuple(slice(start, max(start, end)) for start, end in zip(starts, ends, strict=True))
        own = tuple(slice(part.start - low, part.stop - low) for part, low in zip(inside, self.corner, strict=True))
        return inside, own


def lay_out(residents: tuple[Population, ...], shape: Shape, pixel_um: Pixel, streams: Streams) -> tuple[Instances, list[Cell]]:
    """Fill a volume.

    Args:
        residents: in the order in which they are put.
        shape: (D, H, W) of the volume.
        pixel_um: edges of a voxel.
        streams: generators by key; each cell has one of its own.

    Returns:
        Instances (D, H, W), and the cells: number i has the id i + 1. Each is one component by faces; none overlap.
    """
    instances = np.zeros(shape, dtype=np.int32)
    cells: list[Cell] = []
    wanted = _wanted(residents, float(np.prod(shape) * np.prod(pixel_um)), streams("counts"))
    for number, population in enumerate(wanted):
        rng = streams("cell", number)
        mask = population.shape(pixel_um, rng)
        for start in _places(mask, cells, instances, population, pixel_um, rng):
            cell = _settle(start, instances)
            if cell is not None:
                cells.append(cell)
                inside, own = cell.cut(shape)
                instances[inside][cell.mask[own]] = len(cells)
                break
    return instances, cells


def _wanted(residents: tuple[Population, ...], cubic_um: float, rng: np.random.Generator) -> list[Population]:
    """One entry a cell; at least one of each population."""
    found: list[Population] = []
    for population in residents:
        expected = rng.uniform(*population.density) * cubic_um / 1e5
        found += [population] * max(1, int(expected + rng.random()))
    return found


def _places(
    mask: Mask, cells: list[Cell], instances: Instances, population: Population, pixel_um: Pixel, rng: np.random.Generator
) -> Iterator[Cell]:
    """Candidates: perhaps one that touches a cell, then random ones whose centre is inside."""
    size = np.array(mask.shape)
    if cells and rng.random() < population.touching:
        neighbour = cells[rng.integers(len(cells))]
        start = Cell(population=population, mask=mask, corner=neighbour.corner)
        yield _beside(start, neighbour, instances, pixel_um, rng)
    for _ in range(TRIES):
        corner = np.floor(rng.random(3) * np.array(instances.shape) - size / 2)
        yield Cell(population=population, mask=mask, corner=_voxel(corner))


def _beside(cell: Cell, neighbour: Cell, instances: Instances, pixel_um: Pixel, rng: np.random.Generator) -> Cell:
    """The cell, moved away from its neighbour in a random direction until it is free, then back as far as it stays so."""
    direction = rng.standard_normal(3) * (0.4, 1, 1)
    direction /= np.linalg.norm(direction) * np.array(pixel_um)
    origin = neighbour.centre - np.array(cell.mask.shape) / 2

    def at(way: float) -> Cell:
        return replace(cell, corner=_voxel(np.rint(origin + way * direction)))

    way = _COARSE_UM
    while way < _FAR_UM and not _is_free(at(way), instances):
        way += _COARSE_UM
    while way > _FINE_UM and _is_free(at(way - _FINE_UM), instances):
        way -= _FINE_UM
    return at(way)


def _is_free(cell: Cell, instances: Instances) -> bool:
    inside, own = cell.cut((instances.shape[0], instances.shape[1], instances.shape[2]))
    return not (instances[inside].astype(bool) & cell.mask[own]).any()


def _settle(cell: Cell, instances: Instances) -> Cell | None:
    """The cell as it may stay: free, and enough of it inside, in one component; None where it may not."""
    if not _is_free(cell, instances):
        return None
    _, own = cell.cut((instances.shape[0], instances.shape[1], instances.shape[2]))
    part = cell.mask[own]
    kept = largest(part)
    if kept.sum() < LEAST_INSIDE * cell.mask.sum():
        return None
    if kept is part:
        return cell
    mask = cell.mask.copy()
    mask[own] = kept
    return replace(cell, mask=mask)


def _voxel(place: NDArray[np.float64]) -> Shape:
    z, y, x = (int(number) for number in place)
    return z, y, x
