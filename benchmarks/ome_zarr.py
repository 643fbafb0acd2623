"""Memory and time of a large OME-Zarr with labels: opened as a dataset, read patch by patch, and written back.

The last line is one JSON object. Figures: peak memory of a fresh process that does all of it, in GB, and its seconds; the
time to open alone, and the patches. The image of 20,000 x 20,000 uint8 and its int32 labels are written first, by another
process, from their absolute coordinates. What is written back is compared with what was read. --quick takes 5,000 x 5,000.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import CellImage
from cellseg.patches import patches
from segcore.io.zarr import create_zarr, open_zarr
from segcore.windows import Window, block_grid

EDGE, QUICK = 20_000, 5_000
BLOCK, PATCH, STRIDE = 1024, 1024, 896
CELL, RADIUS = 40, 14
"""Distance and radius of the cells, in pixels."""
SIZE_UM = 0.25


def scene(window: Window, edge: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (1, h, w) uint8 and instances (h, w) int32 of a window: a round cell in each square of CELL px."""
    rows, cols = (np.arange(part.start, part.stop) for part in window.slices)
    square = rows[:, None] // CELL * -(-edge // CELL) + cols // CELL
    inside = (rows[:, None] % CELL - CELL // 2) ** 2 + (cols % CELL - CELL // 2) ** 2 <= RADIUS**2
    noise = (rows[:, None] * 31 + cols * 17) % 23
    return np.where(inside, 180 + noise, 60 + noise).astype(np.uint8)[None], np.where(inside, square + 1, 0).astype(np.int32)


def make(folder: Path, edge: int) -> None:
    """A dataset of one OME-Zarr that holds its labels."""
    seed = CellImage(name="seed", pixels=np.zeros((1, 1, 1), np.uint8), instances=np.zeros((1, 1), np.int32))
    write_dataset(folder, [seed], facts=DatasetFacts(name="large", pixel_size_um=(SIZE_UM, SIZE_UM)))
    for part in ("images", "labels"):
        (folder / part / "seed.png").unlink()
    with create_zarr(folder / "images/large.zarr", (1, edge, edge), "uint8", label="cells", pixel_size_um=(SIZE_UM, SIZE_UM)) as sink:
        for window in block_grid((edge, edge), BLOCK):
            pixels, instances = scene(window, edge)
            sink.write(window, pixels)
            sink.write_labels(window, instances)


def work(folder: Path, edge: int) -> dict[str, float]:
    """Open, patch and write back; figures of this process."""
    start = time.perf_counter()
    source = open_dataset(folder).source("large")
    opened = time.perf_counter() - start
    count = 0
    with create_zarr(folder.with_name("back.zarr"), source.shape, "uint8", label="cells", pixel_size_um=source.pixel_size_um) as sink:
        for patch in patches(source, PATCH, STRIDE):
            count += 1
            row, col = (int(part[1:]) for part in patch.name.split("_")[-2:])
            window = Window(row, col, *patch.instances.shape)
            sink.write(window, patch.pixels)
            sink.write_labels(window, patch.instances)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"peak_gb": round(peak, 3), "seconds": round(seconds, 2), "open_seconds": round(opened, 3), "patches": count, "edge": edge}


def check(folder: Path, edge: int) -> None:
    """What was written back is the scene."""
    pixels, labels = open_zarr(folder / "back.zarr"), open_zarr(folder / "back.zarr", label="cells")
    blocks = block_grid((edge, edge), BLOCK)
    for window in [*blocks[:: max(1, len(blocks) // 16)], blocks[-1]]:
        expected = scene(window, edge)
        assert np.array_equal(pixels.read(window), expected[0])
        assert np.array_equal(labels.read(window)[0], expected[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5,000 x 5,000 px")
    parser.add_argument("--full", action="store_true", help="the same as without")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    edge = QUICK if given.quick else EDGE
    if given.make:
        make(given.make, edge)
        return
    if given.worker:
        print(json.dumps(work(given.worker, edge)))
        return
    place = Path(tempfile.mkdtemp(prefix="zarr-"))
    try:
        figures = run(place, edge, ["--quick"] if given.quick else [])
    finally:
        shutil.rmtree(place, ignore_errors=True)
    for key, value in figures.items():
        print(f"{key:<14}{value:>10}")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    mode = "quick" if given.quick else "default"
    print(json.dumps({"name": "ome_zarr", "mode": mode, "machine": machine, "figures": figures}))


def run(place: Path, edge: int, options: list[str]) -> dict[str, float]:
    """Make the scene and work on it, each in a process of its own."""
    line = [sys.executable, __file__, *options]
    subprocess.run([*line, "--make", str(place / "set")], check=True)
    done = subprocess.run([*line, "--worker", str(place / "set")], check=True, stdout=subprocess.PIPE, text=True)
    check(place, edge)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()
