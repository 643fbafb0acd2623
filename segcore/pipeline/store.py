"""What finished units leave on disk: one file each, there only when it is whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from segcore.errors import RunError
from segcore.files import fresh_file


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """The answer for up to 16 windows."""

    scores: NDArray[np.float32]
    """(n, M): probability per member; NaN for windows without data."""
    passed: NDArray[np.int64]
    """(k,): which of the n windows have maps, ascending."""
    maps: NDArray[np.uint8]
    """(k, K, h, w): maps in steps of 1/255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """The answer for one block (h, w) of the image."""

    activation: NDArray[np.uint8]
    """The smoothed map in steps of 1/254; NODATA where there is none."""
    score: NDArray[np.uint8]
    """The blended probability of the windows, likewise."""
    mask: NDArray[np.uint8]
    """1 site, 0 ground; NODATA where there is none."""


NODATA = 255

Result = TypeVar("Result", UnitResult, BlockResult)


class Store(Generic[Result]):
    """A folder of results, one file for each number."""

    def __init__(self, folder: Path, kind: type[Result]) -> None:
        """folder is made when the first result comes."""
        self.folder = folder
        self.kind: type[Result] = kind

    def path(self, number: int) -> Path:
        """Where the result of a number is kept."""
        return self.folder / f"{number:07d}.safetensors"

    def has(self, number: int) -> bool:
        """Whether that number is done."""
        return self.path(number).exists()

    def save(self, number: int, result: Result) -> None:
        """Keep a result; it appears by rename.

        Raises:
            OutputError: the folder is closed or the disk is full.
        """
        arrays = {name: np.ascontiguousarray(getattr(result, name)) for name in self.kind.__slots__}
        with fresh_file(self.path(number)) as scratch:
            scratch.write_bytes(save(arrays))  # save_file hides a full disk in an error of its own

    def load(self, number: int) -> Result:
        """Read a result.

        Raises:
            RunError: the file is missing or damaged.
        """
        try:
            result: Result = self.kind(**load_file(self.path(number)))
            return result
        except (OSError, SafetensorError, TypeError) as error:
            raise RunError(f"{self.path(number)} belongs to the run but cannot be read ({error}). Delete it and pass --resume.") from error
