"""Objects of other classes that the annotator took for the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellseg.perturb.draft import Draft
from cellseg.perturb.rate import check_rate, drawn


@dataclass(frozen=True, slots=True)
class Inclusion:
    """S of the F objects of other classes become of the target's class, S / F = rate, rounded half up; ids and pixels stay.

    Vădineanu et al. (MIDL 2022), where the objects are added to the mask of the target.

    Raises:
        ConfigError: rate is outside 0..1.
    """

    rate: float
    """Share of the other objects: 0 = none, 1 = all."""
    target: str
    """Class that they are taken for."""

    def __post_init__(self) -> None:
        check_rate(self.rate, "inclusion")

    @property
    def targets(self) -> tuple[str, ...]:
        """The target."""
        return (self.target,)

    def apply(self, draft: Draft, rng: np.random.Generator) -> None:
        """Draw the objects and change their class."""
        ids = draft.ids()
        for own in drawn(self.rate, ids[~draft.are(ids, self.target)], rng).tolist():
            draft.classes[own] = self.target
