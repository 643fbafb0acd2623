"""The stages of a scan. Each is a pure function of the plan, its number and what earlier stages stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from segcore.errors import ConfigError, RunError
from segcore.evidence import Evidence
from segcore.io.protocol import ImageSource
from segcore.pipeline.plan import UNIT, Plan
from segcore.pipeline.refine import decide, smoothed
from segcore.pipeline.runner import Runner
from segcore.pipeline.store import NODATA, BlockResult, Store, UnitResult
from segcore.progress import Progress
from segcore.stitch import Stitcher
from segcore.threads import torch_threads
from segcore.windows import Window

_STEPS = NODATA - 1
_CACHE = 256_000_000
"""Bytes of maps kept in memory while blocks are refined; at least what 16 units need, at most 128 units."""
_PROBE = 8
"""Units after which the time of the rest is told."""


class Scan:
    """A plan, the image and evidence it is about, and the folder in which finished work is kept."""

    def __init__(self, plan: Plan, image: ImageSource, evidence: Evidence, folder: Path) -> None:
        """image: uint8 (C, H, W) as the networks want it, with a mask of valid pixels.

        Raises:
            ConfigError: the image has another shape, or the evidence other maps, than the plan.
        """
        if image.shape != plan.shape or tuple(evidence.channels) != plan.channels:
            raise ConfigError(
                f"a scan keeps to its plan, {plan.shape} and {plan.channels}; got {image.shape} and {tuple(evidence.channels)}. Plan anew."
            )
        self.plan, self.image, self.evidence = plan, image, evidence
        self.units = Store(folder / "windows", UnitResult)
        self.blocks = Store(folder / "blocks", BlockResult)
        kept = _CACHE // (UNIT * len(plan.channels) * plan.grid.window**2)
        self._load_unit = lru_cache(min(max(kept, 16), 128))(self.units.load)
        self._load_block = lru_cache(16)(self.blocks.load)

    def run(self, runner: Runner, progress: Progress) -> None:
        """Screen and explain every unit, then refine every block; what is done already is not done again.

        PyTorch's number of threads is set to the plan's, for the whole process.

        Raises:
            RunError: the evidence answers NaN, or a stored result is damaged.
            OutputError: the folder is closed or the disk is full.
        """
        with torch_threads(self.plan.threads):
            self._run_stages(runner, progress)

    def _run_stages(self, runner: Runner, progress: Progress) -> None:
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
            scores[seen] = _numbers(self.evidence.screen(_padded(pixels)))[: len(seen)]
            chosen = np.flatnonzero(scores[seen].mean(axis=1, dtype=np.float64) >= self.plan.gate)
            if len(chosen):
                maps = np.rint(_numbers(self.evidence.maps(pixels[torch.from_numpy(chosen)])) * 255).astype(np.uint8)
                passed = np.array(seen, dtype=np.int64)[chosen]
        self.units.save(unit, UnitResult(scores=scores, passed=passed, maps=maps))

    def refine(self, number: int) -> None:
        """Blend the maps over a block and its halo, smooth, and decide which pixels are site."""
        plan, block = self.plan, self.plan.blocks[number]
        around = block.grow(plan.refining.halo).overlap(Window(0, 0, *plan.shape[1:])) or block
        core = block.shift(-around.row, -around.col).slices
        valid, values = self.image.mask(block), self._map(around)
        mask = np.zeros((block.height, block.width), dtype=bool)
        if valid.any() and values.any():
            values = smoothed(values, plan.refining.smooth)
            mask = decide(values, self.image.read(around), plan.refining, origin=(around.row, around.col))[core]
        self.blocks.save(
            number,
            BlockResult(
                activation=_bytes(values[core], valid),
                score=_bytes(self._score(block), valid),
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
        """Activation (h, w) of refined blocks over a window, in steps of 1/254; NODATA where there is no block."""
        out = np.full((window.height, window.width), NODATA, dtype=np.uint8)
        for number in self.plan.blocks_touching(window):
            block = self.plan.blocks[number]
            common = block.overlap(window) or block
            inside = common.shift(-block.row, -block.col).slices
            out[common.shift(-window.row, -window.col).slices] = self._load_block(number).activation[inside]
        return out

    def _map(self, region: Window) -> NDArray[np.float32]:
        """First map (h, w) blended over a region, 0..1; windows that did not pass count as 0."""
        seen = [(window, own) for window, _, own in self._seen(region)]
        if all(own is None for _, own in seen):
            return np.zeros((region.height, region.width), dtype=np.float32)
        blend = Stitcher(1, region)
        for window, own in seen:
            blend.add(window, None if own is None else own / np.float32(255))
        return np.asarray(blend.result()[0])

    def _score(self, region: Window) -> NDArray[np.float32]:
        """Mean score (h, w) of the windows blended over a region, 0..1."""
        blend = Stitcher(1, region)
        for window, score, _ in self._seen(region):
            blend.add(window, np.full((1, window.height, window.width), score, dtype=np.float32))
        return np.asarray(blend.result()[0])

    def _seen(self, region: Window) -> Iterator[tuple[Window, float, NDArray[np.uint8] | None]]:
        """Windows with data that touch a region, in the order of the plan: where, mean score, first map (1, h, w) if it passed."""
        for number in self.plan.touching(region):
            unit, i = divmod(number, UNIT)
            result = self._load_unit(unit)
            if not np.isnan(result.scores[i]).any():
                k = np.flatnonzero(result.passed == i)
                yield self.plan.windows[number], float(result.scores[i].mean()), result.maps[k[0], :1] if len(k) else None


def _padded(pixels: torch.Tensor) -> torch.Tensor:
    """Always UNIT windows, the last one repeated: a network's last bit depends on the size of its batch."""
    return torch.cat([pixels, pixels[-1:].expand(UNIT - len(pixels), -1, -1, -1)])


def _bytes(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(valid, np.rint(values * _STEPS), NODATA).astype(np.uint8)


def _numbers(answer: torch.Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = answer.numpy()
    if np.isnan(values).any():
        raise RunError("scores and maps must be numbers, but the model answers NaN. Train it again.")
    return values
