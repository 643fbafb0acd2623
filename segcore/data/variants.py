"""The forty variants of a chip: four turns, each plain or swirled, each cropped five ways.

A variant is drawn from a generator and cut on the fly; nothing is stored. Source: the thesis, section 5.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

Augment = Literal["rotate", "flip"]
"""rotate: quarter turns and mirror images; flip: up-down mirror images only, for light that always comes from one side."""

CORNERS = ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
"""Where the chip's centre lies in the crop: at the centre, or towards a corner."""
CORNER_SHIFT = 0.25
"""Distance of a corner position from the centre, in windows: as far as a scan at half overlap can be off."""
MAX_SWIRL = 2.0
"""Strength of the strongest swirl, in either direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to cut a window from a chip."""

    turns: int = 0
    """Counter-clockwise quarter turns, 0 to 3."""
    flipped: bool = False
    """Mirrored up-down, before the turn."""
    swirl: float = 0.0
    """Strength as in skimage.transform.swirl, radius one window; 0 is off."""
    shift: tuple[int, int] = (0, 0)
    """(rows, cols) from the chip's centre to the crop's centre, in pixels."""


def draw_variant(rng: np.random.Generator, window: int, *, augment: Augment = "rotate", jitter: int = 0) -> Variant:
    """A random variant for windows of window px, with up to jitter px of extra shift in rows and in columns."""
    corner = CORNERS[rng.integers(len(CORNERS))]
    swirl = float(rng.uniform(-MAX_SWIRL, MAX_SWIRL)) if rng.random() < 0.5 else 0.0
    extra = rng.integers(-jitter, jitter + 1, size=2)
    return Variant(
        turns=int(rng.integers(4)) if augment == "rotate" else 0,
        flipped=bool(rng.integers(2)),
        swirl=swirl,
        shift=(corner_shift(corner, window)[0] + int(extra[0]), corner_shift(corner, window)[1] + int(extra[1])),
    )


def corner_shift(corner: tuple[int, int], window: int) -> tuple[int, int]:
    """Shift in pixels of one of the five CORNERS."""
    step = round(CORNER_SHIFT * window)
    return corner[0] * step, corner[1] * step


def cut_variant(chip: NDArray[Any], variant: Variant, window: int, *, order: int = 1) -> NDArray[Any]:
    """Cut one variant (C, window, window) from a chip (C, S, S), S >= 2.5 windows to be safe for every variant.

    chip holds whole numbers. order: 1 interpolates a swirl linearly, 0 takes the nearest pixel (for flags). Pixels
    beyond the chip repeat its edge.
    """
    size = chip.shape[-1]
    turned = np.rot90(chip[:, ::-1] if variant.flipped else chip, variant.turns, axes=(1, 2))
    top, left = (size // 2 + s - window // 2 for s in variant.shift)
    if variant.swirl == 0 and min(top, left) >= 0 and max(top, left) + window <= size:
        return np.ascontiguousarray(turned[:, top : top + window, left : left + window])
    rows, cols = np.mgrid[top : top + window, left : left + window].astype(np.float32)
    where = _swirled(rows, cols, (size - 1) / 2, variant.swirl, window)
    out = np.stack([map_coordinates(band, where, order=order, mode="nearest", output=np.float32) for band in turned])
    pixels: NDArray[Any] = np.rint(out).astype(chip.dtype)
    return pixels


def _swirled(rows: NDArray[np.float32], cols: NDArray[np.float32], centre: float, strength: float, radius: float) -> NDArray[np.float32]:
    """Where each pixel of a swirled image comes from; the mapping of skimage.transform.swirl."""
    dy, dx = rows - centre, cols - centre
    rho = np.hypot(dy, dx)
    theta = np.arctan2(dy, dx) + strength * np.exp(-rho / (radius / 5 * np.log(2)))
    return np.stack([centre + rho * np.sin(theta), centre + rho * np.cos(theta)]).astype(np.float32)
