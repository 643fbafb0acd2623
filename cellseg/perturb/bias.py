"""Outlines drawn too wide or too tight."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cellseg.perturb.draft import Draft
from cellseg.perturb.outline import biased
from cellseg.perturb.perturbation import named
from cellseg.perturb.rate import check_pixels, check_reach
from segcore.errors import ConfigError

Unit = Literal["cell", "image", "volume"]
"""What shares one draw: each object, each plane, or all of an image or volume (one annotator)."""


@dataclass(frozen=True, slots=True)
class Bias:
    """Dilation or erosion, by the flip of a coin, q times with a 3 x 3 square of ones, q uniform in 1..q_max.

    Vădineanu et al. (MIDL 2022) draw once per volume or image; a draw for each cell is ours. The square lies in the plane: the
    planes of a volume are drawn one by one, as an annotator does. Erosion is against all that is not the cell itself but
    the frame of the image, beyond which nobody knows; a small cell may vanish. Dilation takes background only, never
    another cell nor the ignore label: touching cells stay apart. Cells grow at one pace, and where two reach a pixel
    at once it goes to the smaller id. What a shrinking cell gives up stays background. A lone cell becomes what
    skimage.morphology.dilation or erosion with ones((3, 3)) make of it.

    Raises:
        ConfigError: q_max is not a whole number from 1, or the unit is unknown.
    """

    q_max: int
    """Most pixels that an outline moves."""
    _: KW_ONLY
    unit: Unit = "cell"
    """What shares q and the coin; for an image, "image" and "volume" are the same."""
    target: str | None = None
    """Class of the objects whose outlines move; None = all classes."""

    def __post_init__(self) -> None:
        check_pixels(self.q_max, "bias")
        if self.unit not in get_args(Unit):
            raise ConfigError(f"the unit of a bias is one of {', '.join(get_args(Unit))}; got {self.unit!r}.")

    @property
    def targets(self) -> tuple[str, ...]:
        """The target, if there is one."""
        return named(self.target)

    def apply(self, draft: Draft, rng: np.random.Generator) -> None:
        """Draw the steps and move the outlines.

        Raises:
            ConfigError: q_max is over the longer edge of the image.
        """
        check_reach(self.q_max, "bias", draft.instances.shape)
        ids = draft.ids()
        chosen = np.ones(len(ids), dtype=np.bool_) if self.target is None else draft.are(ids, self.target)
        draws = {"cell": int(chosen.sum()), "image": len(draft.instances), "volume": 1}[self.unit]
        signed = rng.integers(1, self.q_max, size=draws, endpoint=True) * rng.choice([-1, 1], size=draws)
        steps = np.zeros(len(ids), dtype=np.int64)
        for number, plane in enumerate(draft.instances):
            steps[chosen] = self._of_plane(signed, number)
            plane[...] = biased(plane, ids, steps)

    def _of_plane(self, signed: NDArray[np.int64], number: int) -> NDArray[np.int64]:
        """Steps of the chosen objects in a plane: one each, or one for all."""
        return signed[number : number + 1] if self.unit == "image" else signed
