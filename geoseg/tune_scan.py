"""Choosing how a scan decides, on chips of outlined sites and of empty ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product
from operator import add
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geoseg.chipset import FLAG_IGNORE, FLAG_SITE, FLAG_VALID, ChipSet
from geoseg.scanning import ScanSettings
from geoseg.tune_outline import CRFS, Explain
from geoseg.tuning_sites import ChipReader, OutlinedSite, OutlinedSites, truth_pixels
from segcore.evidence import Evidence
from segcore.metrics.pixels import Counts, count, dice
from segcore.pipeline.refine import decide, smoothed
from segcore.stitch import Stitcher
from segcore.windows import GridConfig, Window, window_grid

GATES, SMOOTHS = (0.3, 0.5, 0.7, 0.85, 0.95), (0.03, 0.055, 0.08)
THRESHOLDS = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, *(round(0.05 * step, 2) for step in range(2, 20)))
"""Candidates; smoothings in windows."""
_LEAST = 3
MARGIN = 0.25
"""Rim of a chip that is not judged, in windows: fewer windows cover it than in a scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One chip as a scan of it would see it."""

    window: Window
    """Of the chip, in the raster."""
    windows: list[Window]
    scores: NDArray[np.float32]
    """(n,): mean probability of each window."""
    maps: NDArray[np.float32]
    """(n, h, w): the map of each window."""
    image: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    """(S, S): expert outlines."""
    judged: NDArray[np.bool_]
    """(S, S): where the truth is known."""
    weight: float
    """How many such chips of the scene this one stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenScan:
    """Settings, and the weighted raster Dice where they were chosen."""

    settings: ScanSettings
    dice: float


def grounds(
    chips: ChipSet, sites: OutlinedSites, half: Sequence[OutlinedSite], explain: Explain, *, fresh: NDArray[np.bool_] | None = None
) -> list[Ground]:
    """Chips of outlined sites, and as many of empty ground, weighted to what the scene holds of each.

    Around known sites without an outline nothing is judged, nor around and in outlines of the other half.
    fresh (N,): the chips to use, where a half has three such sites and negatives: networks are surer of what they learnt.
    """
    use = np.ones(len(chips.labels), dtype=bool) if fresh is None else fresh
    empty = np.flatnonzero(chips.labels == 0)[0 if half is sites.fit else 1 :: 2]
    own = [site for site in half if use[site.index]]
    if min(len(own), int(use[empty].sum())) < _LEAST:
        own, use = list(half), np.ones_like(use)
    empty = empty[use[empty]]
    empty = empty[np.linspace(0, len(empty) - 1, min(len(empty), len(own))).round().astype(int)]
    near, far = _cells(chips)
    others = sites.held if half is sites.fit else sites.fit
    return [
        *(_ground(chips, sites, others, site.index, explain(site.index), near / len(own)) for site in own),
        *(_ground(chips, sites, others, int(index), explain(int(index)), far / max(len(empty), 1)) for index in empty),
    ]


def _cells(chips: ChipSet) -> tuple[float, float]:
    """How many chips' worth of ground lies near a site, and how many do not, if sites lay at random (Poisson)."""
    cells = chips.facts["ground_pixels"] / int(chips.facts["chip"]) ** 2
    far = float(cells * np.exp(-chips.labels.sum() / cells))
    return cells - far, far


def choose_scan(seen: Sequence[Ground], start: ScanSettings, window: int) -> ChosenScan:
    """Best gate, smoothing and threshold of one map by the raster Dice; lengths of the result are pixels."""
    totals: dict[tuple[float, float, float], list[Counts]] = {}
    for ground, gate in product(seen, GATES):
        blended = blend(ground, gate)
        for smooth in SMOOTHS:
            for threshold, counts in zip(THRESHOLDS, _counts_at(smoothed(blended, smooth * window), ground), strict=True):
                totals.setdefault((gate, smooth, threshold), []).append(counts)
    scores = {key: _dice(counts, seen) for key, counts in totals.items()}
    best = max(scores, key=lambda key: scores[key])
    gate, smooth, threshold = best
    refining = replace(start.refining, smooth=smooth * window, threshold=threshold)
    return ChosenScan(settings=replace(start, gate=gate, refining=refining), dice=scores[best])


def choose_scan_crf(seen: Sequence[Ground], chosen: ChosenScan, window: int) -> tuple[ChosenScan, list[dict[str, Any]]]:
    """Keep the CRF that beats none, if one does; with the Dice of all candidates for the report."""
    tried: list[dict[str, Any]] = [{"crf": "none", "dice": chosen.dice}]
    for crf in CRFS[:2]:
        settings = replace(chosen.settings, refining=replace(chosen.settings.refining, crf=crf.scaled(window)))
        own = scan_dice(seen, settings)
        tried.append({"crf": f"{crf.guide}, weight {crf.appearance_weight:g}", "dice": own})
        if own > chosen.dice:
            chosen = ChosenScan(settings=settings, dice=own)
    return chosen, tried


