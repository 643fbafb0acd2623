"""The control for calibrated scans: each window's map stretched to 0..1 on its own, as public code does."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from geoseg.chipset import open_chips
from geoseg.evaluate import evaluate
from geoseg.findings import find_sites
from geoseg.folds import make_folds
from geoseg.model import SiteModel
from geoseg.scene import Scene
from geoseg.scorecard import Truth
from geoseg.tune import Explainers
from geoseg.tune_scan import choose_scan, grounds
from geoseg.tuning_sites import outlined_sites
from segcore.data.stretch import StretchedImage
from segcore.evidence import Evidence
from segcore.pipeline.plan import Plan
from segcore.pipeline.runner import SerialRunner
from segcore.pipeline.stages import Scan
from segcore.progress import Silent
from segcore.windows import GridConfig


@dataclass(frozen=True, slots=True)
class MinMaxEvidence:
    """Other evidence, with the minimum of each window's map moved to 0 and its maximum to 1."""

    own: Evidence

    @property
    def members(self) -> int:
        """As the evidence it wraps."""
        return self.own.members

    @property
    def channels(self) -> tuple[str, ...]:
        """As the evidence it wraps."""
        return self.own.channels

    def screen(self, windows: Tensor) -> Tensor:
        """As the evidence it wraps."""
        return self.own.screen(windows)

    def maps(self, windows: Tensor) -> Tensor:
        """(B, K, H, W): every window reaches 0 and 1, unless its map is flat."""
        maps = self.own.maps(windows)
        low, high = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
        return (maps - low) / (high - low).clamp(min=1e-12)


def minmax_dice(
    scene: Scene, image: StretchedImage, model: SiteModel, chips: Path, outlines: Path, truth: Truth, *, threads: int
) -> float | None:
    """Raster Dice of the model's scan with window-wise scaling, its gate, smoothing and threshold chosen in the same way.

    chips, outlines: what the model was trained and tuned with. None where neither side marks a pixel.
    """
    choice, chip_set, split = model.scan.choice, open_chips(chips), model.facts["split"]
    folds = make_folds(chip_set.places, chip_set.labels, split=split["kind"], window=model.window, seed=split["seed"])
    explainers = Explainers(networks=model.networks, calibrations=model.calibrations, folds=folds, device="cpu")
    explain = explainers.of(choice)
    sites = outlined_sites(chip_set, outlines, fresh=explainers.fresh)
    seen = grounds(chip_set, sites, sites.fit, lambda chip: MinMaxEvidence(explain(chip)), fresh=explainers.fresh)
    settings = choose_scan(seen, replace(model.scan, refining=replace(model.scan.refining, crf=None)), model.window).settings
    evidence = MinMaxEvidence(model.evidence(choice, device="cpu"))
    plan = Plan(
        shape=scene.source.shape,
        region=truth.area.window,
        grid=GridConfig(window=model.window),
        channels=evidence.channels,
        gate=settings.gate,
        refining=settings.refining,
        threads=threads,
    )
    with tempfile.TemporaryDirectory() as folder:
        scan = Scan(plan, image, evidence, Path(folder))
        scan.run(SerialRunner(), Silent())
        found = find_sites(scan, Scene(source=scene.source, area=truth.area))
    scores = evaluate(found.sites, truth.experts, scene.grid, ignore=truth.ignore, area=truth.area.geometry).as_dict()
    return scores["dice"]
