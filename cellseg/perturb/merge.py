"""Touching cells drawn as one."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cellseg.perturb.draft import Draft
from cellseg.perturb.perturbation import named
from cellseg.perturb.rate import check_rate, count_of


@dataclass(frozen=True, slots=True)
class Merge:
    """S of the P touching pairs of one class become one object each, S / P = rate, rounded half up; the smallest id stays.

    Pairs touch where pixels meet by a face, an edge or a corner, in a volume across planes too. Pairs that share a cell
    become one object together, so that at rate 1 each cluster is one object.

    Raises:
        ConfigError: rate is outside 0..1.
    """

    rate: float
    """Share of the touching pairs that are merged: 0 = none, 1 = all."""
    _: KW_ONLY
    target: str | None = None
    """Class of both; None = all classes."""

    def __post_init__(self) -> None:
        check_rate(self.rate, "merge")

    @property
    def targets(self) -> tuple[str, ...]:
        """The target, if there is one."""
        return named(self.target)

    def apply(self, draft: Draft, rng: np.random.Generator) -> None:
        """Draw the pairs and join them."""
        pairs = [
            (one, other)
            for one, other in touching(draft.instances).tolist()
            if draft.class_of(one) == draft.class_of(other) and self.target in (None, draft.class_of(one))
        ]
        chosen = rng.permutation(len(pairs))[: count_of(self.rate, len(pairs))]
        smallest = _joined([pairs[number] for number in chosen])
        ids = np.array(sorted(smallest), dtype=np.int32)
        draft.rename(ids, np.array([smallest[own] for own in ids.tolist()], dtype=np.int32))


def touching(instances: NDArray[np.int32]) -> NDArray[np.int32]:
    """Pairs of objects (n, 2) that meet in a (D, H, W) array, by a face, an edge or a corner; ascending, the smaller id first."""
    found = [np.empty((0, 2), dtype=np.int32)]
    for offset in product((0, 1), (-1, 0, 1), (-1, 0, 1)):
        if offset > (0, 0, 0):
            here = instances[tuple(slice(max(-step, 0), size - max(step, 0)) for step, size in zip(offset, instances.shape, strict=True))]
            there = instances[tuple(slice(max(step, 0), size + min(step, 0)) for step, size in zip(offset, instances.shape, strict=True))]
            meet = (here != there) & (here > 0) & (there > 0)
            found.append(np.unique(np.sort(np.stack([here[meet], there[meet]], axis=1), axis=1), axis=0))
    return np.unique(np.concatenate(found), axis=0)


def _joined(pairs: list[tuple[int, int]]) -> dict[int, int]:
    """{id: smallest id that a chain of pairs leads to}."""
    parent: dict[int, int] = {}

    def root(own: int) -> int:
        while parent.setdefault(own, own) != own:
            parent[own] = parent[parent[own]]
            own = parent[own]
        return own

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return {own: root(own) for own in list(parent)}
