"""Objects that the annotator missed."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from cellseg.perturb.draft import Draft
from cellseg.perturb.perturbation import named
from cellseg.perturb.rate import check_rate, drawn


@dataclass(frozen=True, slots=True)
class Omission:
    """S of the E objects of the target become background, S / E = rate, rounded half up; in a volume, in all planes.

    Vădineanu et al. (An analysis of the impact of annotation errors on the accuracy of deep learning for cell segmentation,
    MIDL 2022).

    Raises:
        ConfigError: rate is outside 0..1.
    """

    rate: float
    """Share of the objects that vanish: 0 = none, 1 = all."""
    _: KW_ONLY
    target: str | None = None
    """Class of the objects; None = all classes."""

    def __post_init__(self) -> None:
        check_rate(self.rate, "omission")

    @property
    def targets(self) -> tuple[str, ...]:
        """The target, if there is one."""
        return named(self.target)

    def apply(self, draft: Draft, rng: np.random.Generator) -> None:
        """Draw the objects and erase them."""
        draft.erase(drawn(self.rate, draft.ids(self.target), rng))
