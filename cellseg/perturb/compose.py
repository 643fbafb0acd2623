"""Several perturbations, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cellseg.perturb.draft import Draft
from cellseg.perturb.perturbation import Perturbation
from segcore.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Compose:
    """The first works on the labels, the next on its result, and so on: the order matters.

    Raises:
        ConfigError: a part is no perturbation.
    """

    parts: Sequence[Perturbation]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))
        for part in self.parts:
            if not isinstance(part, Perturbation) or isinstance(part, type):
                raise ConfigError(f"Compose takes perturbations such as Omission(0.3), got {part!r}.")

    @property
    def targets(self) -> tuple[str, ...]:
        """Classes that its parts name, each once."""
        return tuple(dict.fromkeys(target for part in self.parts for target in part.targets))

    def apply(self, draft: Draft, rng: np.random.Generator) -> None:
        """Apply the parts in order."""
        for part in self.parts:
            part.apply(draft, rng)


def flat(perturbation: Perturbation) -> Iterator[Perturbation]:
    """A perturbation without Compose around its parts, in order."""
    if isinstance(perturbation, Compose):
        for part in perturbation.parts:
            yield from flat(part)
    else:
        yield perturbation
