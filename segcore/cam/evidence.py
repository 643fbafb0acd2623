"""Classifiers and their activation maps as evidence for a scan or an outline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segcore.cam.calibrate import Calibration
from segcore.cam.choice import MapChoice, draw
from segcore.data.bands import as_input
from segcore.errors import ConfigError


class CamEvidence:
    """An ensemble of window classifiers (class 1 is looked for) with one kind of map; see segcore.evidence.Evidence.

    The map of an ensemble is the mean over its members, each calibrated on its own.
    """

    def __init__(
        self, networks: Sequence[nn.Module], choice: MapChoice, calibrations: Sequence[Calibration], *, device: str = "cpu"
    ) -> None:
        """networks and calibrations: one of each per member. The networks are moved to device and stay in evaluation mode.

        Raises:
            ConfigError: no network, or not one calibration per network.
        """
        if not networks or len(networks) != len(calibrations):
            raise ConfigError(
                f"each network, at least one, needs its calibration; got {len(networks)} and {len(calibrations)}. Calibrate {choice} first."
            )
        self.networks = [network.to(device).eval() for network in networks]
        self.choice = choice
        self.calibrations = list(calibrations)
        self.device = device

    @property
    def members(self) -> int:
        """How many networks give a score."""
        return len(self.networks)

    @property
    def channels(self) -> tuple[str, ...]:
        """One map, named after its method."""
        return (self.choice.method,)

    def screen(self, windows: Tensor) -> Tensor:
        """uint8 windows (B, C, H, W) -> probability of class 1, (B, M) float32 in 0..1."""
        images = as_input(windows.numpy()).to(self.device)
        with torch.inference_mode():
            return torch.stack([network(images).float().softmax(dim=1)[:, 1] for network in self.networks], dim=1).cpu()

    def maps(self, windows: Tensor) -> Tensor:
        """uint8 windows (B, C, H, W) -> (B, 1, H, W) float32 in 0..1, the mean over the members."""
        return self.member_maps(windows).mean(dim=0)[:, None]

    def member_maps(self, windows: Tensor) -> Tensor:
        """uint8 windows (B, C, H, W) -> (M, B, H, W) float32 in 0..1; their spread says how far the members agree."""
        images = as_input(windows.numpy()).to(self.device)
        members = zip(self.networks, self.calibrations, strict=True)
        return torch.stack([own.apply(draw(network, images, self.choice, own.stages)).cpu() for network, own in members])
