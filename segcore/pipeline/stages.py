"""The stages of a scan. Each is a pure function of the plan, its number and what earlier stages stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from segcore.evidence import Evidence
from segcore.io.protocol import ImageSource
from segcore.pipeline.plan import UNIT, Plan
from segcore.pipeline.refine import decide, smoothed
from segcore.pipeline.runner import Runner
from segcore.pipeline.store import NODATA, BlockResult, Store, UnitResult
from segcore.progress import Progress
from segcore.stitch import Stitcher
from segcore.windows import Window

_STEPS = NODATA - 1
_CACHE = 128
"""Units of windows kept in memory while blocks are refined."""


class Scan:
    """A plan, the image and evidence it is about, and the folder in which finished work is kept."""

    def __init__(self, plan: Plan, image: ImageSource, evidence: Evidence, folder: Path) -> None:
        """image: uint8 (C, H, W) as the networks want it, with a mask of valid pixels."""
        self.plan, self.image, self.evidence = plan, image, evidence
        self.units = Store(folder / "windows", UnitResult)
        self.blocks = Store(folder / "blocks", BlockResult)
        self._load_unit = lru_cache(_CACHE)(self.units.load)
        self._load_block = lru_cache(_CACHE // 8)(self.blocks.load)

    def run(self, runner: Runner, progress: Progress) -> None:
        """Screen and explain every unit, then refine every block; what is done already is not done again."""
        torch.set_num_threads(self.plan.threads)
        stages: tuple[tuple[str, Store[UnitResult] | Store[BlockResult], Callable[[int], None], range], ...] = (
            ("windows", self.units, self.explain, self.plan.units),
            ("blocks", self.blocks, self.refine, range(len(self.plan.blocks))),
        )
        for name, store, function, numbers in stages:
            todo = [number for number in numbers if not store.has(number)]
            start, done = time.monotonic(), len(numbers) - len(todo)
            for finished, _ in enumerate(runner.map(function, todo), 1):
                progress.step(name, done + finished, len(numbers))
                if finished == _PROBE and len(todo) > 4 * _PROBE:
                    left = (time.monotonic() - start) / finished * (len(todo) - finished)
                    progress.say(f"{name}: {len(todo)} units to do, about {left / 60:.1f} min")

    def explain(self, unit: int) -> None:
        """Screen the windows of a unit; draw the maps of those that pass the gate."""
        windows = self.plan.unit_windows(unit)
        seen = [i for i, window in enumerate(windows) if self.image.mask(window).any()]
        scores = np.full((len(windows), self.evidence.members), np.nan, dtype=np.float32)
        edge, channels = self.plan.grid.window, len(self.plan.channels)
        maps = np.zeros((0, channels, edge, edge), dtype=np.uint8)
        passed = np.zeros(0, dtype=np.int64)
        if seen:
            pixels = torch.from_numpy(np.stack([self.image.read(windows[i]) for i in seen]))
            scores[seen] = self.evidence.screen(_padded(pixels))[: len(seen)].numpy()
            chosen = [k for k, i in enumerate(seen) if scores[i].mean() >= self.plan.gate]
            if chosen:
                maps = np.rint(self.evidence.maps(pixels[chosen]).numpy() * 255).astype(np.uint8)
                passed = np.array([seen[k] for k in chosen], dtype=np.int64)
        self.units.save(unit, UnitResult(scores=scores, passed=passed, maps=maps))

    def refine(self, number: int) -> None:
        """Blend the maps over a block and its halo, smooth, and decide which pixels are site."""
        plan, block = self.plan, self.plan.blocks[number]
        around = block.grow(plan.refining.halo).overlap(Window(0, 0, *plan.shape[1:])) or block
        core = block.shift(-around.row, -around.col).slices
        values, score = self._blend(around)
        values = smoothed(values, plan.refining.smooth)
        if values.any():
            mask = decide(values, self.image.read(around), plan.refining, origin=(around.row, around.col))[core]
        else:
            mask = np.zeros((block.height, block.width), dtype=bool)
        valid = self.image.mask(block)
        self.blocks.save(
            number,
            BlockResult(
                activation=_bytes(values[core], valid),
                score=_bytes(score[core], valid),
                mask=np.where(valid, mask, NODATA).astype(np.uint8),
            ),
        )

    def scores(self) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """Every window with data and its score per member (M,), in the order of the plan."""
        for unit in self.plan.units:
            for window, score in zip(self.plan.unit_windows(unit), self.units.load(unit).scores, strict=True):
                if not np.isnan(score).any():
                    yield window, score

    def explained(self) -> int:
        """How many windows passed the gate."""
        return sum(len(self.units.load(unit).passed) for unit in self.plan.units)

    def activation(self, window: Window) -> NDArray[np.uint8]:
        """Activation (h, w) of refined blocks over a window; NODATA where there is no block."""
        out = np.full((window.height, window.width), NODATA, dtype=np.uint8)
        for number in self.plan.blocks_touching(window):
            block = self.plan.blocks[number]
            common = block.overlap(window) or block
            inside = common.shift(-block.row, -block.col).slices
            out[common.shift(-window.row, -window.col).slices] = self._load_block(number).activation[inside]
        return out

    def _blend(self, region: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """First map and mean score (h, w) over a region, both 0..1; windows that did not pass count as map 0."""
        maps, scores = Stitcher(1, region), Stitcher(1, region)
        for number in self.plan.touching(region):
            unit, i = divmod(number, UNIT)
            window, result = self.plan.windows[number], self._load_unit(unit)
            if np.isnan(result.scores[i]).any():
                continue
            k = np.flatnonzero(result.passed == i)
            maps.add(window, result.maps[k[0], :1] / np.float32(255) if len(k) else None)
            scores.add(window, np.full((1, window.height, window.width), result.scores[i].mean()))
        return maps.result()[0], scores.result()[0]


_PROBE = 8
"""Units after which the time of the rest is told."""


def _padded(pixels: torch.Tensor) -> torch.Tensor:
    """Always UNIT windows, the last one repeated: a network's last bit depends on the size of its batch."""
    return torch.cat([pixels, pixels[-1:].expand(UNIT - len(pixels), -1, -1, -1)])


def _bytes(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(valid, np.rint(values * _STEPS), NODATA).astype(np.uint8)
