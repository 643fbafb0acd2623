"""Choose the defaults of geoseg/defaults.py on the left part of the relief scene, with what benchmarks/relief.py left there.

Prints the best setting of every map for outlines and scans, by Dice on 240 outlined training sites (half of them held
back), with all CRF candidates; lengths are in windows. Exit 3 where runs/relief or the data are absent.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from geoseg.chipset import open_chips
from geoseg.defaults import default_outline, default_scan
from geoseg.folds import make_folds
from geoseg.model import load_model, settings_to_facts
from geoseg.tune import Explainers
from geoseg.tune_outline import best_disc, choose_crf, choose_outline, dice_of, disc_dice, examples
from geoseg.tune_scan import choose_scan, choose_scan_crf, grounds, scan_dice, score_control
from geoseg.tuning_sites import outlined_sites
from segcore.cam.evidence import MapChoice


def main() -> None:
    """Print one line per map, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GEOCELLSEG_DATA", "../shared/data")))
    parser.add_argument("--run", type=Path, default=Path("runs/relief"))
    parser.add_argument("--sites", type=int, default=240, help="outlined sites to use for outlines; a quarter of them for scans")
    parser.add_argument("--methods", default="", help="maps to try, as method@layer parted by commas; all by default")
    options = parser.parse_args()
    experts = options.data / "geo" / "relief" / "site_polygons_expertA_32638.gpkg"
    if not experts.is_file() or not (options.run / "MODEL").is_dir():
        print("run benchmarks/relief.py first", file=sys.stderr)
        sys.exit(3)
    torch.set_num_threads(os.cpu_count() or 1)
    chips, model = open_chips(options.run / "CHIPS"), load_model(options.run / "MODEL")
    split = model.facts["split"]
    folds = make_folds(chips.places, chips.labels, split=split["kind"], window=model.window, seed=split["seed"])
    explainers = Explainers(networks=model.networks, calibrations=model.calibrations, folds=folds, device="cpu")
    figures = {}
    for key in model.calibrations:
        if options.methods and key not in options.methods.split(","):
            continue
        choice = MapChoice(*key.split("@"))
        explain = explainers.of(choice)
        sites = outlined_sites(chips, experts, fresh=explainers.fresh, most=options.sites)
        start = replace(default_outline(model.networks[0], model.window), choice=choice)
        fit, held = (examples(chips, sites, half, explain, start.shift) for half in (sites.fit, sites.held))
        chosen, crfs = choose_crf(fit, choose_outline(fit, start, model.window), model.window)
        radius, disc = best_disc(fit, model.window)
        figures[f"outline {key}"] = float(np.median(dice_of(held, chosen.settings)))
        print(f"outline {key}: fit {chosen.dice:.3f} (discs {disc:.3f}), held {figures[f'outline {key}']:.3f} ", end="")
        print(f"(discs {np.median(disc_dice(held, radius * model.window)):.3f}) {crfs}")
        few = outlined_sites(chips, experts, fresh=explainers.fresh, most=options.sites // 4)
        fit_ground, held_ground = (grounds(chips, few, half, explain, fresh=explainers.fresh) for half in (few.fit, few.held))
        first = choose_scan(fit_ground, replace(default_scan(model.networks[0], model.window), choice=choice), model.window)
        scan, scan_crfs = choose_scan_crf(fit_ground, first, model.window)
        figures[f"scan {key}"] = scan_dice(held_ground, scan.settings)
        print(f"scan {key}: fit {scan.dice:.3f}, held {figures[f'scan {key}']:.3f}, windows {score_control(fit_ground)[1]:.3f} {scan_crfs}")
        print(json.dumps(settings_to_facts(chosen.settings, scan.settings, model.window)), flush=True)
    print(json.dumps({"name": "tune_defaults", "machine": f"{os.cpu_count()} cores", "figures": figures}))


if __name__ == "__main__":
    main()
