"""Choosing how known points become outlines, on sites that an expert has outlined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.chipset import ChipSet
from geoseg.known import OutlineSettings, Sight, cut_at_point, look, outline, weigh
from geoseg.tuning_sites import ChipReader, OutlinedSite, OutlinedSites, truth_pixels
from segcore.crf.config import CrfConfig
from segcore.evidence import Evidence
from segcore.pipeline.refine import smoothed

SMOOTHS, PRIORS, CUTS = (0.03, 0.045, 0.06, 0.08), (0.08, 0.11, 0.15, 0.2), (0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
"""Candidates: sigmas in windows, and shares of the peak."""
RADII = np.arange(0.08, 0.4, 0.01)
"""Candidates of the control with discs, in windows."""
CRFS = (
    CrfConfig(smooth_sigma=3 / 128, appearance_sigma=12 / 128),
    CrfConfig(smooth_sigma=3 / 128, appearance_sigma=12 / 128, guide="contrast"),
    CrfConfig(smooth_sigma=3 / 128, appearance_sigma=40 / 128),
    CrfConfig(smooth_sigma=3 / 128, appearance_sigma=40 / 128, guide="contrast"),
    CrfConfig(smooth_sigma=3 / 128, appearance_sigma=12 / 128, appearance_weight=5.0),
)
"""Candidates beside none, lengths in windows."""


Explain = Callable[[int], Evidence]
"""Number of a chip -> what it is explained with: networks that did not learn from it, where there are any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One outlined site as the windows see it."""

    sight: Sight
    truth: NDArray[np.bool_]
    """(h, w): the expert's outline in the pixels of the sight."""
    size: float
    """Pixels of the whole expert outline; part of it may lie beyond the sight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Settings, and how good they were where they were chosen."""

    settings: OutlineSettings
    scores: Sequence[float]
    """Dice of each site of the choosing half."""

    @property
    def dice(self) -> float:
        """Median Dice."""
        return float(np.median(self.scores))

    @property
    def quality(self) -> float:
        """What is maximised, the mean of median and mean Dice.

        The median alone takes settings that give up a third of the sites, and among a few dozen it takes them by chance.
        """
        return (self.dice + float(np.mean(self.scores))) / 2


def examples(chips: ChipSet, sites: OutlinedSites, half: Sequence[OutlinedSite], explain: Explain, shift: int) -> list[Example]:
    """Look at each site once."""
    return [_example(chips, sites, site, explain(site.index), shift) for site in half]


def choose_outline(seen: Sequence[Example], start: OutlineSettings, window: int) -> Chosen:
    """Best smoothing, prior and cut of one map by quality; lengths of the result are pixels."""
    scores: dict[tuple[float, float, float], list[float]] = {key: [] for key in product(SMOOTHS, PRIORS, CUTS)}
    for example in seen:
        for key, own in _grid(example, window):
            scores[key].append(own)
    tried = {key: Chosen(settings=_placed(start, key, window), scores=own) for key, own in scores.items()}
    return max(tried.values(), key=lambda chosen: chosen.quality)


def _placed(start: OutlineSettings, key: tuple[float, float, float], window: int) -> OutlineSettings:
    smooth, prior, cut = key
    return replace(start, prior=prior * window, refining=replace(start.refining, smooth=smooth * window, threshold=cut))


def choose_crf(seen: Sequence[Example], chosen: Chosen, window: int) -> tuple[Chosen, list[dict[str, Any]]]:
    """Keep the CRF that beats none, if one does; with the Dice of all candidates for the report."""
    tried: list[dict[str, Any]] = [{"crf": "none", "dice": chosen.dice, "quality": chosen.quality}]
    for crf in CRFS:
        settings = replace(chosen.settings, refining=replace(chosen.settings.refining, crf=crf.scaled(window)))
        own = Chosen(settings=settings, scores=dice_of(seen, settings))
        name = f"{crf.guide}, weight {crf.appearance_weight:g}, {float(np.mean(crf.appearance_pair)):.3f} windows"
        tried.append({"crf": name, "dice": own.dice, "quality": own.quality})
        if own.quality > chosen.quality:
            chosen = own
    return chosen, tried


def dice_of(seen: Sequence[Example], settings: OutlineSettings) -> list[float]:
    """Dice of each site; 0 without an outline."""
    return [_dice(outline(example.sight, settings), example) for example in seen]


def best_disc(seen: Sequence[Example], window: int) -> tuple[float, float]:
    """(radius in windows, median Dice) of the best discs of one size, the control."""
    scores = {float(radius): float(np.median(disc_dice(seen, float(radius) * window))) for radius in RADII}
    return max(scores.items(), key=lambda item: item[1])


def disc_dice(seen: Sequence[Example], radius: float) -> list[float]:
    """Dice of a disc of radius px round each site."""
    return [_dice(disc(example, radius), example) for example in seen]


def _example(chips: ChipSet, sites: OutlinedSites, site: OutlinedSite, evidence: Evidence, shift: int) -> Example:
    sight = look(ChipReader(chips, site.index), site.place, site.others, evidence, window=chips.window, shift=shift)
    pixel = abs(sites.grid.transform.determinant)
    return Example(sight=sight, truth=truth_pixels(sites, [site.polygon], sight.region), size=site.polygon.area / pixel)


def _grid(example: Example, window: int) -> Iterator[tuple[tuple[float, float, float], float]]:
    for smooth in SMOOTHS:
        values = smoothed(example.sight.values, smooth * window)
        for prior in PRIORS:
            weighed = weigh(example.sight, values, prior * window)
            for cut in CUTS:
                yield (smooth, prior, cut), _dice(cut_at_point(example.sight, weighed >= cut, prior * window), example)


def disc(example: Example, radius: float) -> NDArray[np.bool_]:
    """Pixels (h, w) of a sight within radius px of its place."""
    region, (row, col) = example.sight.region, example.sight.place
    rows, cols = np.ogrid[region.row - row : region.row - row + region.height, region.col - col : region.col - col + region.width]
    return np.asarray(rows**2 + cols**2 <= radius**2)


def _dice(mask: NDArray[np.bool_] | None, example: Example) -> float:
    return 0.0 if mask is None else 2 * float((mask & example.truth).sum()) / (float(mask.sum()) + example.size)
