"""Parts of the image that are no cells: superpixels taken for cells, or cells lost with them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.perturb.draft import Draft
from cellseg.perturb.objects import painted
from cellseg.perturb.perturbation import named
from cellseg.perturb.rate import check_rate, drawn
from segcore.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Segments:
    """A share of the segments of Felzenszwalb and Huttenlocher (IJCV 2004) becomes objects, another is wiped clean.

    The segments of each plane of the pixels are found by scikit-image. Of those with background, the share is drawn, and the
    background of each becomes one object of the target; cells and the ignore label in it stay. Of those with cells of the
    target, the share `removed` is drawn, and these cells' pixels in them become background. Both look at the labels as
    they were before. Segments differ in size: an even background, as in fluorescence, may be one of them.

    Raises:
        ConfigError: a share is outside 0..1, or a setting of the segments is not positive.
    """

    share: float = 0.1
    """Of the segments that become objects, rounded half up."""
    _: KW_ONLY
    removed: float = 0.0
    """Of the segments that lose their cells, rounded half up."""
    target: str | None = None
    """Class of new objects, which must be said where the data have several classes; only cells of this class are removed,
    None = of all."""
    scale: float = 100.0
    """The higher, the larger the segments."""
    sigma: float = 0.8
    """Standard deviation of the blur before, in pixels."""
    min_size: int = 50
    """Pixels of the smallest segment."""

    def __post_init__(self) -> None:
        check_rate(self.share, "share of segments")
        check_rate(self.removed, "share of removed segments")
        if not (self.scale > 0 and self.sigma >= 0 and self.min_size >= 1):
            given = f"{self.scale}, {self.sigma} and {self.min_size}"
            raise ConfigError(f"segments have scale > 0, sigma >= 0 and min_size >= 1; got {given}. Leave them out for what is usual.")

    @property
    def targets(self) -> tuple[str, ...]:
        """The target, if there is one."""
        return named(self.target)

    def apply(self, draft: Draft, rng: np.random.Generator) -> None:
        """Find the segments, draw, and write objects and background.

        Raises:
            ConfigError: there are no pixels, or the target is needed and not said.
        """
        if draft.pixels is None:
            raise ConfigError(f"segments are found in pixels; {draft.name} has labels only. Give the image too.")
        target = draft.target(self.target) if self.share > 0 else ""
        low, high = _range(draft.pixels)
        mine = draft.ids(self.target)
        for number, plane in enumerate(draft.instances):
            grey = (np.moveaxis(draft.pixels[:, number], 0, -1).astype(np.float64) - low) / (high - low)
            segments = self._segments(np.nan_to_num(grey, nan=0.0, posinf=1.0, neginf=0.0))
            removed = np.isin(segments, _drawn(segments, np.isin(plane, mine), self.removed, rng)) & np.isin(plane, mine)
            free = plane == 0
            chosen = np.sort(_drawn(segments, free, self.share, rng))
            new = painted(segments, chosen, np.array([draft.new_id(target) for _ in chosen], dtype=np.int32))
            np.copyto(plane, new, where=free & (new > 0))
            plane[removed] = 0

    def _segments(self, grey: NDArray[np.float64]) -> NDArray[np.int32]:
        """Number, from 1, of the segment of each pixel of an (H, W, C) image in 0..1."""
        from skimage.segmentation import felzenszwalb

        found = felzenszwalb(grey, scale=self.scale, sigma=self.sigma, min_size=self.min_size, channel_axis=-1)
        return np.asarray(found + 1, dtype=np.int32)


def _range(pixels: NDArray[Any]) -> tuple[float, float]:
    """Lowest and highest value, apart; without NaN and infinities."""
    finite = pixels[np.isfinite(pixels)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return (low, high) if high > low else (low, low + 1.0)


def _drawn(segments: NDArray[np.int32], where: NDArray[np.bool_], share: float, rng: np.random.Generator) -> NDArray[np.int32]:
    """The share of the segments that reach into where."""
    return drawn(share, np.unique(segments[where]), rng)
