"""A simulated volume before the camera: cells, their light, what lies behind them. Planes are exposed one by one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cellseg.image import Instances
from cellseg.simulate.lattice import Floats, Lattice, smooth_noise
from cellseg.simulate.layout import Cell, Shape, Streams, lay_out
from cellseg.simulate.optics import Optics
from cellseg.simulate.population import Population

_PARTS = {"counts": 0, "cell": 1, "light": 2, "field": 3, "plane": 4}
_NUCLEOLUS_UM, _NUCLEOLUS_LIGHT = (0.5, 0.95), 0.45
"""Radius of a nucleolus, and its share of the light around."""
_DARKEST = 0.15
"""Least light of chromatin, as a share of the nucleus' own."""
_HAZE_BLOCKS = 2
"""Blocks a standard deviation of the haze."""


def stream(seed: int, kind: int, volume: int, part: str, *number: int) -> np.random.Generator:
    """The generator of one part of one volume of a kind (by number): what one part draws changes no other."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(kind, volume, _PARTS[part], *number)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Glow:
    """Blurred light of one cell, in photons a voxel."""

    light: Floats
    """(d, h, w)."""
    corner: Shape
    """Voxel of the volume where it begins; may be negative."""

    def add_to(self, plane: Floats, number: int) -> None:
        """Add what falls on plane number (H, W), in place."""
        z, y, x = self.corner
        _, high, wide = self.light.shape
        top, left = max(y, 0), max(x, 0)
        bottom, right = min(y + high, plane.shape[0]), min(x + wide, plane.shape[1])
        if 0 <= number - z < len(self.light) and top < bottom and left < right:
            plane[top:bottom, left:right] += self.light[number - z, top - y : bottom - y, left - x : right - x]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """All of a volume but its pixels."""

    instances: Instances
    """(D, H, W); cell i has the id i + 1."""
    cells: list[Cell]
    glows: list[Glow]
    haze: Lattice
    """Light from out of focus, photons."""
    shading: Lattice
    """Illumination: its logarithm has this times Optics.shading."""
    unevenness: Lattice
    """The same of the background."""
    optics: Optics
    streams: Streams

    def expose(self, number: int) -> NDArray[np.uint16]:
        """The camera's picture of plane number, (H, W)."""
        optics, shape = self.optics, (self.instances.shape[1], self.instances.shape[2])
        photons = self.haze.plane(number, shape)
        for glow in self.glows:
            glow.add_to(photons, number)
        photons *= np.exp(np.float32(optics.shading) * self.shading.plane(number, shape))
        photons *= np.float32(exp(-number * optics.pixel_um[0] / optics.depth_um))
        photons += np.float32(optics.background) * np.exp(np.float32(optics.unevenness) * self.unevenness.plane(number, shape))
        return optics.expose(photons, self.streams("plane", number))


def build(residents: tuple[Population, ...], shape: Shape, optics: Optics, streams: Streams, planes: Collection[int]) -> Scene:
    """Lay out a volume and light the cells that reach one of the planes.

    Args:
        residents: the populations.
        shape: (D, H, W).
        optics: the microscope.
        streams: generators of the parts of this volume.
        planes: which will be exposed; the others lack the light of cells.
    """
    instances, cells = lay_out(residents, shape, optics.pixel_um, streams)
    photons = [_photons(cell, streams("light", number)) for number, cell in enumerate(cells)]
    low, high = min(planes, default=0) - optics.margin[0], max(planes, default=-1) + optics.margin[0]
    lit = [i for i, cell in enumerate(cells) if cell.corner[0] <= high and cell.corner[0] + len(cell.mask) > low]
    field = streams("field")
    return Scene(
        instances=instances,
        cells=cells,
        glows=[_glow(cells[i], photons[i], optics, streams("light", i, 0)) for i in lit],
        haze=_haze(cells, photons, shape, optics),
        shading=Lattice.draw(shape, optics.pixel_um, optics.uneven_um, field),
        unevenness=Lattice.draw(shape, optics.pixel_um, optics.uneven_um, field),
        optics=optics,
        streams=streams,
    )


def _photons(cell: Cell, rng: np.random.Generator) -> float:
    """Of a voxel of this cell, on average."""
    return float(cell.population.photons * np.exp(cell.population.spread * rng.standard_normal()))


def _glow(cell: Cell, photons: float, optics: Optics, rng: np.random.Generator) -> Glow:
    """Chromatin within the mask, blurred."""
    shape = cell.mask.shape
    light = np.ones(shape, dtype=np.float32)
    for length, share in cell.population.grain:
        light += np.float32(share) * smooth_noise(shape, optics.pixel_um, length, rng)
    np.maximum(light, np.float32(_DARKEST), out=light)
    for _ in range(rng.integers(cell.population.nucleoli[0], cell.population.nucleoli[1] + 1)):
        _darken(light, optics.pixel_um, rng)
    light *= np.float32(photons)
    light *= cell.mask
    margin = optics.margin
    z, y, x = (low - around for low, around in zip(cell.corner, margin, strict=True))
    return Glow(light=optics.blur(np.pad(light, [(around, around) for around in margin])), corner=(z, y, x))


def _darken(light: Floats, pixel_um: tuple[float, float, float], rng: np.random.Generator) -> None:
    """One nucleolus, in the inner half of the box, in place."""
    radius = rng.uniform(*_NUCLEOLUS_UM)
    square = np.zeros(1, dtype=np.float32)
    for axis, (size, pixel) in enumerate(zip(light.shape, pixel_um, strict=True)):
        place = (np.arange(size) - rng.uniform(0.3, 0.7) * size) * (pixel / radius)
        square = square + np.expand_dims(place.astype(np.float32) ** 2, tuple(range(1, light.ndim - axis)))
    light[square < 1] *= np.float32(_NUCLEOLUS_LIGHT)


def _haze(cells: list[Cell], photons: list[float], shape: Shape, optics: Optics) -> Lattice:
    """Light of all cells spread over haze_um: summed in blocks, blurred there, to be read between them."""
    pixel = np.array(optics.pixel_um)
    block = np.maximum(1, np.rint(optics.haze_um / _HAZE_BLOCKS / pixel)).astype(int)
    longest = np.max([cell.mask.shape for cell in cells], axis=0, initial=0)
    pad = 1 + np.maximum(4 * _HAZE_BLOCKS, -(-longest // block))
    size = -(-np.array(shape) // block) + 2 * pad
    total = np.zeros(int(np.prod(size)))
    for cell, light in zip(cells, photons, strict=True):
        at = (np.argwhere(cell.mask) + np.array(cell.corner)) // block + pad
        total += np.bincount(np.ravel_multi_index(tuple(at.T), tuple(size)), minlength=len(total)) * light
    values = total.reshape(size).astype(np.float32) * np.float32(optics.haze / np.prod(block))
    for axis in range(3):
        values = ndimage.gaussian_filter1d(values, optics.haze_um / float(block[axis] * pixel[axis]), axis=axis, mode="constant")
    starts = tuple(float(around - 1 + 0.5 / own - 0.5) for around, own in zip(pad, block, strict=True))
    return Lattice(values=values, starts=starts, steps=tuple(float(1 / own) for own in block))
