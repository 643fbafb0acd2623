"""Settings chosen by Dice on sites that an expert has outlined, and judged on those that were held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from geoseg.chipset import ChipSet
from geoseg.defaults import candidate_maps, default_outline, default_scan
from geoseg.folds import FOLDS
from geoseg.guide import guide_weights
from geoseg.known import OutlineSettings
from geoseg.scanning import ScanSettings
from geoseg.tune_outline import Explain, best_disc, choose_crf, choose_outline, dice_of, disc_dice, examples
from geoseg.tune_scan import choose_scan, choose_scan_crf, grounds, scan_dice, score_control, score_dice
from geoseg.tuning_sites import OutlinedSites, outlined_sites
from segcore.cam.calibrate import Calibration
from segcore.cam.choice import MapChoice
from segcore.cam.evidence import CamEvidence
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


def untuned(network: nn.Module, window: int, *, bands: tuple[float, ...] = ()) -> Tuned:
    """The defaults, for those who have no outlines. bands: see geoseg.guide."""
    outline, scan = default_outline(network, window, bands), default_scan(network, window, bands)
    return Tuned(outline=outline, scan=scan, tuned_on="defaults", report={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainers:
    """Networks that explain a chip only if they did not learn from it, where there are such."""

    networks: Sequence[nn.Module]
    calibrations: Mapping[str, list[Calibration]]
    folds: NDArray[np.int64]
    """(N,): fold of each chip; member m did not learn from fold m (modulo 5)."""
    device: str

    @property
    def fresh(self) -> NDArray[np.bool_]:
        """(N,): chips that some network did not learn from."""
        return np.asarray(self.folds < len(self.networks))

    @property
    def choices(self) -> list[MapChoice]:
        """Maps that are calibrated."""
        return [choice for choice in candidate_maps(self.networks[0]) if str(choice) in self.calibrations]

    def of(self, choice: MapChoice) -> Explain:
        """Chip number -> evidence."""

        def evidence(fold: int) -> CamEvidence:
            members = [m for m in range(len(self.networks)) if m % FOLDS == fold] or list(range(len(self.networks)))
            own = self.calibrations[str(choice)]
            return CamEvidence([self.networks[m] for m in members], choice, [own[m] for m in members], device=self.device)

        by_fold = [evidence(fold) for fold in range(FOLDS)]
        return lambda index: by_fold[self.folds[index]]


def tune(explainers: Explainers, chips: ChipSet, outlines: Path, *, progress: Progress) -> Tuned:
    """Choose map, lengths, cut, threshold and CRF with one half of the outlined sites; judge on the other half.

    Raises:
        InputError: the outlines are unusable, or too few belong to training sites.
    """
    sites = outlined_sites(chips, outlines, fresh=explainers.fresh)
    fresh = sum(bool(explainers.fresh[site.index]) for site in (*sites.fit, *sites.held))
    progress.say(f"tuning on {len(sites.fit)} outlined sites, judging on {len(sites.held)} others; {fresh} of them new to a network")
    outline, outline_report = _tune_outline(explainers, chips, sites, progress)
    scan, scan_report = _tune_scan(explainers, chips, sites, outline.choice, progress)
    counts = {"fit": len(sites.fit), "held": len(sites.held), "fresh": fresh}
    held, disc = outline_report["held"]["dice"], outline_report["held"]["disc"]
    progress.say(f"outlines: {outline.choice}, median Dice {held:.2f} on held-back sites (discs of one size {disc:.2f})")
    report = {"sites": counts, "outline": outline_report, "scan": scan_report}
    return Tuned(outline=outline, scan=scan, tuned_on=sha256(outlines), report=report)


def _tune_outline(
    explainers: Explainers, chips: ChipSet, sites: OutlinedSites, progress: Progress
) -> tuple[OutlineSettings, dict[str, Any]]:
    start = default_outline(explainers.networks[0], chips.window, guide_weights(chips))
    found, tried = [], []
    for number, choice in enumerate(explainers.choices):
        seen = examples(chips, sites, sites.fit, explainers.of(choice), start.shift)
        found.append((choose_outline(seen, replace(start, choice=choice), chips.window), seen))
        tried.append({"map": str(choice), "dice": found[-1][0].dice, "quality": found[-1][0].quality})
        progress.step("tuning outlines", number + 1, len(explainers.choices))
    best, seen = max(found, key=lambda pair: pair[0].quality)
    radius, fit_disc = best_disc(seen, chips.window)
    best, crfs = choose_crf(seen, best, chips.window)
    held = examples(chips, sites, sites.held, explainers.of(best.settings.choice), start.shift)
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
    explainers: Explainers, chips: ChipSet, sites: OutlinedSites, outlined_by: MapChoice, progress: Progress
) -> tuple[ScanSettings, dict[str, Any]]:
    """Only LayerCAM and the map that outlines best are tried: a scan of every map would cost more than it teaches."""
    start = default_scan(explainers.networks[0], chips.window, guide_weights(chips))
    choices = [choice for choice in explainers.choices if choice.method == "layer-cam" or choice == outlined_by]
    found, tried = [], []
    for number, choice in enumerate(choices):
        seen = grounds(chips, sites, sites.fit, explainers.of(choice), fresh=explainers.fresh)
        found.append((choose_scan(seen, replace(start, choice=choice), chips.window), seen))
        tried.append({"map": str(choice), "dice": found[-1][0].dice})
        progress.step("tuning scans", number + 1, len(choices))
    best, seen = max(found, key=lambda pair: pair[0].dice)
    best, crfs = choose_scan_crf(seen, best, chips.window)
    threshold, fit_score = score_control(seen)
    held = grounds(chips, sites, sites.held, explainers.of(best.settings.choice), fresh=explainers.fresh)
    report = {
        "maps": tried,
        "crf": crfs,
        "fit": {"dice": best.dice, "score": fit_score, "score_threshold": threshold},
        "held": {"dice": scan_dice(held, best.settings), "score": score_dice(held, threshold)},
    }
    return best.settings, report
