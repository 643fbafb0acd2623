"""What a scan will do, fixed before a pixel is read; every stage reads the plan and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcore.crf.config import CrfConfig
from segcore.errors import ConfigError, InputError
from segcore.pipeline.refine import Refining
from segcore.windows import GridConfig, Window, block_grid, window_grid

UNIT = 16
"""Consecutive windows that are explained together: the unit of work and of resume."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A scan of one image. Two equal plans on one kind of device give the same bytes."""

    shape: tuple[int, int, int]
    """(C, H, W) of the image."""
    region: Window
    """The rectangle that is wanted; windows and blocks that do not touch it are left out."""
    grid: GridConfig
    """How windows lie."""
    channels: tuple[str, ...]
    """Names of the maps of the evidence."""
    gate: float
    """Mean probability of the members from which a window is explained."""
    refining: Refining
    """From the blended first map to the mask."""
    block: int = 512
    """Edge of a block in pixels, the unit of refining."""
    threads: int = 1
    """Threads of PyTorch; the last bit of a sum depends on them."""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """What else must be equal: fingerprints of image, model and area, stretch, device. JSON values."""

    def __post_init__(self) -> None:
        if not 0 <= self.gate <= 1:
            raise ConfigError(f"the gate is a probability, 0 to 1, got {self.gate:g}.")
        if self.threads < 1:
            raise ConfigError(f"at least one thread is needed, got {self.threads}.")
        if self.region.overlap(Window(0, 0, *self.shape[1:])) != self.region:
            raise ConfigError(f"the region lies inside the image of {self.shape[1]} x {self.shape[2]} px, got {self.region}.")

    @cached_property
    def windows(self) -> list[Window]:
        """Every window that touches the region, row by row."""
        return [window for window in window_grid(self.shape[1:], self.grid) if window.overlap(self.region)]

    def touching(self, region: Window) -> list[int]:
        """Numbers of the windows that share pixels with a region, ascending."""
        return _touching(self._window_bounds, region)

    def blocks_touching(self, region: Window) -> list[int]:
        """Numbers of the blocks that share pixels with a region, ascending."""
        return _touching(self._block_bounds, region)

    @cached_property
    def _window_bounds(self) -> NDArray[np.int64]:
        return _bounds(self.windows)

    @cached_property
    def _block_bounds(self) -> NDArray[np.int64]:
        return _bounds(self.blocks)

    @property
    def units(self) -> range:
        """Numbers of the units of windows."""
        return range(-(-len(self.windows) // UNIT))

    def unit_windows(self, unit: int) -> list[Window]:
        """The windows of one unit."""
        return self.windows[unit * UNIT : (unit + 1) * UNIT]

    @cached_property
    def blocks(self) -> list[Window]:
        """Blocks of the region, cut along the image's own block grid."""
        cut = (block.overlap(self.region) for block in block_grid(self.shape[1:], self.block))
        return [block for block in cut if block is not None]

    def to_json(self) -> dict[str, Any]:
        """JSON values, as they also come back from a file; see from_json."""
        values: dict[str, Any] = _plain(asdict(self))
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Plan:
        """The reverse of to_json.

        Raises:
            InputError: a value is missing, garbled or out of range.
        """
        try:
            refining = dict(values["refining"])
            crf = refining.pop("crf")
            return cls(
                shape=(int(values["shape"][0]), int(values["shape"][1]), int(values["shape"][2])),
                region=Window(**values["region"]),
                grid=GridConfig(**values["grid"]),
                channels=tuple(values["channels"]),
                gate=values["gate"],
                refining=Refining(**refining, crf=CrfConfig(**crf) if crf else None),
                block=values["block"],
                threads=values["threads"],
                identity=values["identity"],
            )
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise InputError(f"the plan of the run is garbled ({error}). Start the run again with --overwrite.") from error

    def differences(self, other: Plan) -> list[str]:
        """Names of what differs between two plans, parts of the identity by their own names, in alphabetical order."""
        mine, theirs = ({**plan.to_json()["identity"], **plan.to_json(), "identity": None} for plan in (self, other))
        return sorted(key for key in set(mine) | set(theirs) if mine.get(key) != theirs.get(key))


def _plain(value: Any) -> Any:
    """Tuples as lists, as they come back from JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(own) for key, own in value.items()}
    return [_plain(own) for own in value] if isinstance(value, (tuple, list)) else value


def _bounds(windows: list[Window]) -> NDArray[np.int64]:
    """(4, N): first row, first column, row and column behind the last."""
    return np.array([(w.row, w.col, w.row + w.height, w.col + w.width) for w in windows], dtype=np.int64).reshape(-1, 4).T


def _touching(bounds: NDArray[np.int64], region: Window) -> list[int]:
    top, left, bottom, right = bounds
    rows = (top < region.row + region.height) & (bottom > region.row)
    cols = (left < region.col + region.width) & (right > region.col)
    return [int(number) for number in np.flatnonzero(rows & cols)]
