"""What a user may say about the CRF instead of the model's own choice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from geoseg.lengths import Length
from segcore.crf.config import CrfConfig
from segcore.crf.names import BACKEND_NAMES
from segcore.crf.permutohedral import require_pydensecrf
from segcore.errors import ConfigError
from segcore.pipeline.refine import Refining

_REFERENCE_WINDOW = 400
"""Edge in pixels of the windows that the lengths of CrfConfig() belong to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrfChoice:
    """--crf, --crf-width and --crf-weight; None keeps what the model has."""

    backend: Literal["grid", "pydensecrf", "none"] | None = None
    """grid, pydensecrf, or none."""
    width: Length | None = None
    """Spatial width (sigma) of the appearance kernel, from 1 px to one window."""
    weight: float | None = None
    """Strength of the appearance kernel, 0 or more."""

    def __post_init__(self) -> None:
        known = (*BACKEND_NAMES, "none")
        if self.backend is not None and self.backend not in known:
            raise ConfigError(f"--crf is one of {', '.join(known)}, got {self.backend}.")
        if self.backend == "none" and not (self.width is None and self.weight is None):
            raise ConfigError("--crf-width and --crf-weight say how a CRF refines; got --crf none, which refines nothing. Leave one out.")

    def apply(self, refining: Refining, window: int, pixel_size: float) -> Refining:
        """Refining of a model with windows of `window` px, changed as the user says. pixel_size: metres.

        A model without a CRF gets the careful default as soon as anything is said about one.

        Raises:
            ConfigError: the width or the weight is out of range.
        """
        if self == MODELS_OWN:
            return refining
        if self.backend == "none":
            return replace(refining, crf=None)
        crf = refining.crf or default_crf(window)
        if self.backend is not None:
            crf = replace(crf, backend=self.backend)
        if self.width is not None:
            crf = replace(crf, appearance_sigma=self._width(window, pixel_size))
        if self.weight is not None:
            crf = replace(crf, appearance_weight=self.weight)
        return replace(refining, crf=crf)

    def _width(self, window: int, pixel_size: float) -> float:
        """The width in pixels."""
        assert self.width is not None
        pixels = self.width.pixels(pixel_size)
        if not 1 <= pixels <= window:
            most = f"{window}px, {window * pixel_size:g}m"
            raise ConfigError(
                f"--crf-width goes from one pixel to one window ({most}); got {self.width}, {pixels:g} px here. Choose one between."
            )
        return pixels


MODELS_OWN = CrfChoice()
"""Nothing said."""


def default_crf(window: int) -> CrfConfig:
    """The careful CRF for a model that was tuned without one, lengths in pixels."""
    return CrfConfig().scaled(window / _REFERENCE_WINDOW)


def require_backend(crf: CrfConfig | None) -> None:
    """Look before long work whether the backend of a CRF is there.

    Raises:
        MissingExtraError: it is pydensecrf, which is not installed.
    """
    if crf is not None and crf.backend == "pydensecrf":
        require_pydensecrf()


def scan_note(crf: CrfConfig | None) -> str | None:
    """One line about what a backend means for a scan, where there is something to say."""
    if crf is None or crf.backend == "grid":
        return None
    return "CRF by pydensecrf: one CPU core, several times slower than grid; it does not tile exactly, a few pixels in 10,000 differ"
