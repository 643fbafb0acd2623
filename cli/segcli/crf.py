"""Options of the CRF, for the commands that refine: --crf, --crf-width, --crf-weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from segcore.crf.names import BACKEND_NAMES

if TYPE_CHECKING:
    from geoseg.crf_choice import CrfChoice

Function = TypeVar("Function", bound=Callable[..., Any])


def crf_options(function: Function) -> Function:
    """What crf_choice reads: `crf: str | None`, `crf_width: str | None`, `crf_weight: float | None`."""
    backend = click.option("--crf", type=click.Choice([*BACKEND_NAMES, "none"]), help="Refine the mask.  [default: the model's choice]")
    width = click.option("--crf-width", metavar="LENGTH", help="How far the CRF joins pixels that look alike, as 80m or 40px.")
    weight = click.option("--crf-weight", type=float, metavar="W", help="How strongly it joins them, 0 or more.")
    return backend(width(weight(function)))


def crf_choice(crf: Any, crf_width: str | None, crf_weight: float | None) -> CrfChoice:
    """The three options as the library wants them.

    Raises:
        ConfigError: a length that is none, or options that exclude each other.
    """
    from geoseg.crf_choice import CrfChoice
    from geoseg.lengths import parse_length

    width = None if crf_width is None else parse_length(crf_width, what="--crf-width")
    return CrfChoice(backend=crf, width=width, weight=crf_weight)
