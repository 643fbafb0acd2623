"""Settings chosen by Dice on sites that an expert has outlined, and judged on those that were held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from geoseg.chipset import ChipSet
from geoseg.defaults import candidate_maps, default_outline, default_scan
from geoseg.known import OutlineSettings
from geoseg.scanning import ScanSettings
from geoseg.tune_outline import best_disc, choose_crf, choose_outline, dice_of, disc_dice, examples
from geoseg.tune_scan import choose_scan, choose_scan_crf, grounds, scan_dice, score_control
from geoseg.tuning_sites import OutlinedSites, outlined_sites
from segcore.cam.calibrate import Calibration
from segcore.cam.evidence import CamEvidence, MapChoice
from segcore.files import sha256
from segcore.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """Settings of a bundle, and where they come from."""

    outline: OutlineSettings
    scan: ScanSettings
    tuned_on: str
    """sha256 of the outlines, or `defaults`."""
    report: Mapping[str, Any]
    """Every candidate with its Dice, the held-back half and the controls; JSON values."""


def untuned(network: nn.Module, window: int) -> Tuned:
    """The defaults, for those who have no outlines."""
    return Tuned(outline=default_outline(network, window), scan=default_scan(network, window), tuned_on="defaults", report={})


def tune(
    networks: Sequence[nn.Module],
    calibrations: Mapping[str, list[Calibration]],
    chips: ChipSet,
    outlines: Path,
    *,
    device: str = "cpu",
    progress: Progress,
) -> Tuned:
    """Choose map, lengths, cut, threshold and CRF with one half of the outlined sites; judge on the other half.

    Raises:
        InputError: the outlines are unusable, or too few belong to training sites.
    """
    sites = outlined_sites(chips, outlines)
    progress.say(f"tuning on {len(sites.fit)} outlined sites, judging on {len(sites.held)} others")
    choices = [choice for choice in candidate_maps(networks[0]) if str(choice) in calibrations]
    evidences = {choice: CamEvidence(networks, choice, calibrations[str(choice)], device=device) for choice in choices}
    outline, outline_report = _tune_outline(networks[0], chips, sites, evidences, progress)
    scan, scan_report = _tune_scan(networks[0], chips, sites, evidences, outline.choice, progress)
    report = {"sites": {"fit": len(sites.fit), "held": len(sites.held)}, "outline": outline_report, "scan": scan_report}
    held, disc = outline_report["held"]["dice"], outline_report["held"]["disc"]
    progress.say(f"outlines: {outline.choice}, median Dice {held:.2f} on held-back sites (discs of one size {disc:.2f})")
    return Tuned(outline=outline, scan=scan, tuned_on=sha256(outlines), report=report)


def _tune_outline(
    network: nn.Module, chips: ChipSet, sites: OutlinedSites, evidences: Mapping[MapChoice, CamEvidence], progress: Progress
) -> tuple[OutlineSettings, dict[str, Any]]:
    start = default_outline(network, chips.window)
    found, tried = [], []
    for number, (choice, evidence) in enumerate(evidences.items()):
        seen = examples(chips, sites, sites.fit, evidence, start.shift)
        found.append((choose_outline(seen, replace(start, choice=choice), chips.window), seen))
        tried.append({"map": str(choice), "dice": found[-1][0].dice})
        progress.step("tuning outlines", number + 1, len(evidences))
    best, seen = max(found, key=lambda pair: pair[0].dice)
    radius, fit_disc = best_disc(seen, chips.window)
    best, crfs = choose_crf(seen, best, chips.window)
    held = examples(chips, sites, sites.held, evidences[best.settings.choice], start.shift)
    report = {
        "maps": tried,
        "crf": crfs,
        "fit": {"dice": best.dice, "disc": fit_disc, "disc_radius": radius},
        "held": {
            "dice": float(np.median(dice_of(held, best.settings))),
            "disc": float(np.median(disc_dice(held, radius * chips.window))),
        },
    }
    return best.settings, report


def _tune_scan(
    network: nn.Module,
    chips: ChipSet,
    sites: OutlinedSites,
    evidences: Mapping[MapChoice, CamEvidence],
    outlined_by: MapChoice,
    progress: Progress,
) -> tuple[ScanSettings, dict[str, Any]]:
    """Only LayerCAM and the map that outlines best are tried: a scan of every map would cost more than it teaches."""
    start = default_scan(network, chips.window)
    choices = [choice for choice in evidences if choice.method == "layer-cam" or choice == outlined_by]
    found, tried = [], []
    for number, choice in enumerate(choices):
        seen = grounds(chips, sites, sites.fit, evidences[choice])
        found.append((choose_scan(seen, replace(start, choice=choice), chips.window), seen))
        tried.append({"map": str(choice), "dice": found[-1][0].dice})
        progress.step("tuning scans", number + 1, len(choices))
    best, seen = max(found, key=lambda pair: pair[0].dice)
    best, crfs = choose_scan_crf(seen, best, chips.window)
    threshold, fit_score = score_control(seen)
    held = grounds(chips, sites, sites.held, evidences[best.settings.choice])
    report = {
        "maps": tried,
        "crf": crfs,
        "fit": {"dice": best.dice, "score": fit_score, "score_threshold": threshold},
        "held": {"dice": scan_dice(held, best.settings)},
    }
    return best.settings, report
