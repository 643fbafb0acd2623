"""Shapes of single nuclei: boolean boxes just large enough."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cellseg.simulate.lattice import Floats, smooth_noise

Mask = NDArray[np.bool_]
Pixel = tuple[float, float, float]
"""Edges of a voxel (z, y, x) in micrometres."""

ROUND_RADIUS = 4.4, 5.8
"""Of a round nucleus in the plane, micrometres; before its own proportions (0.86..1.1 in the plane, 0.74..0.92 along z)."""
LOBE_RADIUS = 1.2, 1.8
"""Of a lobe, micrometres."""
LOBES = 2, 4
"""Least and most lobes of a nucleus."""

_DENTS_UM, _DENTS = 3.0, 0.075
"""Length of the dents of a round nucleus, and their depth as a share of the radius (standard deviation)."""
_BUMPS_UM, _BUMPS = 1.2, 0.16
"""The same of a lobed nucleus, depth in micrometres."""
_STRETCH = 0.1, 0.6
"""Half length of the line around which a lobe lies, as a share of its radius."""
_BRIDGE = 0.6
"""Radius of the joint between two lobes, as a share of the smaller lobe's."""
_FUSE_UM = 0.25
"""How far surfaces flow into each other."""
_LIMIT = 2.5
"""Dents and bumps are cut at so many standard deviations, which bounds the box."""


def round_nucleus(pixel_um: Pixel, rng: np.random.Generator) -> Mask:
    """An ellipsoid with smooth dents, tilted a little: nuclei of HL60 cells, about 8 to 13 um wide and 7 to 11 um high.

    Returns:
        (D, H, W), one component by faces, cut to its bounds.
    """
    radius = rng.uniform(*ROUND_RADIUS)
    radii = radius * np.array([rng.uniform(0.74, 0.92), rng.uniform(0.86, 1.1), rng.uniform(0.86, 1.1)])
    turn = _rotation(rng.uniform(0, 2 * np.pi), rng.normal(0, 0.15))
    axes = _axes((1 + _LIMIT * _DENTS) * float(radii.max()), pixel_um)
    square = np.zeros([len(axis) for axis in axes], dtype=np.float32)
    for row, own in zip(turn, radii, strict=True):
        square += _along(row / own, axes) ** 2
    dents = smooth_noise(square.shape, pixel_um, _DENTS_UM, rng)
    return trim(np.sqrt(square) < 1 + _DENTS * dents.clip(-_LIMIT, _LIMIT))


def lobed_nucleus(pixel_um: Pixel, rng: np.random.Generator) -> Mask:
    """Two to four uneven lobes on a bent chain, joined: segmented nuclei of granulocytes, about 5 to 11 um long.

    Returns:
        (D, H, W), one component by faces, cut to its bounds.
    """
    radii = rng.uniform(*LOBE_RADIUS, size=rng.integers(LOBES[0], LOBES[1] + 1))
    centres = _chain(radii, rng)
    reach = (np.abs(centres) + (1 + _STRETCH[1]) * radii[:, None]).max(0) + _LIMIT * _BUMPS + _FUSE_UM
    axes = _axes(reach, pixel_um)
    total = np.zeros([len(axis) for axis in axes], dtype=np.float32)
    for centre, radius in zip(centres, radii, strict=True):
        half = _unit(rng) * rng.uniform(*_STRETCH) * radius
        total += _closeness(centre - half, centre + half, radius, axes)
    for (start, one), (end, other) in pairwise(zip(centres, radii, strict=True)):
        total += _closeness(start, end, _BRIDGE * min(one, other), axes)
    with np.errstate(divide="ignore"):
        distance = np.float32(-_FUSE_UM) * np.log(total)
    bumps = smooth_noise(total.shape, pixel_um, _BUMPS_UM, rng)
    return trim(distance < _BUMPS * bumps.clip(-_LIMIT, _LIMIT))


def trim(mask: Mask) -> Mask:
    """The largest component (by faces) of a mask, cut to its bounds; where nothing is set, one voxel."""
    mask = largest(mask)
    if not mask.any():
        return np.ones((1,) * mask.ndim, dtype=bool)
    return np.ascontiguousarray(mask[ndimage.find_objects(mask.view(np.int8))[0]])


def largest(mask: Mask) -> Mask:
    """The largest component (by faces) of a mask."""
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    return np.asarray(parts == 1 + np.bincount(parts.reshape(-1))[1:].argmax())


def _chain(radii: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Centres (N, 3) of lobes in micrometres around 0: each turns 40 to 100 degrees to the same side, and a little up or down."""
    heading, side = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    centres = [np.zeros(3)]
    for before, after in pairwise(radii):
        rise = rng.normal(0, 0.35)
        step = rng.uniform(0.85, 1.05) * (before + after)
        centres.append(centres[-1] + step * np.array([np.sin(rise), np.cos(rise) * np.sin(heading), np.cos(rise) * np.cos(heading)]))
        heading += side * rng.uniform(0.7, 1.75)
    found = np.array(centres)
    return np.asarray(found - (found.min(0) + found.max(0)) / 2)


def _unit(rng: np.random.Generator) -> NDArray[np.float64]:
    """A random direction, (3,)."""
    found = rng.standard_normal(3)
    return np.asarray(found / np.linalg.norm(found))


def _closeness(start: NDArray[np.float64], end: NDArray[np.float64], radius: float, axes: list[Floats]) -> Floats:
    """exp(-distance to a capsule / FUSE); sums of these join surfaces smoothly (log-sum-exp)."""
    line = end - start
    square = float(line @ line)
    place: Floats | float = 0.0
    if square > 0:
        place = ((_along(line, axes) - np.float32(line @ start)) / np.float32(square)).clip(0, 1)
    total: Floats = np.zeros([len(axis) for axis in axes], dtype=np.float32)
    for number, axis in enumerate(_grid(axes)):
        total += (axis - np.float32(start[number]) - np.float32(line[number]) * place) ** 2
    return np.asarray(np.exp((np.float32(radius) - np.sqrt(total)) / np.float32(_FUSE_UM)), dtype=np.float32)


def _axes(reach: float | NDArray[np.float64], pixel_um: Pixel) -> list[Floats]:
    """Places of the voxels of a box around 0, micrometres, one array an axis."""
    counts = np.ceil(np.broadcast_to(reach, 3) / np.array(pixel_um)).astype(int)
    return [(np.arange(-count, count + 1) * pixel).astype(np.float32) for count, pixel in zip(counts, pixel_um, strict=True)]


def _grid(axes: list[Floats]) -> tuple[Floats, Floats, Floats]:
    z, y, x = axes
    return z[:, None, None], y[:, None], x


def _along(direction: NDArray[np.float64], axes: list[Floats]) -> Floats:
    """Product of a vector with the place of each voxel, (D, H, W)."""
    z, y, x = _grid(axes)
    a, b, c = direction.astype(np.float32)
    return np.asarray(a * z + b * y + c * x)


def _rotation(turn: float, tilt: float) -> NDArray[np.float64]:
    """Matrix on (z, y, x): tilt about x, after a turn about z; radians."""
    c, s, ct, st = np.cos(turn), np.sin(turn), np.cos(tilt), np.sin(tilt)
    about_z = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    about_x = np.array([[ct, -st, 0.0], [st, ct, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(about_x @ about_z)
