"""A trained site classifier, loaded: its networks, and the settings it was given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from geoseg.known import OutlineSettings
from geoseg.scanning import ScanSettings
from segcore.cam.calibrate import Calibration
from segcore.cam.choice import MapChoice
from segcore.cam.evidence import CamEvidence
from segcore.cam.guided import has_relus
from segcore.cam.names import CAM_NAMES, DEAR, GUIDED
from segcore.crf.config import CrfConfig
from segcore.data.stretch import Stretch, fit_stretch
from segcore.errors import BundleError, ConfigError
from segcore.io.protocol import ImageSource
from segcore.nets.classifier import build_classifier
from segcore.pipeline.refine import Refining
from segcore.train.bundle import bundle_hash, load_bundle

NO_RELU = "it has no ReLU, so guided backpropagation is its plain gradient"
_LARGEST = 1 << 14
"""No network sees a larger window; a bundle that says so would only fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteModel:
    """A bundle of kind site-classifier, ready for use."""

    path: Path
    digest: str
    """sha256 that identifies the whole bundle."""
    facts: Mapping[str, Any]
    networks: list[nn.Module]
    calibrations: Mapping[str, list[Calibration]]
    """method@layer -> one calibration per network."""
    outline: OutlineSettings
    scan: ScanSettings

    @property
    def window(self) -> int:
        """Edge of a window in pixels."""
        return int(self.facts["window"])

    @property
    def pixel_size(self) -> float:
        """Metres per pixel that the networks know."""
        return float(self.facts["pixel_size"])

    @property
    def bands(self) -> int:
        """Bands that the networks read."""
        return int(self.facts["bands"])

    @property
    def choices(self) -> list[MapChoice]:
        """The maps that are calibrated for each network, in the order of training."""
        return [MapChoice.parse(key) for key, own in self.calibrations.items() if len(own) == len(self.networks)]

    def choose(self, method: str | None, default: MapChoice) -> MapChoice:
        """The default, or another calibrated map.

        method: a method's name, or method@layer where it is calibrated at several layers.

        Raises:
            ConfigError: the method is unknown or not calibrated in this model.
        """
        if method is None or method in (default.method, str(default)):
            return default
        for choice in self.choices:
            if method in (choice.method, str(choice)):
                return choice
        known = ", ".join(str(choice) for choice in self.choices)
        name = method.partition("@")[0]
        if name not in CAM_NAMES:
            raise ConfigError(f"a map is one of {', '.join(CAM_NAMES)}; got {name!r}.")
        more = f" Train with --calibrate {name}, or choose one of them." if name in DEAR else " Choose one of them."
        raise ConfigError(f"a map must be calibrated; {self.path.name} has {known}; got {method}.{more}")

    def note(self, choice: MapChoice) -> str | None:
        """What a user should know of a map of these networks, in one line; mostly nothing."""
        if choice.method not in GUIDED:
            return None
        window = torch.zeros(1, self.bands, self.window, self.window, device=next(self.networks[0].parameters()).device)
        return None if has_relus(self.networks[0], window) else f"guiding has no effect in {self.facts['arch']}: {NO_RELU}"

    def evidence(self, choice: MapChoice, *, device: str) -> CamEvidence:
        """The ensemble with one kind of map."""
        return CamEvidence(self.networks, choice, self.calibrations[str(choice)], device=device)

    def stretch_for(self, source: ImageSource, fingerprint: Mapping[str, Any]) -> Stretch:
        """The contrast of a scene: that of training where it is the same raster, else measured on the scene."""
        known = self.facts["stretch"]
        if dict(known["fingerprint"]) == dict(fingerprint):
            return Stretch(tuple(known["low"]), tuple(known["high"]))
        return fit_stretch(source)

    def require_bands(self, source: ImageSource) -> None:
        """Refuse an image with another number of bands.

        Raises:
            BundleError: the networks cannot read the image.
        """
        if source.shape[0] != self.bands:
            raise BundleError(
                f"{self.path.name} reads {self.bands} band(s); {source.name} has {source.shape[0]}. Choose them with --bands."
            )


def load_model(path: Path) -> SiteModel:
    """Load a site classifier.

    Raises:
        BundleError: no such bundle, damaged, or of another kind.
    """
    bundle = load_bundle(path, "site-classifier")
    facts = bundle.facts
    try:
        networks = [build_classifier(facts["arch"], bands=int(facts["bands"])) for _ in bundle.members]
        for network, weights in zip(networks, bundle.members, strict=True):
            network.load_state_dict(dict(weights))
        calibrations = {key: [Calibration.from_dict(own) for own in values] for key, values in facts["calibration"].items()}
        outline, scan = settings_from_facts(facts)
        if not (int(facts["window"]) <= _LARGEST and 0 < float(facts["pixel_size"]) < math.inf):
            raise ConfigError(f"windows of {facts['window']} px of {facts['pixel_size']} m cannot be")
        for key, own in calibrations.items():
            if {len(part.stages) for part in own} - {len(MapChoice.parse(key).stages)}:
                raise ConfigError(f"{key} has not one scale for each stage")
        for choice in (outline.choice, scan.choice):
            if len(calibrations[str(choice)]) != len(networks):
                raise ConfigError(f"{choice} is not calibrated for each network")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"{path} is no whole site classifier ({' '.join(str(error).split())[:200]}). Train it again.") from error
    return SiteModel(
        path=path,
        digest=bundle_hash(path),
        facts=facts,
        networks=[network.eval() for network in networks],
        calibrations=calibrations,
        outline=outline,
        scan=scan,
    )


def settings_to_facts(outline: OutlineSettings, scan: ScanSettings, window: int) -> dict[str, Any]:
    """JSON values with lengths in windows."""
    return {
        "outline": {
            **asdict(outline),
            **_lengths(outline.refining, window),
            "shift": outline.shift / window,
            "prior": outline.prior / window,
        },
        "scan": {**asdict(scan), **_lengths(scan.refining, window)},
    }


def settings_from_facts(facts: Mapping[str, Any]) -> tuple[OutlineSettings, ScanSettings]:
    """The reverse of settings_to_facts, for the window that the facts state.

    Raises:
        KeyError, TypeError, ConfigError: something is missing, foreign or out of range.
    """
    window = int(facts["window"])
    outline, scan = dict(facts["outline"]), dict(facts["scan"])
    found = OutlineSettings(
        choice=MapChoice(**outline["choice"]),
        shift=round(outline["shift"] * window),
        prior=outline["prior"] * window,
        refining=_refining(outline["refining"]).scaled(window),
    )
    return found, ScanSettings(choice=MapChoice(**scan["choice"]), gate=scan["gate"], refining=_refining(scan["refining"]).scaled(window))


def _lengths(refining: Refining, window: int) -> dict[str, Any]:
    return {"refining": asdict(refining.scaled(1 / window))}


def _refining(values: Mapping[str, Any]) -> Refining:
    rest = dict(values)
    crf = rest.pop("crf")
    return Refining(**rest, crf=CrfConfig(**crf) if crf else None)