def scan_dice(seen: Sequence[Ground], settings: ScanSettings) -> float:
    """Weighted raster Dice of a setting."""
    return _dice([_counts(_decided(ground, settings), ground) for ground in seen], seen)


def score_control(seen: Sequence[Ground]) -> tuple[float, float]:
    """(threshold, Dice) of the windows' own scores, blended: what a scan without maps would reach."""
    blended = [blend_scores(ground) for ground in seen]
    counts = zip(*(_counts_at(values, ground) for values, ground in zip(blended, seen, strict=True)), strict=True)
    scores = {threshold: _dice(own, seen) for threshold, own in zip(THRESHOLDS, counts, strict=True)}
    return max(scores.items(), key=lambda item: item[1])


def score_dice(seen: Sequence[Ground], threshold: float) -> float:
    """Weighted raster Dice of the windows' own scores, cut at a threshold chosen elsewhere."""
    return _dice([_counts(blend_scores(ground) >= threshold, ground) for ground in seen], seen)


def blend(ground: Ground, gate: float) -> NDArray[np.float32]:
    """Blended map (S, S) of the windows that pass a gate."""
    stitcher = Stitcher(1, ground.window)
    for window, score, own in zip(ground.windows, ground.scores, ground.maps, strict=True):
        stitcher.add(window, own[None] if score >= gate else None)
    return np.asarray(stitcher.result()[0])


def blend_scores(ground: Ground) -> NDArray[np.float32]:
    """Blended probabilities (S, S)."""
    stitcher = Stitcher(1, ground.window)
    for window, score in zip(ground.windows, ground.scores, strict=True):
        stitcher.add(window, np.full((1, window.height, window.width), score, dtype=np.float32))
    return np.asarray(stitcher.result()[0])


def _ground(chips: ChipSet, sites: OutlinedSites, others: Sequence[OutlinedSite], index: int, evidence: Evidence, weight: float) -> Ground:
    reader = ChipReader(chips, index)
    edge, row, col = reader.window.height, reader.window.row, reader.window.col
    windows = [own.shift(row, col) for own in window_grid((edge, edge), GridConfig(window=chips.window))]
    pixels = torch.from_numpy(np.stack([reader.read(own) for own in windows]))
    flags = np.asarray(chips.flags[index])
    truth = truth_pixels(sites, sites.polygons, reader.window)
    return Ground(
        window=reader.window,
        windows=windows,
        scores=evidence.screen(pixels).numpy().mean(axis=1),
        maps=evidence.maps(pixels).numpy()[:, 0],
        image=reader.read(reader.window),
        truth=truth,
        judged=_judged(flags, truth, sites, others, reader.window, round(MARGIN * chips.window)),
        weight=weight,
    )


def _judged(
    flags: NDArray[np.uint8],
    truth: NDArray[np.bool_],
    sites: OutlinedSites,
    others: Sequence[OutlinedSite],
    window: Window,
    rim: int,
) -> NDArray[np.bool_]:
    """Where the truth of a chip (S, S) is known, and may be used: the disc around a site belongs to the nearest site."""
    judged: NDArray[np.bool_] = (flags & FLAG_VALID > 0) & (flags & FLAG_IGNORE == 0)
    rows, cols = np.nonzero(flags & FLAG_SITE > 0)
    if len(rows):
        theirs = {site.place for site in others}
        usable = sites.drawn & [(int(r), int(c)) not in theirs for r, c in sites.known]
        _, nearest = cKDTree(sites.known).query(np.column_stack([rows + window.row, cols + window.col]))
        judged[rows, cols] &= usable[nearest] | truth[rows, cols]
    judged &= ~truth_pixels(sites, [site.polygon for site in others], window)
    judged[:rim] = judged[-rim:] = judged[:, :rim] = judged[:, -rim:] = False
    return judged


def _decided(ground: Ground, settings: ScanSettings) -> NDArray[np.bool_]:
    values = smoothed(blend(ground, settings.gate), settings.refining.smooth)
    return decide(values, ground.image, settings.refining, origin=(ground.window.row, ground.window.col))


def _counts(mask: NDArray[np.bool_], ground: Ground) -> Counts:
    return count(mask, ground.truth, ignore=~ground.judged)


def _counts_at(values: NDArray[np.float32], ground: Ground) -> list[Counts]:
    """Counts of values >= threshold, for each of THRESHOLDS, from two histograms."""
    edges = np.array([*THRESHOLDS, np.inf], dtype=np.float32)
    site, empty = (np.histogram(values[ground.judged & own], edges)[0][::-1].cumsum()[::-1] for own in (ground.truth, ~ground.truth))
    total = int((ground.judged & ground.truth).sum())
    return [Counts(int(tp), int(fp), total - int(tp)) for tp, fp in zip(site, empty, strict=True)]


def _dice(counts: Sequence[Counts], seen: Sequence[Ground]) -> float:
    weighted = (Counts(*(round(ground.weight * n) for n in (own.tp, own.fp, own.fn))) for own, ground in zip(counts, seen, strict=True))
    value = dice(reduce(add, weighted, Counts()))
    return 0.0 if np.isnan(value) else value
