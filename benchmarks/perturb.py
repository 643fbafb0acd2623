"""Perturbed annotations: seconds for a tissue tile with hundreds of nuclei, beside a plain loop over the nuclei.

Omission 30 %, inclusion 30 % and bias 6 (a draw for each cell) on the CoNSeP tiles of 1000 x 1000 px, one thread, labels in
memory, target epithelial. The loop does the same as published code does it: each cell's mask on the full frame, removed,
relabelled, dilated or eroded by scipy, written back. --quick takes the loop's time from a few cells of each tile, evenly
spread, and multiplies by the number of cells; the default runs it on all. Both start from the same drawn cells and steps.
Data: --data, $GEOCELLSEG_DATA or ../shared/data; exit 3 where it is absent. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion
from skimage.io import imread

from cellseg.image import CellImage
from cellseg.perturb import Bias, Compose, Inclusion, Omission, image_rng, perturb
from cellseg.perturb.rate import count_of

CLASSES = {"1": "other", "2": "inflammatory", "3": "epithelial", "4": "spindle"}
TARGET, RATE, Q_MAX = "epithelial", 0.3, 6
PERTURBATION = Compose([Omission(RATE, target=TARGET), Inclusion(RATE, TARGET), Bias(Q_MAX)])
SQUARE = np.ones((3, 3), dtype=bool)
FEW = 6
"""Cells of a tile that the loop takes with --quick."""


def read_tile(labels: Path) -> CellImage:
    instances = imread(labels).astype(np.int32)
    with labels.with_name(labels.name.replace("_inst.png", "_types.csv")).open(newline="", encoding="utf-8") as lines:
        classes = {int(row["id"]): CLASSES[row["type"]] for row in csv.DictReader(lines)}
    name = labels.name.removesuffix("_inst.png")
    return CellImage(name=name, pixels=np.zeros((1, *instances.shape), dtype=np.uint8), instances=instances, classes=classes)


def loop(tile: CellImage, rng: np.random.Generator, limit: int | None) -> float:
    """Seconds of the plain loop; with a limit, of so many cells, scaled to all that are left after omission."""
    start = time.perf_counter()
    labels, classes = tile.instances.copy(), dict(tile.classes)
    own = [cell for cell in np.unique(labels)[1:] if classes[int(cell)] == TARGET]
    other = [cell for cell in np.unique(labels)[1:] if classes[int(cell)] != TARGET]
    for cell in rng.permutation(own)[: count_of(RATE, len(own))]:
        labels[labels == cell] = 0
    for cell in rng.permutation(other)[: count_of(RATE, len(other))]:
        classes[int(cell)] = TARGET
    cells = np.unique(labels)[1:]
    taken = cells if limit is None else cells[:: max(1, len(cells) // limit)][:limit]
    before, result = time.perf_counter(), labels.copy()
    for cell in taken:
        mask, steps = labels == cell, int(rng.integers(1, Q_MAX + 1))
        if rng.random() < 0.5:
            moved = binary_dilation(mask, SQUARE, iterations=steps)
            result[moved & (labels == 0) & (result == 0)] = cell
        else:
            moved = binary_erosion(mask, SQUARE, iterations=steps, border_value=1)
            result[mask & ~moved] = 0
    after = time.perf_counter()
    return before - start + (after - before) * len(cells) / max(1, len(taken))


def ours(tile: CellImage, runs: int) -> float:
    """Mean seconds of a run."""
    start = time.perf_counter()
    for run in range(runs):
        perturb(tile, PERTURBATION, image_rng(run, tile.name), known=tuple(CLASSES.values()))
    return (time.perf_counter() - start) / runs


def measure(tiles: list[Path], quick: bool) -> dict[str, float]:
    seconds, plain = {}, {}
    for labels in tiles:
        tile = read_tile(labels)
        ours(tile, 1)
        seconds[tile.name] = ours(tile, 3)
        plain[tile.name] = loop(tile, image_rng(0, tile.name), FEW if quick else None)
        print(f"{tile.name}: {len(tile.ids):5} cells, {seconds[tile.name]:.3f} s, loop {plain[tile.name]:.1f} s", flush=True)
    slowest = max(seconds, key=seconds.__getitem__)
    print(f"slowest tile: {slowest}, {seconds[slowest]:.3f} s")
    return {
        "seconds_per_tile": sum(seconds.values()) / len(seconds),
        "seconds_slowest_tile": seconds[slowest],
        "loop_seconds_per_tile": sum(plain.values()) / len(plain),
        "speedup_vs_loop": sum(plain.values()) / sum(seconds.values()),
        "tiles": len(tiles),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GEOCELLSEG_DATA", "../shared/data")))
    parser.add_argument("--quick", action="store_true", help=f"the loop takes {FEW} cells of each tile, and its time is scaled to all")
    given = parser.parse_args()
    tiles = sorted((given.data / "cell" / "consep").glob("*_inst.png"))
    if not tiles:
        print(f"{given.data / 'cell' / 'consep'} holds no tiles; pass --data", file=sys.stderr)
        sys.exit(3)
    figures = {key: round(value, 5) for key, value in measure(tiles, given.quick).items()}
    print("| figure | value |\n|---|---|")
    for key, value in figures.items():
        print(f"| {key} | {value} |")
    if given.quick:
        print(f"the loop ran on {FEW} cells of each tile; its time is that, times cells / {FEW}")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, one thread, numpy {np.__version__}"
    print(json.dumps({"name": "perturb", "mode": "quick" if given.quick else "default", "machine": machine, "figures": figures}))


if __name__ == "__main__":
    main()
