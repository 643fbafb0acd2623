"""Networks and activation maps compared by the outlines that they give: Table 5.2 of the thesis, on anyone's own data.

The task is the source's own (Vădineanu, Leiden thesis, ch. 5): one centred window a site. Each expert outline is a site;
its map becomes an outline as `geoseg outline` makes it, but from the centred window alone and without a CRF, and is
compared with the expert's on the raster's pixels. Unlike in the thesis no network is judged on a site that it learnt from,
and no setting on a site that it was chosen with: smoothing, prior and cut are chosen for each model and map on one half of
the sites, by the mean of median and mean Dice, and judged on the other half, both ways.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.columns import Column, columns_of, notes_of
from geoseg.compare_sites import JudgedSites
from geoseg.comparison import ENSEMBLE, Cell, Comparison, Fit, Tally
from geoseg.known import OutlineSettings, look, outline
from geoseg.outline import neighbours
from geoseg.tune_outline import Example, best_disc, choose_outline, disc
from geoseg.vectors import rasterise
from geoseg.views import View
from segcore.cam.choice import MapChoice
from segcore.cam.evidence import CamEvidence
from segcore.progress import Progress

_LARGE = 1 << 30

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One site under one map."""

    example: Example
    """With the mean over the members that did not learn from it."""
    fresh: tuple[int, ...]
    """Those members."""
    maps: NDArray[np.uint8]
    """(members, h, w): the map of each, in 255ths."""


def compare_views(
    views: Sequence[View], sites: JudgedSites, methods: Sequence[str] | None, *, device: str, progress: Progress
) -> Comparison:
    """Judge every map of every model on every site. methods: see columns_of.

    Memory holds the sites under one map of one model at a time.

    Raises:
        ConfigError: a method is unknown, or calibrated in no model.
    """
    columns = columns_of(views, methods, progress.say)
    work = [(v, c) for v in range(len(views)) for c, column in enumerate(columns) if column.choices[v] is not None]
    _say_what_is_ahead(views, sites, columns, work, device, progress)
    cells: list[Cell] = []
    fits: list[Fit] = []
    discs, radii = None, None
    for number, (v, c) in enumerate(work):
        explain, seen, began = explainer(views[v], sites, v, _choice(columns[c], v), device), [], time.perf_counter()
        for i in range(len(sites)):
            seen.append(explain(i))
            progress.step("comparing", number * len(sites) + i + 1, len(work) * len(sites))
        seconds = (time.perf_counter() - began) / len(sites)
        settings = fit(seen, sites, _start(views[v], _choice(columns[c], v)), views[v].model.window)
        fits.append(Fit(view=v, column=c, settings=settings, seconds=seconds))
        cells += judge(seen, sites, settings, members=len(views[v].model.networks), view=v, column=c)
        if number == 0:
            discs, radii = judge_discs([own.example for own in seen], sites, views[v])
    return Comparison(
        names=tuple(view.name for view in views),
        archs=tuple(str(view.model.facts["arch"]) for view in views),
        columns=tuple(columns),
        cells=tuple(cells),
        fits=tuple(fits),
        discs=discs,
        radii=radii,
        sites=sites,
    )


class Overheard:
    """Evidence whose map is the mean over its members, and which keeps the members' own maps."""

    def __init__(self, evidence: CamEvidence) -> None:
        """evidence: anything with the methods of Evidence and `member_maps`."""
        self.members, self.channels, self.screen = evidence.members, evidence.channels, evidence.screen
        self._draw = evidence.member_maps
        self.heard = torch.empty(0)
        """(M, B, H, W): the members' maps of the last windows."""

    def maps(self, windows: Tensor) -> Tensor:
        """uint8 windows (B, C, H, W) -> (B, 1, H, W) float32 in 0..1."""
        self.heard = self._draw(windows)
        return self.heard.mean(dim=0)[:, None]


def explainer(view: View, sites: JudgedSites, number: int, choice: MapChoice, device: str) -> Callable[[int], Seen]:
    """Number of a site -> what its centred window shows to the members of model `number` that did not learn from it."""
    model, grid = view.model, view.scene.grid
    places, known = view.places(sites.xy), view.places(sites.others)
    near = neighbours([*places, *known], model.window)
    pixel = abs(grid.transform.determinant)
    overheard = {fresh: Overheard(evidence_of(view, fresh, choice, device)) for fresh in dict.fromkeys(sites.fresh[number])}

    def explain(i: int) -> Seen:
        evidence = overheard[sites.fresh[number][i]]
        others = [([*places, *known])[j] for j in near[i]]
        sight = look(view.image, places[i], others, evidence, window=model.window, shift=0)
        sight = replace(sight, own=sight.own & view.image.mask(sight.region))  # no outline runs over nodata
        truth = rasterise([sites.polygons[i]], grid, sight.region)
        example = Example(sight=sight, truth=truth, size=sites.polygons[i].area / pixel)
        maps = np.rint(255 * evidence.heard[:, 0].numpy()).astype(np.uint8)
        return Seen(example=example, fresh=sites.fresh[number][i], maps=maps)

    return explain


