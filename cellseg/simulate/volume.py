"""One simulated volume, or some of its planes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from cellseg.image import CellImage
from cellseg.simulate.layout import Shape
from cellseg.simulate.optics import Optics
from cellseg.simulate.population import KINDS, populations
from cellseg.simulate.scene import Scene, build, stream
from segcore.errors import ConfigError
from segcore.progress import Progress, Silent

SHAPE: Shape = (129, 565, 807)
"""Planes, rows and columns of a volume, where nothing else is said: 26 x 71 x 101 um."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """What decides every voxel of one volume.

    Raises:
        ConfigError: an unknown kind, a negative number, or a shape that has no room for one cell.
    """

    kind: str
    """hl60, granulocyte or combined."""
    shape: Shape = SHAPE
    """(D, H, W) in voxels."""
    seed: int = 0
    volume: int = 0
    """Number of the volume among those of the seed."""
    optics: Optics = field(default_factory=Optics)

    def __post_init__(self) -> None:
        for name in ("seed", "volume"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is a whole number >= 0, got {getattr(self, name)}.")
        if len(self.shape) != 3:
            raise ConfigError(f"the shape of a volume is three numbers (planes, rows, columns), got {self.shape}.")
        rooms = [population.room_um for population in populations(self.kind)]
        least = tuple(int(np.ceil(max(room[i] for room in rooms) / self.optics.pixel_um[i])) for i in range(3))
        if any(size < low for size, low in zip(self.shape, least, strict=True)):
            raise ConfigError(
                f"a volume of {self.kind} has room for one cell, {_times(least)} voxels or more; got {_times(self.shape)}. Make it larger."
            )

    @property
    def name(self) -> str:
        """Of the image: KIND_VOLUME."""
        return f"{self.kind}_{self.volume:03d}"


def simulate(
    kind: str,
    *,
    shape: Shape = SHAPE,
    seed: int = 0,
    volume: int = 0,
    optics: Optics | None = None,
    progress: Progress | None = None,
) -> CellImage:
    """Make a volume of fluorescent nuclei with exact instances and classes.

    Of a volume of the standard shape, nuclei fill 5.5 to 10 % (hl60) or 1.1 to 2.4 % (granulocyte), and a slice shows 8 to 14
    or 6.5 to 12 of them; they are 7.8 to 13 um wide (62 to 104 px of the standard size) or 3.5 to 7.5 um (28 to 60 px). Of
    combined, hl60 fills 3.5 to 7 % with 5 to 9.5 nuclei a slice, granulocytes 0.6 to 1.7 % with 3.5 to 8. All ranges are in
    cellseg.simulate.STATED; faces of the volume cut nuclei, and about a fifth of them is put against another.

    Args:
        kind: "hl60" (large round nuclei), "granulocyte" (small, of two to four lobes), "combined" (both).
        shape: (D, H, W) in voxels.
        seed: >= 0; the same arguments make the same volume.
        volume: >= 0, number of the volume among those of the seed.
        optics: the microscope; by default Optics(), with voxels of 0.2 x 0.125 x 0.125 um.
        progress: hears of each plane.

    Returns:
        Pixels (1, D, H, W) uint16; instances 1..N, each one component by faces, none overlapping; a class for each.

    Raises:
        ConfigError: an unknown kind, a negative number, or a shape that has no room for one cell.
    """
    specimen = Specimen(kind=kind, shape=shape, seed=seed, volume=volume, optics=optics or Optics())
    planes = range(shape[0])
    scene = _build(specimen, planes)
    pixels = np.empty((1, *shape), dtype=np.uint16)
    for plane in planes:
        pixels[0, plane] = scene.expose(plane)
        (progress or Silent()).step(f"volume {volume}", plane + 1, len(planes))
    return CellImage(
        name=specimen.name,
        pixels=pixels,
        instances=scene.instances,
        classes={number: cell.population.name for number, cell in enumerate(scene.cells, 1)},
        pixel_size_um=specimen.optics.pixel_um,
    )


def simulate_slices(specimen: Specimen, planes: Sequence[int]) -> Iterator[CellImage]:
    """Make only some planes of a volume: exactly those that simulate(...).slices() has, sooner.

    Args:
        specimen: the volume.
        planes: their numbers, 0 <= plane < D.

    Yields:
        Images KIND_VOLUME_PLANE; ids are those of the volume, and a nucleus can lie in several parts of a slice.

    Raises:
        ConfigError: a plane outside the volume.
    """
    depth = specimen.shape[0]
    if not all(0 <= plane < depth for plane in planes):
        raise ConfigError(f"planes are numbered 0 to {depth - 1}, got {', '.join(map(str, planes))}.")
    scene = _build(specimen, planes)
    for plane in planes:
        instances = scene.instances[plane].copy()
        yield CellImage(
            name=f"{specimen.name}_{plane:03d}",
            pixels=scene.expose(plane)[None],
            instances=instances,
            classes={int(own): scene.cells[own - 1].population.name for own in np.unique(instances) if own},
            pixel_size_um=specimen.optics.pixel_um[1:],
        )


def _build(specimen: Specimen, planes: Sequence[int]) -> Scene:
    streams = partial(stream, specimen.seed, list(KINDS).index(specimen.kind), specimen.volume)
    return build(populations(specimen.kind), specimen.shape, specimen.optics, streams, planes)


def _times(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))
