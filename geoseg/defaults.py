"""Settings for those who have no outlines to tune with.

Chosen once, with benchmarks/tune_defaults.py on the left three quarters of the relief scene: round values among those that
its runs with 60 and more sites chose for LayerCAM at stride 8. Lengths are in windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from torch import nn

from geoseg.known import OutlineSettings
from geoseg.scanning import ScanSettings
from segcore.cam.choice import MapChoice
from segcore.cam.gradient import Fusion
from segcore.cam.layers import default_layer, stage_layers
from segcore.errors import ConfigError
from segcore.pipeline.refine import Refining

FINE, MIDDLE = 8, 16
"""Strides, in pixels of the window, of the stages that LayerCAM is drawn from."""
FUSED = 4
"""Stages that fused LayerCAM looks at: the last ones."""
OUTLINE_SHIFT, OUTLINE_SMOOTH, OUTLINE_PRIOR, OUTLINE_CUT = 0.1875, 0.05, 0.11, 0.25
SCAN_GATE, SCAN_SMOOTH, SCAN_THRESHOLD = 0.85, 0.08, 0.1


def stage_at(network: nn.Module, stride: int) -> str:
    """The stage of a timm classifier whose maps are stride times smaller than the window; the nearest there is.

    Raises:
        ConfigError: the network does not list its stages.
    """
    info: Any = getattr(network, "feature_info", None)
    if not info:
        raise ConfigError(f"stages are known for timm's classifiers; {type(network).__name__} lists none. Choose another --arch.")
    known = set(stage_layers(network))
    entries = [entry for entry in info if entry["module"] in known]
    return str(min(reversed(entries), key=lambda entry: abs(entry["reduction"] - stride))["module"])


def candidate_maps(network: nn.Module) -> list[MapChoice]:
    """The maps that tuning chooses from; the first one is the default."""
    last = default_layer(network)
    maps = [
        MapChoice("layer-cam", stage_at(network, FINE)),
        MapChoice("layer-cam", stage_at(network, MIDDLE)),
        *fused_maps(network)[:1],
        *(MapChoice(method, last) for method in ("grad-cam", "guided-backprop", "guided-grad-cam", "smooth-guided-grad-cam")),
    ]
    return list(dict.fromkeys(maps))


def fused_maps(network: nn.Module) -> list[MapChoice]:
    """LayerCAM of the last four stages, fused in both ways; none where there is one stage."""
    stages = stage_layers(network)[-FUSED:]
    return [MapChoice("layer-cam", "+".join(stages), how) for how in get_args(Fusion)] if len(stages) > 1 else []


def calibrated_maps(network: nn.Module, dear: Sequence[str] = ()) -> list[MapChoice]:
    """The maps that train calibrates, single stages before those that fuse them: the candidates, and what else a user may ask for.

    dear: the methods of hundreds of forward calls that are wanted too.
    """
    fused = fused_maps(network)
    singles = [choice for choice in candidate_maps(network) if not choice.stages]
    more = [MapChoice(method, default_layer(network)) for method in dear]
    return list(dict.fromkeys([*singles, *(stage for choice in fused for stage in choice.stages), *fused, *more]))


def default_outline(network: nn.Module, window: int, bands: tuple[float, ...] = ()) -> OutlineSettings:
    """Outlines at known points, lengths in pixels; bands: weights of Refining."""
    refining = Refining(smooth=OUTLINE_SMOOTH * window, threshold=OUTLINE_CUT, bands=bands)
    choice = MapChoice("layer-cam", stage_at(network, FINE))
    return OutlineSettings(choice=choice, shift=round(OUTLINE_SHIFT * window), prior=OUTLINE_PRIOR * window, refining=refining)


def default_scan(network: nn.Module, window: int, bands: tuple[float, ...] = ()) -> ScanSettings:
    """Scans, lengths in pixels; bands: weights of Refining."""
    refining = Refining(smooth=SCAN_SMOOTH * window, threshold=SCAN_THRESHOLD, bands=bands)
    return ScanSettings(choice=MapChoice("layer-cam", stage_at(network, FINE)), gate=SCAN_GATE, refining=refining)
