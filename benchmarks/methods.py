"""Which activation map outlines best: networks x methods on real relief, as `geoseg compare` and `geoseg explain` show it.

Trains networks on the left three quarters of the relief scene with every map calibrated, compares them on sites of
the right quarter, which they never saw, and draws one of those sites. Data: --data, $GEOCELLSEG_DATA or ../shared/data;
exit 3 where it is absent. A step whose result is there is not repeated, so an interrupted study goes on where it stopped.

    python benchmarks/methods.py --budget cpu       about 40 minutes on 2 cores, one network
    python benchmarks/methods.py --budget gpu       five networks of each kind, all sites of the quarter
    python benchmarks/methods.py --budget smoke     a minute or two, to see that it runs
    python benchmarks/methods.py --report           only write the tables of docs/how-to/maps.md again, from the CSV
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path

import torch
from commands import run_commands

from geoseg.model import load_model
from geoseg.scene import RasterOptions, Scene, open_scene
from segcore.progress import Silent
from segcore.provenance import collect
from segcore.windows import Window

ROOT = Path(__file__).parents[1]
TABLE, PAGE, PANEL = ROOT / "docs/studies/data/maps.csv", ROOT / "docs/how-to/maps.md", ROOT / "docs/images/maps.png"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
BORDER, WINDOW = 5760, 128
"""First column that is judged, and the window, in pixels."""
BUDGETS = {
    "smoke": (("resnet18",), 1, "2", 300),
    "cpu": (("resnet18",), 1, "20", 2240),
    "gpu": (("vgg16", "resnet34", "densenet121"), 5, "40", 4480),
}
"""Networks, members, epochs, and the rows of the right quarter whose sites are judged."""
AT = "377699,3711727"
"""The site that is drawn, in the CRS of the raster; none of the networks has seen it."""
DEAR = "occlusion,score-cam"
SHOWN = "occlusion,grad-cam,layer-cam,guided-backprop,guided-grad-cam,smooth-guided-grad-cam,score-cam"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GEOCELLSEG_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument("--budget", choices=BUDGETS, default="cpu")
    parser.add_argument("--report", action="store_true", help="run nothing, write the tables")
    options = parser.parse_args()
    if not options.report:
        data = options.data / "geo" / "relief"
        if not data.is_dir():
            print(f"{data} is not there; pass --data", file=sys.stderr)
            sys.exit(3)
        run(data, options.out, options.budget)
    write_page()
    rows = read_rows()
    figures = {f"{row['arch']}_{row['method']}_{row['layer']}": float(row["dice"]) for row in rows if row["network"] == "ensemble"}
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print(json.dumps({"name": "methods", "machine": machine, "budget": rows[0]["budget"], "figures": figures}))


def run(data: Path, out: Path, budget: str) -> None:
    """The commands that are not done yet; then the CSV and the panel go to docs/ (not of a smoke run)."""
    archs, members, epochs, rows = BUDGETS[budget]
    raster = data / "raster_pan_u8_2m.tif"
    scene = open_scene(raster, RasterOptions(), progress=Silent())
    points, experts, ignore = (str(data / f"{name}_32638.gpkg") for name in ("site_points", "site_polygons_expertA", "ignore"))
    out = out / budget
    out.mkdir(parents=True, exist_ok=True)
    left, right = bounds(scene, 0, BORDER, scene.grid.height), bounds(scene, BORDER, scene.grid.width, rows)
    training = ["--augment", "flip", "--members", str(members), "--budget", "small", "--epochs", epochs, "--patience", epochs]
    chips, models = str(out / "CHIPS"), [str(out / arch) for arch in archs]
    steps = {"CHIPS": ["chips", str(raster), points, "-o", chips, "--window", str(WINDOW), "--area", left, "--ignore", ignore]}
    for arch, model in zip(archs, models, strict=True):
        steps[arch] = ["train", chips, "-o", model, "--arch", arch, "--calibrate", DEAR, *training]
    steps["COMPARE"] = ["compare", str(raster), experts, *models, "-o", str(out / "COMPARE"), "--ignore", ignore, "--area", right]
    steps["panel.png"] = [
        "explain",
        str(raster),
        *models,
        "--at",
        AT,
        "-o",
        str(out / "panel.png"),
        "--expert",
        experts,
        "--methods",
        SHOWN,
    ]
    for name, words in steps.items():
        if not (out / name).exists():
            print(f"{name}: {run_commands({name: words})}", flush=True)
    if budget != "smoke":
        keep(out, budget)


def bounds(scene: Scene, first: int, last: int, rows: int) -> str:
    """minx,miny,maxx,maxy of some columns of the upper rows."""
    return ",".join(str(value) for value in scene.grid.window_bounds(Window(0, first, rows, last - first)))


def keep(out: Path, budget: str) -> None:
    """The CSV with what made it and what each map costs, and the panel, to docs/."""
    with (out / "COMPARE" / "compare.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    seconds = {(model, key): own for model in BUDGETS[budget][0] for key, own in costs(out / model).items()}
    made = {"budget": budget, "seed": 0, "commit": str(collect({}, {})["commit"])[:12]}
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    with TABLE.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], "seconds_per_window", *made], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            cost = seconds.get((row["model"], f"{row['method']}@{row['layer']}"))
            writer.writerow({**row, "seconds_per_window": "" if cost is None else f"{cost:.3f}", **made})
    shutil.copyfile(out / "panel.png", PANEL)


def costs(path: Path) -> dict[str, float]:
    """Best of three times of each map on one window, in seconds a network."""
    model, found = load_model(path), {}
    window = torch.randint(0, 256, (1, model.bands, model.window, model.window), dtype=torch.uint8)
    for choice in model.choices:
        evidence, times = model.evidence(choice, device="cpu"), []
        for _ in range(3):
            start = time.perf_counter()
            evidence.maps(window)
            times.append(time.perf_counter() - start)
        found[str(choice)] = min(times) / len(model.networks)
    return found


def read_rows() -> list[dict[str, str]]:
    """Rows of the CSV, all of one budget and commit.

    Raises:
        ValueError: rows of other settings are among them.
    """
    with TABLE.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    if len({(row["budget"], row["seed"], row["commit"]) for row in rows}) != 1:
        raise ValueError(f"{TABLE} mixes runs of other settings; run the study again")
    return rows


def tables(rows: list[dict[str, str]]) -> str:
    """Markdown: pooled and median Dice and cost of each map, by network; the best map of the first network first."""
    own = [row for row in rows if row["network"] == "ensemble"]
    models = list(dict.fromkeys(row["model"] for row in own))
    maps: dict[str, dict[str, dict[str, str]]] = {}
    for row in own:
        maps.setdefault(f"{row['method']}@{row['layer']}", {})[row["model"]] = row
    for row in rows:
        if row["method"] == "discs":
            maps["discs of one size"] = dict.fromkeys(models, row)
    columns = (("dice", "Dice"), ("median_dice", "median of the sites"), ("seconds_per_window", "s a window"))
    head = [f"{words}, {model}" for model in models for _, words in columns]
    lines = ["| map | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for name, cells in sorted(maps.items(), key=lambda item: -max(float(row["dice"]) for row in item[1].values())):
        values = [shown(cells.get(model, {}).get(key, ""), 3 if "seconds" in key else 2) for model in models for key, _ in columns]
        lines.append(f"| {name} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def shown(value: str, digits: int) -> str:
    return f"{float(value):.{digits}f}" if value else "-"


def page(text: str) -> str:
    """The page with its tables made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(read_rows())}\n{END}{after}"


def write_page() -> None:
    if TABLE.exists():
        PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main()