def evidence_of(view: View, members: Sequence[int], choice: MapChoice, device: str) -> CamEvidence:
    """The evidence of some members of a model."""
    model = view.model
    chosen = {str(choice): [model.calibrations[str(choice)][m] for m in members]}
    return replace(model, networks=[model.networks[m] for m in members], calibrations=chosen).evidence(choice, device=device)


def cross_fit(seen: Sequence[Example], half: NDArray[np.int64], choose: Callable[[Sequence[Example]], T]) -> tuple[T, T]:
    """What half 0 is judged with, chosen on half 1; and the reverse."""
    first, second = ([own for own, h in zip(seen, half, strict=True) if h == other] for other in (1, 0))
    return choose(first), choose(second)


def fit(seen: Sequence[Seen], sites: JudgedSites, start: OutlineSettings, window: int) -> tuple[OutlineSettings, OutlineSettings]:
    """Smoothing, prior and cut for each half, chosen on the other; with fewer than 6 sites the start for both."""
    if not sites.enough:
        return start, start
    return cross_fit([own.example for own in seen], sites.half, lambda examples: choose_outline(examples, start, window).settings)


def judge(
    seen: Sequence[Seen], sites: JudgedSites, settings: tuple[OutlineSettings, OutlineSettings], *, members: int, view: int, column: int
) -> list[Cell]:
    """The ensemble, and each of several members alone with the ensemble's settings at the sites that it did not learn from."""
    choice = settings[0].choice
    masks = [outline(own.example.sight, settings[h]) for own, h in zip(seen, sites.half, strict=True)]
    found = [(ENSEMBLE, tally([own.example for own in seen], masks))]
    for member in range(members) if members > 1 else ():
        there = [(own, settings[h]) for own, h in zip(seen, sites.half, strict=True) if member in own.fresh]
        examples = [_alone(own, member) for own, _ in there]
        masks = [outline(example.sight, used) for example, (_, used) in zip(examples, there, strict=True)]
        found.append((str(member + 1), tally(examples, masks)))
    return [Cell(view=view, network=network, column=column, choice=choice, tally=own) for network, own in found]


def judge_discs(seen: Sequence[Example], sites: JudgedSites, view: View) -> tuple[Tally, tuple[float, float]] | tuple[None, None]:
    """The control: discs of the one size that the other half chose, and the two radii in metres; nothing with fewer than 6 sites."""
    if not sites.enough:
        return None, None
    window, metres = view.model.window, view.scene.grid.pixel_size
    first, second = cross_fit(seen, sites.half, lambda examples: best_disc(examples, window)[0] * window)
    masks = [disc(example, (first, second)[h]) for example, h in zip(seen, sites.half, strict=True)]
    return tally(seen, masks), (first * metres, second * metres)


def tally(examples: Sequence[Example], masks: Sequence[NDArray[np.bool_] | None]) -> Tally:
    """Count the pixels of outlines; None is a site without one."""
    counts = [
        (0, 0, example.size) if mask is None else ((mask & example.truth).sum(), mask.sum(), example.size)
        for example, mask in zip(examples, masks, strict=True)
    ]
    hits, found, expert = np.array(counts, dtype=np.float64).reshape(-1, 3).T
    return Tally(hits=hits, found=found, expert=expert)


def _alone(seen: Seen, member: int) -> Example:
    """A site under the map of one member."""
    values = seen.maps[seen.fresh.index(member)].astype(np.float32) / np.float32(255)
    return replace(seen.example, sight=replace(seen.example.sight, values=values))


def _choice(column: Column, view: int) -> MapChoice:
    choice = column.choices[view]
    assert choice is not None  # only work that there is was listed
    return choice


def _start(view: View, choice: MapChoice) -> OutlineSettings:
    """The model's own settings, for one centred window and without a CRF."""
    own = view.model.outline
    return replace(own, choice=choice, shift=0, refining=replace(own.refining, crf=None))


def _say_what_is_ahead(
    views: Sequence[View], sites: JudgedSites, columns: Sequence[Column], work: Sequence[tuple[int, int]], device: str, progress: Progress
) -> None:
    """Notes on the maps, then the cost: every map of every model is drawn once, at the first site, and timed."""
    for note in notes_of(views, columns):
        progress.say(note)
    networks, pixels = sum(len(view.model.networks) for view in views), 0
    progress.say(f"sites: {len(sites)}, maps: {len(columns)}, models: {len(views)}, networks: {networks}; each map is timed on one site")
    start = time.perf_counter()
    for v, c in work:
        seen = explainer(views[v], sites, v, _choice(columns[c], v), device)(0)
        choose_outline([seen.example], _start(views[v], _choice(columns[c], v)), views[v].model.window)
        pixels = max(pixels, seen.maps.size + 6 * seen.example.truth.size + seen.example.sight.image.size)
    minutes = (time.perf_counter() - start) * len(sites) / 60
    size = f", {pixels * len(sites) / _LARGE:.1f} GB of memory for the maps" if pixels * len(sites) > _LARGE else ""
    progress.say(f"all of it will take about {ceil(minutes)} min{size}")
