"""Which sites a network may learn from and which it is judged on; neighbours stay together."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from segcore.errors import InputError

FOLDS = 5
"""One fifth is held back: the 80/20 split of the thesis."""
_BLOCKS = 25
"""About how many spatial blocks the ground is cut into."""
_LEAST = 2
"""Fewest sites, and fewest negatives, in a fold."""


def make_folds(
    places: NDArray[np.int64], labels: NDArray[np.int64], *, split: Literal["spatial", "random"], window: int, seed: int
) -> NDArray[np.int64]:
    """Fold 0..4 of each chip, from places (N, 2) row, col and labels (N,) 1 site / 0 none.

    spatial: whole blocks of ground go to one fold, so near neighbours are not on both sides; a block is at least two
    windows wide. random: each chip on its own, as in the thesis; variants of one place stay together in both. Largest
    groups first, each goes where its own classes are rarest, so that folds hold about as many sites and negatives.

    Raises:
        InputError: some fold would have fewer than two sites or negatives.
    """
    rng = np.random.default_rng([seed, 2])
    groups = _blocks(places, window) if split == "spatial" else np.arange(len(places))
    folds = np.empty(len(places), dtype=np.int64)
    load = np.zeros((FOLDS, 2))
    share = np.maximum(np.bincount(labels, minlength=2), 1)
    order = rng.permutation(np.unique(groups))
    for group in sorted(order, key=lambda g: -int((groups == g).sum())):
        inside = groups == group
        gain = np.bincount(labels[inside], minlength=2) / share
        fold = int(np.lexsort((load.sum(axis=1), load @ gain))[0])
        folds[inside] = fold
        load[fold] += gain
    _require_both(folds, labels, split)
    return folds


def apart(places: NDArray[np.int64], held: NDArray[np.bool_], distance: float) -> NDArray[np.bool_]:
    """Which chips (N,) may be trained on when those in held are not: at least distance px, in rows or in columns, from all of these."""
    nearest, _ = cKDTree(places[held]).query(places, p=np.inf)
    return np.asarray(~held & (nearest >= distance))


def unseen_by(fold: int, members: int) -> list[int]:
    """Which members, counted from 0, never learnt from a fold: they were judged on it."""
    return [member for member in range(members) if member % FOLDS == fold]


def _blocks(places: NDArray[np.int64], window: int) -> NDArray[np.int64]:
    low = places.min(axis=0)
    extent = places.max(axis=0) - low + 1
    edge = max(2 * window, float(np.sqrt(extent.prod() / _BLOCKS)))
    rows, cols = ((places - low) // edge).astype(np.int64).T
    return np.asarray(rows * (cols.max() + 1) + cols)


def _require_both(folds: NDArray[np.int64], labels: NDArray[np.int64], split: str) -> None:
    counts = np.array([[int(((folds == fold) & (labels == label)).sum()) for label in (0, 1)] for fold in range(FOLDS)])
    if counts.min() < _LEAST:
        sites = int(labels.sum())
        way = f" in {FOLDS} blocks of ground that lie apart" if split == "spatial" else ""
        enough = min(sites, len(labels) - sites) >= _LEAST * FOLDS
        hint = " or use --split random" if split == "spatial" and enough else ""
        raise InputError(
            f"each of {FOLDS} folds needs {_LEAST} sites and {_LEAST} negatives; {sites} sites and {len(labels) - sites} negatives do not "
            f"give them. {_LEAST * FOLDS} of each{way} would do: add sites{hint}."
        )
