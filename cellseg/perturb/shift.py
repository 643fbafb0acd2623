"""Cells annotated beside their place."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np
from numpy.typing import NDArray

from cellseg.perturb.draft import Draft
from cellseg.perturb.objects import painted
from cellseg.perturb.perturbation import named
from cellseg.perturb.rate import check_pixels, check_reach


@dataclass(frozen=True, slots=True)
class Shift:
    """Each cell moves by rows and columns of its own, both uniform in -distance..distance; in a volume, the same in all planes.

    All cells are lifted, then put down on free ground: not on cells of other classes than the target, nor on the ignore label.
    Where two want the same pixel, the smaller id takes it. What leaves the frame is lost; a cell may vanish.

    Raises:
        ConfigError: distance is not a whole number from 1.
    """

    distance: int
    """Most pixels along each axis."""
    _: KW_ONLY
    target: str | None = None
    """Class of the objects that move; None = all classes."""

    def __post_init__(self) -> None:
        check_pixels(self.distance, "shift")

    @property
    def targets(self) -> tuple[str, ...]:
        """The target, if there is one."""
        return named(self.target)

    def apply(self, draft: Draft, rng: np.random.Generator) -> None:
        """Draw the steps and move the cells.

        Raises:
            ConfigError: distance is over the longer edge of the image.
        """
        check_reach(self.distance, "shift", draft.instances.shape)
        ids = draft.ids(self.target)
        steps = rng.integers(-self.distance, self.distance, size=(len(ids), 2), endpoint=True)
        for plane in draft.instances:
            _move(plane, ids, steps)


def _move(plane: NDArray[np.int32], ids: NDArray[np.int32], steps: NDArray[np.int64]) -> None:
    """Move the objects of a plane by their steps (n, 2), in place."""
    place = painted(plane, ids, np.arange(1, len(ids) + 1))
    rows, cols = np.nonzero(place)
    owner = place[rows, cols] - 1
    plane[rows, cols] = 0
    rows, cols = rows + steps[owner, 0], cols + steps[owner, 1]
    inside = (rows >= 0) & (rows < plane.shape[0]) & (cols >= 0) & (cols < plane.shape[1])
    rows, cols, owner = rows[inside], cols[inside], owner[inside]
    free = plane[rows, cols] == 0
    rows, cols, owner = rows[free], cols[free], owner[free]
    last = np.argsort(-owner, kind="stable")  # of several values for one pixel, the last one stays
    plane[rows[last], cols[last]] = ids[owner[last]]
