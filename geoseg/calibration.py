"""Scales of activation maps, measured once on the training sites of each network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from geoseg.chipset import ChipSet
from segcore.cam.calibrate import Calibration, calibrate
from segcore.cam.choice import MapChoice, draw
from segcore.cam.names import DEAR
from segcore.data.bands import as_input
from segcore.errors import ConfigError
from segcore.progress import Progress

SITES, DEAR_SITES = 200, 40
"""Most sites that a scale is measured on, and most for a method of hundreds of forward calls."""
_BATCH = 16


def calibrate_maps(
    networks: Sequence[nn.Module], chips: ChipSet, pools: Sequence[NDArray[np.int64]], choices: Sequence[MapChoice], *, progress: Progress
) -> dict[str, list[Calibration]]:
    """One scale per map and member: the 99th percentile over the centred windows of up to 200 sites of the member's pool.

    So no site that a member is judged on has touched what it is judged with. A map that is empty at nearly all sites
    cannot be calibrated and is left out, unless it is the first one; so is a fused map of which a stage is left out.

    Raises:
        ConfigError: the first map is empty at nearly all sites.
    """
    found: dict[str, list[Calibration]] = {}
    for number, choice in enumerate(choices):
        try:
            if choice.method in DEAR:
                progress.say(_cost(networks, chips, pools, choice))
            stages = _stage_scales(found, choice, len(networks))
            members = zip(networks, pools, stages, strict=True)
            found[str(choice)] = [calibrate(_site_maps(own, chips, pool, choice, scales), stages=scales) for own, pool, scales in members]
        except ConfigError as error:
            if number == 0:
                raise
            progress.say(f"{choice} is left out: {error}")
        progress.step("calibration", number + 1, len(choices))
    return found


def _stage_scales(found: dict[str, list[Calibration]], choice: MapChoice, members: int) -> list[tuple[float, ...]]:
    """For each member the scales of the stages of a fused map; empty for other maps."""
    if lacking := [str(stage) for stage in choice.stages if str(stage) not in found]:
        raise ConfigError(f"a fused map needs the scale of each stage; {', '.join(lacking)} has none.")
    return [tuple(found[str(stage)][member].scale for stage in choice.stages) for member in range(members)]


def _site_maps(network: nn.Module, chips: ChipSet, pool: NDArray[np.int64], choice: MapChoice, scales: Sequence[float]) -> Iterator[Tensor]:
    sites = _sites(chips, pool, choice)
    for start in range(0, len(sites), _BATCH):
        yield draw(network, _windows(network, chips, sites[start : start + _BATCH]), choice, scales)


def _sites(chips: ChipSet, pool: NDArray[np.int64], choice: MapChoice) -> NDArray[np.int64]:
    """Numbers of the site chips that a scale is measured on, evenly spread over a pool."""
    sites = pool[chips.labels[pool] == 1]
    wanted = min(len(sites), DEAR_SITES if choice.method in DEAR else SITES)
    chosen: NDArray[np.int64] = sites[np.linspace(0, len(sites) - 1, wanted).round().astype(int)]
    return chosen


def _windows(network: nn.Module, chips: ChipSet, sites: NDArray[np.int64]) -> Tensor:
    """The centred windows of some chips, (B, C, H, W), where the network is."""
    return as_input(np.stack([next(chips.crops(int(i))) for i in sites])).to(next(network.parameters()).device)


def _cost(networks: Sequence[nn.Module], chips: ChipSet, pools: Sequence[NDArray[np.int64]], choice: MapChoice) -> str:
    """What calibrating a dear map will take, from one window."""
    sites = [_sites(chips, pool, choice) for pool in pools]
    if not len(sites[0]):
        raise ConfigError("a scale is measured on training sites, of which there is none.")
    window = _windows(networks[0], chips, sites[0][:1])
    start = time.monotonic()
    draw(networks[0], window, choice).cpu()
    seconds = time.monotonic() - start
    return f"calibrating {choice}: {seconds:.1f} s a window, about {seconds * sum(map(len, sites)) / 60:.1f} min"
