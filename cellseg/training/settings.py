"""How a segmenter learns."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from cellseg.training.augment import Augmentation
from segcore.errors import ConfigError
from segcore.losses import LOSSES
from segcore.nets.build import NETS, NetConfig
from segcore.nets.msd import MSDConfig
from segcore.nets.unet import UNetConfig

PATCH, OVERLAP = 256, 0.25
"""Edge of a patch in pixels, and the share of it that its neighbour sees too (Vădineanu, Leiden thesis, ch. 2: 256 and 64 px)."""
MSD_START = 2
"""Epochs of cross-entropy before soft Dice, for Mixed-Scale Dense networks: their last layer begins at 0, where Dice is flat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterTraining:
    """How one binary segmenter learns; epochs, learning rate and precision are those of TrainConfig.

    Raises:
        ConfigError: a number outside its range, or an unknown loss.
    """

    target: str
    """The class to segment; all other classes are background."""
    net: NetConfig = field(default_factory=UNetConfig)
    patch: int | None = None
    """Edge of a patch in pixels; by default PATCH, or the shortest edge of the images where that is less."""
    stride: int | None = None
    """Distance between patches in pixels; by default three quarters of a patch."""
    batch: int = 8
    """Patches in a step."""
    per_epoch: int | None = None
    """Patches in an epoch, and at most so many to judge it; by default each patch about once."""
    balance: float | None = 0.5
    """At least this share of an epoch's patches show the target, where the images have such; None: as they come."""
    loss: str = "soft-dice"
    """soft-dice, cross-entropy or focal."""
    start: int | None = None
    """Epochs of cross-entropy before the loss itself; by default MSD_START for Mixed-Scale Dense networks, else none."""
    augment: Augmentation = field(default_factory=Augmentation)
    validation: float = 0.3
    """Share of the images held back to choose the best epoch; groups stay whole."""
    restarts: int = 3
    """How often a network that calls everything background begins anew, with other first weights."""
    seed: int = 0
    """Start of all chance."""
    split_seed: int | None = None
    """Decides which images are held back; by default seed."""

    def __post_init__(self) -> None:
        for name in ("patch", "stride", "batch", "per_epoch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is at least 1, got {value}.")
        if self.restarts < 0 or self.seed < 0 or (self.start or 0) < 0:
            raise ConfigError(f"restarts, start and seed are at least 0, got {self.restarts}, {self.start} and {self.seed}.")
        if self.split_seed is not None and self.split_seed < 0:
            raise ConfigError(f"split_seed is at least 0, got {self.split_seed}.")
        if not 0 < self.validation < 1:
            raise ConfigError(f"validation is a share of the images, 0 < validation < 1, got {self.validation:g}.")
        if self.balance is not None and not 0 <= self.balance <= 1:
            raise ConfigError(f"balance is a share of the patches, 0 <= balance <= 1, got {self.balance:g}.")
        if self.loss not in LOSSES:
            raise ConfigError(f"a loss is one of {', '.join(LOSSES)}, got {self.loss!r}.")

    @property
    def name(self) -> str:
        """Name of the network: unet, segnet or msd."""
        return next(name for name, kind in NETS.items() if isinstance(self.net, kind))

    @property
    def parted_by(self) -> int:
        """The seed that decides which images are held back."""
        return self.seed if self.split_seed is None else self.split_seed

    @property
    def warm_up(self) -> int:
        """Epochs of cross-entropy before the loss itself."""
        return self.start if self.start is not None else MSD_START if isinstance(self.net, MSDConfig) else 0

    def loss_at(self, epoch: int) -> str:
        """Name of the loss in an epoch, from 0."""
        return "cross-entropy" if epoch < self.warm_up else self.loss

    def patches_of(self, there: int) -> int:
        """Patches in an epoch where there are so many."""
        return self.per_epoch or there

    def patch_for(self, shortest: int) -> int:
        """Edge of a patch where the shortest edge of the images is so long."""
        return min(PATCH, shortest) if self.patch is None else self.patch

    def overlap_of(self, patch: int) -> float:
        """Share of a patch that its neighbour sees too; none where the stride leaves a gap.

        Raises:
            ConfigError: the stride is longer than a patch.
        """
        if self.stride is None:
            return OVERLAP
        if self.stride > patch:
            raise ConfigError(f"patches cover the images, so their stride is at most their edge; got {self.stride} for {patch} px.")
        return 1 - self.stride / patch

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "net": {"name": self.name, **asdict(self.net)}}
