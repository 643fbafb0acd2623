"""Single pixels of the wrong label."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from cellseg.perturb.draft import Draft
from cellseg.perturb.perturbation import named
from cellseg.perturb.rate import check_rate, count_of


@dataclass(frozen=True, slots=True)
class SaltPepper:
    """A share of the pixels of each plane is overwritten: half of them by salt (an object), the other half by pepper (background).

    Salt stays without effect on cells, pepper on background. All salt of an image or volume is one object with a new id: as
    objects of their own, thousands of specks would outnumber the cells.

    Raises:
        ConfigError: share is outside 0..1.
    """

    share: float = 0.1
    """Of the pixels that are not ignored, rounded half up."""
    _: KW_ONLY
    target: str | None = None
    """Class of the salt, which must be said where the data have several classes; pepper falls on cells of this class only,
    None = on all."""

    def __post_init__(self) -> None:
        check_rate(self.share, "share of salt and pepper")

    @property
    def targets(self) -> tuple[str, ...]:
        """The target, if there is one."""
        return named(self.target)

    def apply(self, draft: Draft, rng: np.random.Generator) -> None:
        """Draw the pixels and overwrite them.

        Raises:
            ConfigError: the target is needed and not said.
        """
        if self.share == 0:
            return
        target = draft.target(self.target)
        mine, salt = draft.ids(self.target), None
        for plane in draft.instances:
            open_to = np.flatnonzero(plane >= 0)
            chosen = rng.choice(open_to, size=count_of(self.share, len(open_to)), replace=False)
            light, dark = chosen[: (len(chosen) + 1) // 2], chosen[(len(chosen) + 1) // 2 :]
            light, dark = light[plane.flat[light] == 0], dark[np.isin(plane.flat[dark], mine)]
            if len(light):
                salt = salt or draft.new_id(target)
                plane.flat[light] = salt
            plane.flat[dark] = 0
