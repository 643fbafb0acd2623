"""Which patches there are, which of them show the target, and which an epoch takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from cellseg.training.images import Plane, TargetImages
from cellseg.training.normalise import Moments, moments
from segcore.errors import ConfigError, InputError
from segcore.windows import GridConfig, Window, block_grid, window_grid

_BLOCK = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A place to learn from."""

    plane: Plane
    window: Window
    shows: bool
    """Whether a pixel of the target is in it."""
    again: tuple[int, int] = (0, 0)
    """How many of its first rows and columns other patches cover already: what it is judged by lies below and to the right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What one image offers."""

    name: str
    patches: tuple[Patch, ...]
    """Those with a pixel whose label is known."""
    moments: Moments
    """Of all its pixels."""
    bytes: int
    """Memory that it takes while it is kept."""
    pixel_type: str
    """Such as uint8."""

    @property
    def shows(self) -> bool:
        """Whether the target is in the image."""
        return any(patch.shows for patch in self.patches)

    @property
    def channels(self) -> int:
        """Channels of the image."""
        return len(self.moments.total)


def survey(images: TargetImages, name: str, grid: GridConfig) -> Survey:
    """Look through one image.

    Raises:
        ConfigError: the patch does not fit into it.
        InputError: a file cannot be used, or pixels are not finite.
    """
    patches: list[Patch] = []
    kind = ""
    measured: list[Moments] = []
    for plane in images.planes(name):
        if grid.window > min(plane.height, plane.width):
            edge = min(plane.height, plane.width)
            raise ConfigError(
                f"a patch fits into every image; {name} has {plane.height} x {plane.width} px, got {grid.window}. Use --patch {edge}."
            )
        for window in window_grid((plane.height, plane.width), grid):
            pixels, target = images.read(plane, window)
            kind = pixels.dtype.name
            if (target >= 0).any():
                patches.append(Patch(plane=plane, window=window, shows=bool((target > 0).any())))
        measured += [moments(images.read(plane, block)[0], name) for block in block_grid((plane.height, plane.width), _BLOCK)]
    first, *rest = measured
    return Survey(name=name, patches=tuple(patches), moments=sum(rest, first), bytes=images.bytes_of(name), pixel_type=kind)


def tiles(images: TargetImages, name: str, edge: int) -> list[Patch]:
    """Patches of one image that count each of its pixels once, to judge by; those with a pixel of its own that is known.

    The last one of a row or column ends flush with the image: what it repeats is said by `again`.
    """
    found: list[Patch] = []
    for plane in images.planes(name):
        for window in window_grid((plane.height, plane.width), GridConfig(window=edge, overlap=0)):
            again = -window.row % edge, -window.col % edge
            target = images.read(plane, window)[1][again[0] :, again[1] :]
            if (target >= 0).any():
                found.append(Patch(plane=plane, window=window, shows=bool((target > 0).any()), again=again))
    return found


def require_target(surveys: Sequence[Survey], target: str, where: str) -> None:
    """Refuse images from which nothing can be learnt.

    Raises:
        InputError: channels or pixel types differ, no pixel is known, or the target is nowhere.
    """
    first = surveys[0]
    for own in surveys:
        if own.channels != first.channels:
            raise InputError(
                f"all images have the same number of channels; {first.name} has {first.channels}, {own.name} {own.channels}. "
                "Make a dataset of each kind."
            )
        if own.pixel_type != first.pixel_type:
            raise InputError(
                f"images have one pixel type, since one scaling serves all; {first.name} has {first.pixel_type}, {own.name} "
                f"{own.pixel_type}. Convert them to one range, or make a dataset of each kind."
            )
    if not any(own.patches for own in surveys):
        raise InputError(f"a segmenter learns from pixels whose label is known; in {where} all are unknown. Label some.")
    if not any(own.shows for own in surveys):
        raise InputError(f"a segmenter learns from cells of its target; no image of {where} shows a {target!r}. Choose another --target.")


def draw_epoch(patches: Sequence[Patch], count: int, balance: float | None, rng: np.random.Generator) -> list[Patch]:
    """Patches of an epoch in random order; none comes twice before all of its kind have come.

    balance: at least this share shows the target, where any does; None takes patches as they come.
    """
    shown = np.array([patch.shows for patch in patches])
    with_target, without = np.flatnonzero(shown), np.flatnonzero(~shown)
    if balance is None or not len(with_target) or not len(without):
        chosen = _cycled(np.arange(len(patches)), count, rng)
    else:
        many = min(count, ceil(count * max(balance, len(with_target) / len(patches)) - 1e-9))
        chosen = rng.permutation(np.concatenate([_cycled(with_target, many, rng), _cycled(without, count - many, rng)]))
    return [patches[at] for at in chosen]


def by_shards(drawn: Sequence[Patch], sizes: Mapping[str, int], keep: int, rng: np.random.Generator) -> list[Patch]:
    """The same patches, sorted so that images which do not fit into memory together are read once an epoch each.

    Images are parted at random into shards of at most keep bytes, by their sizes; within a shard the order stays as drawn.
    """
    shard_of: dict[str, int] = {}
    shard, filled = 0, 0
    for name in rng.permutation(sorted({patch.plane.name for patch in drawn})).tolist():
        if filled and filled + sizes[name] > keep:
            shard, filled = shard + 1, 0
        shard_of[name] = shard
        filled += sizes[name]
    return sorted(drawn, key=lambda patch: shard_of[patch.plane.name])


def thinned(patches: Sequence[Patch], most: int | None) -> list[Patch]:
    """At most so many patches, spread evenly, the target among them where it was."""
    if most is None or len(patches) <= most:
        return list(patches)
    kinds = [[patch for patch in patches if patch.shows is shows] for shows in (True, False)]
    share = len(kinds[0]) / len(patches)
    wanted = min(len(kinds[0]), max(1, round(share * most)))
    return sorted([*_spread(kinds[0], wanted), *_spread(kinds[1], most - wanted)], key=lambda patch: (patch.plane, patch.window))


def _spread(patches: Sequence[Patch], count: int) -> Iterator[Patch]:
    count = min(count, len(patches))
    return (patches[(2 * number + 1) * len(patches) // (2 * count)] for number in range(count))


def _cycled(places: NDArray[np.intp], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """count of the places: all of them in random order, then all again."""
    rounds = -(-count // len(places))
    return np.concatenate([rng.permutation(places) for _ in range(rounds)])[:count] if count else places[:0]
