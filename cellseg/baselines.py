"""What segmentation without a network gives: the line that a network has to beat. Each learns from labelled images, in seconds.

All but k-means see one grey picture: the channel, and its bright or its dark side, whose best threshold has the largest Dice
on the training images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import chain, product
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cellseg.image import IGNORE, CellImage
from segcore.errors import ConfigError, ShapeError
from segcore.metrics.pixels import Counts, count, dice

STEPS = np.arange(101) / 100
"""Thresholds that are tried, as shares of the way from the least to the largest value of the training images."""
LOWS, HIGHS = (0.5, 0.7, 0.85), (1.0, 1.2, 1.5)
"""Seeds of the watershed that are tried: background below, cells from so many times the best threshold on."""
FEW, CROP = 6, 512
"""The watershed tries its seeds on the middle of a few images only: so many, of at most so many pixels a side."""
CLUSTERS, SAMPLE = 6, 20_000
"""Of k-means: clusters, and pixels that they are learnt from."""
AT_ONCE = 1 << 20
"""Pixels whose cluster is found at once: this bounds the memory of their features."""
SMOOTH, TEXTURE = 2.0, 3.0
"""Standard deviations in pixels: of the smoothed grey, and of the ground that its local deviation is taken over."""

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Baseline(Protocol):
    """A method that has been fitted."""

    def predict(self, pixels: NDArray[Any]) -> Mask:
        """Pixels (C, H, W) as in training -> what is taken for the target, (H, W)."""
        ...


Fit = Callable[[Sequence[CellImage], str | None, np.random.Generator], Baseline]
"""(training images, class that is sought or None for all cells, chance) -> the fitted method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grey:
    """One channel as shares of its range in training, turned over where cells are dark."""

    channel: int
    dark: bool
    bottom: float = 0.0
    """The least training value, or 0 where none is negative."""
    top: float
    """Above bottom: the largest training value, where it is."""

    def of(self, pixels: NDArray[Any]) -> Floats:
        """(C, H, W) -> (H, W), cells bright; 0..1 on training images."""
        shares = (pixels[self.channel].astype(np.float64) - self.bottom) / (self.top - self.bottom)
        return np.asarray(1 - shares if self.dark else shares, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridThreshold:
    """All pixels from one threshold on, found in steps of 1 % of the range."""

    grey: Grey
    level: float
    """Share of the range, 0..1."""
    dice: float
    """Of the training images, all pooled."""

    def predict(self, pixels: NDArray[Any]) -> Mask:
        """See Baseline."""
        return np.asarray(self.grey.of(pixels) >= self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Otsu:
    """All pixels above (dark cells: not above) the threshold that parts the image's own values best (Otsu 1979; skimage.filters).

    In an image of one colour nothing is parted, hence nothing is found.
    """

    grey: Grey

    def predict(self, pixels: NDArray[Any]) -> Mask:
        """See Baseline."""
        own = pixels[self.grey.channel]
        if own.min() == own.max():
            return np.zeros(own.shape, dtype=bool)
        if own.dtype.itemsize > 2:
            own = own.astype(np.float64)  # whole numbers would get a bin of the histogram each
        bright = np.asarray(own > import_module("skimage.filters").threshold_otsu(own))
        return ~bright if self.grey.dark else bright


@dataclass(frozen=True, slots=True, kw_only=True)
class Watershed:
    """Sure cells and sure background grow along the slopes of the grey until they meet (Meyer 1994; skimage.segmentation)."""

    grey: Grey
    low: float
    """Below is background for sure."""
    high: float
    """From here on is cell for sure."""

    def predict(self, pixels: NDArray[Any]) -> Mask:
        """See Baseline."""
        filters, segmentation = import_module("skimage.filters"), import_module("skimage.segmentation")
        grey = filters.gaussian(self.grey.of(pixels), 1.0)
        seeds = np.where(grey >= self.high, 2, np.where(grey < self.low, 1, 0))
        return np.asarray(segmentation.watershed(filters.sobel(grey), seeds) == 2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clusters:
    """Pixels in clusters of like intensity and texture (k-means, Lloyd 1982); those that hold most of the target are the target."""

    grey: Grey
    spans: Floats
    """(C,) range of each channel in training."""
    mean: Floats
    deviation: Floats
    """(F,) of the features: they are standardised."""
    centres: Floats
    """(K, F)."""
    chosen: NDArray[np.bool_]
    """(K,) which clusters are the target."""

    def predict(self, pixels: NDArray[Any]) -> Mask:
        """See Baseline."""
        around, found = _around(pixels, self.grey), np.zeros(pixels[0].size, dtype=bool)
        for start in range(0, found.size, AT_ONCE):
            part = slice(start, start + AT_ONCE)
            features = (_features(pixels, self.spans, around, part) - self.mean) / self.deviation
            found[part] = self.chosen[nearest(features, self.centres)]
        return found.reshape(pixels.shape[1:])


def fit_threshold(images: Sequence[CellImage], target: str | None, rng: np.random.Generator) -> GridThreshold:
    """The channel, side and threshold of the largest Dice over all training images; the first of equals. rng is not used.

    Raises:
        ConfigError: no training image has the target.
        ShapeError: images with other numbers of channels, or volumes.
    """
    greys = _greys(images)
    inside, outside = np.zeros((2, len(greys), 2, len(STEPS)), dtype=np.int64)
    for image in images:
        known, wanted = image.instances != IGNORE, image.mask(target)
        for grey in chain.from_iterable(greys):
            place = np.searchsorted(STEPS, np.maximum(grey.of(image.pixels), 0), side="right") - 1
            inside[grey.channel, int(grey.dark)] += np.bincount(place[wanted], minlength=len(STEPS))
            outside[grey.channel, int(grey.dark)] += np.bincount(place[known & ~wanted], minlength=len(STEPS))
    sought = int(inside[0, 0].sum())
    if not sought:
        what = "no cell" if target is None else f"no cell of class {target!r}"
        raise ConfigError(f"a method learns from images with the target; the {len(images)} training images have {what}. Choose a class.")
    hits, misses = (counts[..., ::-1].cumsum(axis=-1)[..., ::-1] for counts in (inside, outside))
    found = 2 * hits / (hits + misses + sought)
    best, side, level = (int(place) for place in np.unravel_index(int(found.argmax()), found.shape))
    return GridThreshold(grey=greys[best][side], level=float(STEPS[level]), dice=float(found.max()))


def fit_otsu(images: Sequence[CellImage], target: str | None, rng: np.random.Generator) -> Otsu:
    """The channel and side of fit_threshold; each image finds its own threshold. Raises as fit_threshold."""
    return Otsu(grey=fit_threshold(images, target, rng).grey)


def fit_watershed(images: Sequence[CellImage], target: str | None, rng: np.random.Generator) -> Watershed:
    """The seeds, among LOWS x HIGHS times the best threshold, of the largest Dice on a few images. Raises as fit_threshold."""
    found = fit_threshold(images, target, rng)
    few = [_middle(image, target) for image in _few(images, target)]
    best, best_dice = Watershed(grey=found.grey, low=found.level, high=found.level), -1.0
    for low, high in product(LOWS, HIGHS):
        method = Watershed(grey=found.grey, low=low * found.level, high=high * found.level)
        counts = sum((count(method.predict(pixels), mask, ignore) for pixels, mask, ignore in few), Counts())
        if dice(counts) > best_dice:
            best, best_dice = method, dice(counts)
    return best


def fit_clusters(images: Sequence[CellImage], target: str | None, rng: np.random.Generator) -> Clusters:
    """Clusters of pixels drawn evenly from all images, and the choice of them with the largest Dice. Raises as fit_threshold."""
    from sklearn.cluster import KMeans

    grey, spans = fit_threshold(images, target, rng).grey, np.array([own.top - own.bottom for own, _ in _greys(images)])
    drawn = [_drawn(image, target, grey, spans, -(-SAMPLE // len(images)), rng) for image in images]
    features, wanted = np.concatenate([own for own, _ in drawn]), np.concatenate([own for _, own in drawn])
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-9
    features = (features - mean) / deviation
    means = KMeans(min(CLUSTERS, len(features)), n_init=3, random_state=int(rng.integers(1 << 31)))
    with import_module("threadpoolctl").threadpool_limits(limits=1):  # the last bit of a sum depends on the threads
        centres = np.asarray(means.fit(features).cluster_centers_, dtype=np.float64)
    chosen = _best_choice(nearest(features, centres), wanted, len(centres))
    return Clusters(grey=grey, spans=spans, mean=mean, deviation=deviation, centres=centres, chosen=chosen)


BASELINES: Mapping[str, Fit] = MappingProxyType(
    {"threshold": fit_threshold, "otsu": fit_otsu, "watershed": fit_watershed, "k-means": fit_clusters}
)
"""{name: how it is fitted}, in the order of cellseg.study.names.BASELINE_NAMES."""


def nearest(features: Floats, centres: Floats) -> NDArray[np.intp]:
    """Which of centres (K, F) is nearest to each of features (..., F); the first of equals."""
    best, least = np.zeros(features.shape[:-1], dtype=np.intp), np.full(features.shape[:-1], np.inf)
    for number, centre in enumerate(centres):
        distance = np.square(features - centre).sum(axis=-1)
        best[distance < least] = number
        np.minimum(least, distance, out=least)
    return best


def _greys(images: Sequence[CellImage]) -> list[tuple[Grey, Grey]]:
    """Each channel with bright cells and with dark ones, by its range over all images; a range of 1 where it is of one colour."""
    ends: list[Floats] = []
    for image in images:
        if image.pixels.ndim != 3 or (ends and len(image.pixels) != len(ends[0])):
            raise ShapeError(f"a method learns from images (C, H, W) of one number of channels; {image.name} has {image.pixels.shape}.")
        ends.append(np.stack([image.pixels.min(axis=(1, 2)), image.pixels.max(axis=(1, 2))], axis=1).astype(np.float64))
    if not ends:
        raise ConfigError("a method learns from at least one image, got none.")
    bottoms, tops = np.minimum(np.min(ends, axis=0)[:, 0], 0), np.max(ends, axis=0)[:, 1]
    tops = np.where(tops > bottoms, tops, bottoms + 1)
    bright = [Grey(channel=at, dark=False, bottom=float(bottoms[at]), top=float(tops[at])) for at in range(len(tops))]
    return [(own, replace(own, dark=True)) for own in bright]


def _few(images: Sequence[CellImage], target: str | None) -> Iterator[CellImage]:
    """Images with the target, evenly spread."""
    holding = [place for place, image in enumerate(images) if image.mask(target).any()]
    for place in holding[:: -(-len(holding) // FEW)]:
        yield images[place]


def _middle(image: CellImage, target: str | None) -> tuple[NDArray[Any], Mask, Mask]:
    """Pixels, target and unknown ground of the middle of an image, or all of it where the target lies elsewhere."""
    mask = image.mask(target)
    row, col = ((max(0, (length - CROP) // 2)) for length in mask.shape)
    part = np.s_[row : row + CROP, col : col + CROP]
    if not mask[part].any():
        part = np.s_[:, :]
    return image.pixels[:, *part], mask[part], image.instances[part] == IGNORE


def _around(pixels: NDArray[Any], grey: Grey) -> Floats:
    """(2, H * W): the smoothed grey, its local standard deviation."""
    from scipy.ndimage import gaussian_filter

    own = grey.of(pixels)
    mean, square = gaussian_filter(own, TEXTURE), gaussian_filter(own**2, TEXTURE)
    return np.stack([gaussian_filter(own, SMOOTH).ravel(), np.sqrt(np.maximum(square - mean**2, 0)).ravel()])


def _features(pixels: NDArray[Any], spans: Floats, around: Floats, places: slice | NDArray[np.intp]) -> Floats:
    """(N, C + 2) of some pixels: each channel, and what is around."""
    return np.stack([*(pixels.reshape(len(pixels), -1)[:, places] / spans[:, None]), *around[:, places]], axis=-1)


def _drawn(
    image: CellImage, target: str | None, grey: Grey, spans: Floats, wanted: int, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Features (N, F) of known pixels drawn at random, one of the target at least where there is any; and which are of it."""
    known, mask = np.flatnonzero(image.instances.ravel() != IGNORE), image.mask(target).ravel()
    places = rng.choice(known, min(wanted, len(known)), replace=False)
    if mask.any() and not mask[places].any():
        places[0] = rng.choice(np.flatnonzero(mask))
    return _features(image.pixels, spans, _around(image.pixels, grey), places), mask[places]


def _best_choice(numbers: NDArray[np.intp], wanted: NDArray[np.bool_], clusters: int) -> NDArray[np.bool_]:
    """Clusters by their share of the target, from the largest on, as many as give the largest Dice; none where nothing is wanted."""
    sizes, hits = np.bincount(numbers, minlength=clusters), np.bincount(numbers[wanted], minlength=clusters)
    order = np.argsort(-hits / np.maximum(sizes, 1), kind="stable")
    found = 2 * hits[order].cumsum() / np.maximum(sizes[order].cumsum() + wanted.sum(), 1)
    chosen = np.zeros(clusters, dtype=bool)
    if wanted.any():
        chosen[order[: int(found.argmax()) + 1]] = True
    return chosen
