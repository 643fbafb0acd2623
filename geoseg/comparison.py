"""What a comparison of networks and maps finds: counts in cells, and what they were counted with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray

from geoseg.columns import Column
from geoseg.compare_sites import JudgedSites
from geoseg.known import OutlineSettings
from segcore.cam.choice import MapChoice
from segcore.metrics.pixels import share

ENSEMBLE = "ensemble"
"""Name of the mean over the networks of a model; its networks are called 1, 2, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Pixels of the outlines at some sites, each (n,); counted first, divided later."""

    hits: NDArray[np.float64]
    """Found and drawn by the expert."""
    found: NDArray[np.float64]
    expert: NDArray[np.float64]
    """Whole expert outline; part of it may lie beyond the window."""

    @property
    def dice(self) -> float:
        """2 sum(hits) / (sum(found) + sum(expert)), 0..1; nan without sites."""
        return share(2 * float(self.hits.sum()), float(self.found.sum() + self.expert.sum()))

    @property
    def median(self) -> float:
        """Median of the sites' own Dice, 0..1, 0 without an outline; nan without sites."""
        return float(np.median(2 * self.hits / (self.found + self.expert))) if len(self.hits) else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One map of one network or ensemble, judged."""

    view: int
    """Number of the model."""
    network: str
    """`ensemble`, or 1, 2, ..."""
    column: int
    choice: MapChoice
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What one map of one model was judged with, and what it took."""

    view: int
    column: int
    settings: tuple[OutlineSettings, OutlineSettings]
    """Those that half 0 and half 1 were judged with."""
    seconds: float
    """Time to explain one window with the networks of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that a table needs."""

    names: tuple[str, ...]
    """Of the models."""
    archs: tuple[str, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]
    fits: tuple[Fit, ...]
    discs: Tally | None
    """The control, discs of one size; None where there are too few sites to choose it."""
    radii: tuple[float, float] | None
    """Metres: the radius of the discs in half 0 and half 1."""
    sites: JudgedSites

    def over_networks(self, column: int, figure: Callable[[Tally], float]) -> list[float]:
        """What the mean of a column is taken over: the models' figures, or those of the networks where one model is compared."""
        alone = len(self.names) == 1 and any(cell.network != ENSEMBLE for cell in self.cells)
        cells = [cell for cell in self.cells if cell.column == column and (cell.network == ENSEMBLE) != alone]
        return [value for value in (figure(cell.tally) for cell in cells) if not isnan(value)]
