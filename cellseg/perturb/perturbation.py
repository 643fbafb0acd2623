"""What every perturbation is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from cellseg.perturb.draft import Draft


@runtime_checkable
class Perturbation(Protocol):
    """One way to make labels worse. Whoever writes another one needs no more than this."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Classes that it names."""
        ...

    def apply(self, draft: Draft, rng: np.random.Generator) -> None:
        """Write into the draft; all chance comes from rng."""
        ...


def named(target: str | None) -> tuple[str, ...]:
    """The targets of a perturbation with one target, or none."""
    return () if target is None else (target,)
