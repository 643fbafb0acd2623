"""What happened to the objects of an annotation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellseg.image import CellImage
from cellseg.perturb.objects import painted, present_ids
from segcore.errors import ShapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Numbers of objects, to be added over images."""

    before: int = 0
    """Objects of the target before."""
    gone: int = 0
    """Of those, the ones that are there no more: omitted, or eroded to nothing."""
    included: int = 0
    """Objects that are of the target now and were not."""
    moved: int = 0
    """Objects of the target, then and now or included, whose pixels are others now."""

    def __add__(self, other: Changes) -> Changes:
        return Changes(
            before=self.before + other.before,
            gone=self.gone + other.gone,
            included=self.included + other.included,
            moved=self.moved + other.moved,
        )

    @property
    def all(self) -> int:
        """Changes of any kind."""
        return self.gone + self.included + self.moved

    def line(self) -> str:
        """The numbers in words."""
        return f"{self.before} objects: {self.gone} gone, {self.included} included, {self.moved} with another outline"


def changes(before: CellImage, after: CellImage, target: str | None = None) -> Changes:
    """Count the changes of an annotation; target None = objects of all classes.

    Raises:
        ShapeError: the images have other sizes.
    """
    was, still = _present(before), _present(after)
    first, now = _of(before, was, target), _of(after, still, target)
    included = np.setdiff1d(now, first)
    moved = np.intersect1d(changed_ids(before, after), np.intersect1d(was, still))
    moved = np.intersect1d(moved, np.union1d(first, included))
    return Changes(before=len(first), gone=len(np.setdiff1d(first, still)), included=len(included), moved=len(moved))


def changed_ids(before: CellImage, after: CellImage) -> NDArray[np.int32]:
    """Objects that have gained or lost a pixel, ascending.

    Raises:
        ShapeError: the images have other sizes.
    """
    if before.instances.shape != after.instances.shape:
        raise ShapeError(f"labels before and after are of one size, got {before.instances.shape} and {after.instances.shape}.")
    other = before.instances != after.instances
    found = np.unique(np.concatenate([before.instances[other], after.instances[other]]))
    return found[found > 0]


def marked(instances: NDArray[np.int32], ids: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels of the objects ids, which ascend."""
    return painted(instances, ids, np.ones(len(ids), dtype=np.bool_))


def _present(image: CellImage) -> NDArray[np.int32]:
    """Ids of the objects, ascending."""
    return present_ids(image.instances if image.instances.ndim == 3 else image.instances[None])


def _of(image: CellImage, ids: NDArray[np.int32], target: str | None) -> NDArray[np.int32]:
    """Those of a class, or all."""
    return ids if target is None else np.array([own for own in ids.tolist() if image.class_of(own) == target], dtype=np.int32)
