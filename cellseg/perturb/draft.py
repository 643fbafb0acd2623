"""Labels while they are perturbed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.image import CELL
from cellseg.perturb.objects import painted, present_ids
from segcore.errors import ConfigError


@dataclass(slots=True, kw_only=True, eq=False)
class Draft:
    """A copy of an image's labels that perturbations write into; an image is a volume of one plane."""

    name: str
    instances: NDArray[np.int32]
    """(D, H, W): 0 = background, -1 = ignore, which no perturbation changes."""
    classes: dict[int, str]
    """Class of each object; those left out are of class "cell"."""
    pixels: NDArray[Any] | None
    """(C, D, H, W), any real type, read only; None where labels come alone."""
    known: Sequence[str]
    """Classes that the data have."""
    top: int
    """Highest id that was ever used."""

    def class_of(self, instance: int) -> str:
        """Class of an object."""
        return self.classes.get(int(instance), CELL)

    def classes_left(self) -> dict[int, str]:
        """Classes of the objects that are still there."""
        return {own: self.classes[own] for own in self.ids().tolist() if own in self.classes}

    def ids(self, target: str | None = None) -> NDArray[np.int32]:
        """Ids of the objects of a class, or of all objects, ascending."""
        found = present_ids(self.instances)
        return found if target is None else found[self.are(found, target)]

    def are(self, ids: NDArray[np.int32], target: str) -> NDArray[np.bool_]:
        """Which of ids are of a class, (n,)."""
        return np.fromiter((self.class_of(own) == target for own in ids.tolist()), dtype=np.bool_, count=len(ids))

    def erase(self, ids: NDArray[np.int32]) -> None:
        """Make objects background, in all planes."""
        ids = np.sort(ids)
        marks = np.ones(len(ids), dtype=np.bool_)
        for plane in self.instances if len(ids) else ():
            plane[painted(plane, ids, marks)] = 0

    def rename(self, ids: NDArray[np.int32], names: NDArray[np.int32]) -> None:
        """Give objects other ids, which must not be free ones; ids ascend."""
        for plane in self.instances if len(ids) else ():
            new = painted(plane, ids, names)
            np.copyto(plane, new, where=new > 0)

    def new_id(self, target: str) -> int:
        """An id for an object of a class that no object has or ever had.

        Raises:
            ConfigError: ids have reached the limit of int32.
        """
        if self.top >= np.iinfo(np.int32).max:
            raise ConfigError(f"new objects need ids above those there are; {self.name} goes up to {self.top}. Number its objects from 1.")
        self.top += 1
        self.classes[self.top] = target
        return self.top

    def target(self, wanted: str | None) -> str:
        """The class of new objects: the one wanted, else the only one there is.

        Raises:
            ConfigError: none is wanted and there are several.
        """
        if wanted is not None:
            return wanted
        if len(self.known) > 1:
            raise ConfigError(f"new objects need a class; the data have {', '.join(sorted(self.known))}. Name one as target.")
        return self.known[0] if self.known else CELL
