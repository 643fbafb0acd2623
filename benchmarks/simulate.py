"""Simulated microscopy: time and memory of a volume, its contents beside what is stated, Dice of the best threshold.

The last line is one JSON object. Figures: wall seconds and peak memory (GB) of a fresh process on one thread that makes one
volume of 565 x 807 px and 129 slices, the dearest of the three kinds; Dice of the best global threshold, chosen over all
grey values and all volumes together, for the nuclei of hl60 and granulocyte and for the granulocytes of combined. The table
before it prints each class' counts beside the stated ranges (cellseg.simulate.STATED). --quick makes volumes an eighth as
large (129 slices of 282 x 202 px, fewer cells of the same sizes) and scales time, and memory above that of the imports, by
voxels.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time

import numpy as np

from cellseg.simulate import KINDS, SHAPE, STATED, Census, GreyCounts, Stated, census, count_greys, simulate

QUICK_SHAPE = 129, 282, 202
VOLUMES = {"default": 4, "quick": 4}
TARGETS = [(kind, population.name) for kind, residents in KINDS.items() for population in residents]
FIGURES = {
    ("hl60", "hl60"): "threshold_dice_hl60",
    ("granulocyte", "granulocyte"): "threshold_dice_granulocyte",
    ("combined", "granulocyte"): "threshold_dice_granulocyte_combined",
}
WANTED = {"hl60": (0.75, 0.90), "granulocyte": (0.50, 0.75), "granulocyte_combined": (0.10, 0.30)}


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def make_one(kind: str, shape: tuple[int, int, int]) -> dict[str, float]:
    """What one volume costs this process."""
    imports, start, cpu = peak_gb(), time.perf_counter(), time.process_time()
    simulate(kind, shape=shape)
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, "imports_gb": imports, "peak_gb": peak_gb()}


def cost(shape: tuple[int, int, int]) -> dict[str, float]:
    """Of the dearest kind, each in a fresh process; scaled to the standard shape. Ask first: a child begins with its parent's peak."""
    scale, found = np.prod(SHAPE) / np.prod(shape), []
    for kind in KINDS:
        line = [sys.executable, __file__, "--one", kind, *map(str, shape)]
        done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        own = json.loads(done.stdout)
        memory = own["imports_gb"] + scale * (own["peak_gb"] - own["imports_gb"])
        found.append((scale * own["seconds"], scale * own["cpu"], memory))
        print(f"{kind}: {found[-1][0]:.1f} s a volume ({found[-1][1]:.1f} s of one core), {memory:.2f} GB")
    seconds, cpu, memory = (float(max(column)) for column in zip(*found, strict=True))
    return {"seconds_per_volume": seconds, "cpu_seconds_per_volume": cpu, "peak_gb": memory}


def contents(shape: tuple[int, int, int], volumes: int) -> dict[str, float]:
    """Dice of the best threshold; prints the counts beside what is stated."""
    print("| kind, class | volumes | cells | share % | stated | per slice | stated | width um | stated | volume um3 | stated |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    figures = {}
    for kind in KINDS:
        targets = [target for own, target in TARGETS if own == kind]
        counts: dict[str, list[tuple[Census, GreyCounts]]] = {target: [] for target in targets}
        for volume in range(volumes):
            image = simulate(kind, shape=shape, volume=volume)
            for target in targets:
                counts[target].append((census(image, target), count_greys(image, target)))
        for target in targets:
            show(kind, target, [found for found, _ in counts[target]], np.prod(shape[1:]) / np.prod(SHAPE[1:]))
            if (kind, target) in FIGURES:
                first, *rest = (greys for _, greys in counts[target])
                figures[FIGURES[kind, target]] = sum(rest, start=first).best().dice
    return figures


def show(kind: str, target: str, found: list[Census], area: float) -> None:
    """One row; cells per slice are scaled to the area of a standard slice."""
    stated: Stated = STATED[kind, target]
    share = [100 * own.foreground_share for own in found]
    cells = [own.cells_per_slice / area for own in found]
    widths = np.percentile(np.concatenate([own.width_um for own in found]), [5, 95])
    volumes = np.percentile(np.concatenate([own.volume_um3 for own in found]), [5, 95])
    parts = [
        f"{kind}, {target} | {len(found)} | {sum(own.cells for own in found)}",
        f"{min(share):.2f} to {max(share):.2f} | {100 * stated.foreground_share[0]:g} to {100 * stated.foreground_share[1]:g}",
        f"{min(cells):.1f} to {max(cells):.1f} | {stated.cells_per_slice[0]:g} to {stated.cells_per_slice[1]:g}",
        f"{widths[0]:.1f} to {widths[1]:.1f} | {stated.width_um[0]:g} to {stated.width_um[1]:g}",
        f"{volumes[0]:.0f} to {volumes[1]:.0f} | {stated.volume_um3[0]:g} to {stated.volume_um3[1]:g}",
    ]
    print(f"| {' | '.join(parts)} |", flush=True)


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, numpy {np.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="volumes an eighth as large; time and memory are scaled by voxels")
    parser.add_argument("--one", nargs=4, metavar=("KIND", "D", "H", "W"), help="nothing but one volume in this process, as JSON")
    given = parser.parse_args()
    if given.one:
        planes, rows, columns = map(int, given.one[1:])
        print(json.dumps(make_one(given.one[0], (planes, rows, columns))))
        return
    mode = "quick" if given.quick else "default"
    shape = QUICK_SHAPE if given.quick else SHAPE
    if given.quick:
        share = np.prod(SHAPE) / np.prod(shape)
        print(f"volumes of {' x '.join(map(str, shape))} voxels; time and memory scaled by {share:.2f} to {' x '.join(map(str, SHAPE))}")
        print("what is stated holds for the standard shape: few cells scatter more")
    figures = {key: round(value, 4) for key, value in (cost(shape) | contents(shape, VOLUMES[mode])).items()}
    print("| figure | value | wanted |\n|---|---|---|")
    for key, value in figures.items():
        low, high = WANTED.get(key.removeprefix("threshold_dice_"), (0, {"peak_gb": 2, "seconds_per_volume": 60}.get(key, 40)))
        print(f"| {key} | {value} | {low:g} to {high:g} |")
    sizes = {"volume_voxels": list(shape), "volumes": VOLUMES[mode]}
    print(json.dumps({"name": "simulate", "mode": mode, "machine": machine(), "sizes": sizes, "figures": figures}))


if __name__ == "__main__":
    main()
