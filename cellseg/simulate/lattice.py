"""Smooth functions on a box: values on a coarse lattice, joined by cubic B-splines."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

REACH = 3
"""Lattice points beyond the last whole step that a cubic B-spline needs."""
_SAMPLES = 2
"""Places a lattice step at which mean and standard deviation are taken."""
_LEAST = 1e-3
"""Least standard deviation that is scaled to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """A smooth function on a box."""

    values: Floats
    """Of the lattice points; point i of an axis stands at place i - 1."""
    starts: tuple[float, ...]
    """Place of the box's first pixel, in lattice steps, >= 0."""
    steps: tuple[float, ...]
    """Lattice steps a pixel."""

    @classmethod
    def draw(cls, shape: tuple[int, ...], pixel_um: tuple[float, ...], length_um: float, rng: np.random.Generator) -> Lattice:
        """Random values that change over about length_um; mean 0 and standard deviation 1 within this box.

        Args:
            shape: of the box, in pixels, any number of axes.
            pixel_um: edges of a pixel.
            length_um: distance of the lattice points, in micrometres.
            rng: draws the lattice's place and its values.
        """
        steps = tuple(pixel / length_um for pixel in pixel_um)
        starts = tuple(float(start) for start in rng.random(len(shape)))
        size = [ceil(count * step + 1) + REACH for count, step in zip(shape, steps, strict=True)]
        values = rng.standard_normal(size, dtype=np.float32)
        seen = values
        for axis, (count, step, start) in enumerate(zip(shape, steps, starts, strict=True)):
            places = np.linspace(start, start + (count - 1) * step, min(count, _SAMPLES * (size[axis] - REACH)))
            seen = spread(seen, axis, places)
        return cls(values=(values - seen.mean()) / max(float(seen.std()), _LEAST), starts=starts, steps=steps)

    def box(self, shape: tuple[int, ...]) -> Floats:
        """Values of all pixels, an array of that shape."""
        found = self.values
        for axis, count in enumerate(shape):
            found = spread(found, axis, self._places(axis, np.arange(count)))
        return found

    def plane(self, number: int, shape: tuple[int, int]) -> Floats:
        """Values of one plane of a box of three axes, (H, W)."""
        found = spread(self.values, 0, self._places(0, np.array([number])))
        for axis, count in enumerate(shape, start=1):
            found = spread(found, axis, self._places(axis, np.arange(count)))
        return np.asarray(found[0])

    def _places(self, axis: int, pixels: NDArray[np.int_]) -> NDArray[np.float64]:
        return self.starts[axis] + self.steps[axis] * pixels.astype(np.float64)


def smooth_noise(shape: tuple[int, ...], pixel_um: tuple[float, ...], length_um: float, rng: np.random.Generator) -> Floats:
    """Random values of that shape, as Lattice.draw has them."""
    return Lattice.draw(shape, pixel_um, length_um, rng).box(shape)


def spread(values: Floats, axis: int, places: NDArray[np.float64]) -> Floats:
    """Values of the spline along one axis.

    Args:
        values: lattice, whose point i of that axis stands at place i - 1.
        axis: the one that is replaced.
        places: (N,) where to evaluate, 0 <= place <= points - REACH.

    Returns:
        The array with N entries along axis. Four products a value, in one order: the same everywhere.
    """
    first = np.minimum(np.floor(places).astype(np.intp), values.shape[axis] - REACH - 1)
    along = [1] * values.ndim
    along[axis] = -1
    total: Floats | None = None
    for number, weight in enumerate(_weights(places - first)):
        part = np.take(values, first + number, axis=axis)
        part *= weight.astype(np.float32).reshape(along)
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None
    return total


def _weights(u: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Uniform cubic B-spline at distance u (0..1) behind the second of its four points; they sum to 1."""
    return (1 - u) ** 3 / 6, (3 * u**3 - 6 * u**2 + 4) / 6, (-3 * u**3 + 3 * u**2 + 3 * u + 1) / 6, u**3 / 6
