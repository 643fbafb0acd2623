"""A folder of chips, opened lazily, and the windows drawn from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segcore.data.bands import as_input
from segcore.data.variants import CORNERS, Augment, Variant, corner_shift, cut_variant, draw_variant
from segcore.errors import InputError
from segcore.files import read_json

FLAG_VALID, FLAG_SITE, FLAG_IGNORE = 1, 2, 4
"""Bits of flags.npy: the pixel holds data; it is close to a known site; it is to be ignored."""
MIN_VALID = 0.5
"""Least share of valid pixels in a window that is trained on."""
MAX_IGNORE = 0.05
"""Largest share of ignored pixels in a negative window."""
_REDRAWS = 20


def usable(flags: NDArray[np.uint8]) -> bool:
    """Whether a window (h, w) of flags may be shown as a place without a site."""
    return not (flags & FLAG_SITE).any() and (flags & FLAG_IGNORE > 0).mean() <= MAX_IGNORE and (flags & FLAG_VALID > 0).mean() >= MIN_VALID


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipSet:
    """Chips on disk; pixels are read when drawn."""

    facts: dict[str, Any]
    """chips.json."""
    chips: NDArray[np.uint8]
    """(N, C, S, S), memory-mapped."""
    flags: NDArray[np.uint8]
    """(N, S, S), memory-mapped."""
    labels: NDArray[np.int64]
    """(N,): 1 site, 0 none."""
    places: NDArray[np.int64]
    """(N, 2): row, col of each chip's centre in the raster."""

    @property
    def window(self) -> int:
        """Edge of a window in pixels."""
        return int(self.facts["window"])

    @property
    def ids(self) -> list[str]:
        """Id of each point."""
        return [point["id"] for point in self.facts["points"]]

    def draw(self, index: int, rng: np.random.Generator, augment: Augment) -> NDArray[np.uint8]:
        """One random variant (C, window, window) of chip index; negatives are redrawn until their window is clean."""
        for _ in range(_REDRAWS):
            variant = draw_variant(rng, self.window, augment=augment, jitter=int(self.facts["jitter"]))
            if self.labels[index] == 1 or usable(cut_variant(self.flags[index][None], variant, self.window, order=0)[0]):
                return cut_variant(self.chips[index], variant, self.window)
        return next(self.crops(index))

    def crops(self, index: int) -> Iterator[NDArray[np.uint8]]:
        """The five plain crops of chip index that may be shown; of a negative only the clean ones."""
        for corner in CORNERS:
            variant = Variant(shift=corner_shift(corner, self.window))
            if self.labels[index] == 1 or usable(cut_variant(self.flags[index][None], variant, self.window, order=0)[0]):
                yield cut_variant(self.chips[index], variant, self.window)


def open_chips(path: Path) -> ChipSet:
    """Open what `geoseg chips` wrote.

    Raises:
        InputError: the folder is no chip set, is damaged, or holds one class only.
    """
    facts = read_json(path / "chips.json")
    try:
        points = facts["points"]
        arrays = [np.load(path / name, mmap_mode="r", allow_pickle=False) for name in ("chips.npy", "flags.npy")]
        labels = np.array([point["label"] for point in points], dtype=np.int64)
        places = np.array([(point["row"], point["col"]) for point in points], dtype=np.int64)
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} must be a whole chip set, but is not ({error}). Cut the chips again.") from error
    if len(set(labels.tolist())) < 2:
        raise InputError(f"training needs sites and negatives; {path} holds one class only. Cut chips with both.")
    if any(len(array) != len(labels) for array in arrays):
        raise InputError(f"{path} must hold a chip for each point, but the counts differ. Cut the chips again.")
    return ChipSet(facts=facts, chips=arrays[0], flags=arrays[1], labels=labels, places=places)


def training_batches(
    chips: ChipSet, members: NDArray[np.int64], *, batch: int, count: int, augment: Augment, seed: list[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Count batches (B, C, w, w) and labels (B,), half sites and half not, drawn from the chips with index in members."""
    rng = np.random.default_rng(seed)
    pools = [members[chips.labels[members] == label] for label in (0, 1)]
    for _ in range(count):
        labels = np.arange(batch) % 2
        windows = np.stack([chips.draw(int(rng.choice(pools[label])), rng, augment) for label in labels])
        yield as_input(windows), torch.from_numpy(labels)
