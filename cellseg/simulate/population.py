"""Which cells a volume holds: shape, number, light."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from cellseg.simulate.nucleus import Mask, Pixel, lobed_nucleus, round_nucleus
from segcore.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Cells of one class."""

    name: str
    """The class."""
    shape: Callable[[Pixel, np.random.Generator], Mask]
    """Draws a nucleus."""
    room_um: tuple[float, float, float]
    """What a volume must measure at least along (z, y, x): an ordinary nucleus fits."""
    density: tuple[float, float]
    """Least and most cells per 100,000 cubic micrometres; drawn once a volume."""
    photons: float
    """Of a voxel inside, the median over the cells."""
    spread: float
    """Standard deviation of log photons over the cells."""
    grain: tuple[tuple[float, float], ...]
    """Chromatin: (length in micrometres, standard deviation as a share of the light) of each scale."""
    nucleoli: tuple[int, int] = (0, 0)
    """Least and most dark bodies in a nucleus."""
    touching: float = 0.2
    """Share of the cells that are put against another."""


HL60 = Population(
    name="hl60",
    shape=round_nucleus,
    room_um=(9.0, 11.0, 11.0),
    density=(16.0, 20.0),
    photons=22.0,
    spread=0.4,
    grain=((0.5, 0.3), (1.4, 0.22)),
    nucleoli=(1, 3),
)
"""Large round nuclei of a leukaemia cell line."""

GRANULOCYTE = Population(
    name="granulocyte",
    shape=lobed_nucleus,
    room_um=(5.0, 8.0, 8.0),
    density=(22.0, 28.0),
    photons=20.0,
    spread=0.35,
    grain=((0.45, 0.28), (1.0, 0.2)),
)
"""Small nuclei of two to four lobes."""

KINDS: Mapping[str, tuple[Population, ...]] = MappingProxyType(
    {
        "hl60": (HL60,),
        "granulocyte": (GRANULOCYTE,),
        "combined": (replace(HL60, density=(10.0, 13.0)), replace(GRANULOCYTE, density=(14.0, 17.0))),
    }
)
"""{kind of volume: what lives in it, the largest cells first}. The order of the kinds is part of their seeds: add at the end."""


def populations(kind: str) -> tuple[Population, ...]:
    """What lives in a volume of that kind.

    Raises:
        ConfigError: the kind is not known.
    """
    if kind not in KINDS:
        raise ConfigError(f"a kind of volume is one of {', '.join(KINDS)}, got {kind!r}.")
    return KINDS[kind]
