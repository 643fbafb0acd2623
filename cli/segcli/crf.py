"""Options of the CRF, for the commands that refine: --crf, --crf-width, --crf-weight."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from segcore.crf.names import BACKEND_NAMES

Function = TypeVar("Function", bound=Callable[..., Any])


def crf_options(function: Function) -> Function:
    """All three, as `crf: geoseg.crf_choice.CrfChoice`.

    The command raises ConfigError for a length that is none, and for options that exclude each other.
    """

    @wraps(function)
    def command(*args: Any, crf: Any, crf_width: str | None, crf_weight: float | None, **others: Any) -> Any:
        from geoseg.crf_choice import CrfChoice
        from geoseg.lengths import parse_length

        width = None if crf_width is None else parse_length(crf_width, what="--crf-width")
        return function(*args, crf=CrfChoice(backend=crf, width=width, weight=crf_weight), **others)

    backend = click.option("--crf", type=click.Choice([*BACKEND_NAMES, "none"]), help="Refine the mask.  [default: the model's choice]")
    width = click.option("--crf-width", metavar="LENGTH", help="How far the CRF joins pixels that look alike, as 80m or 40px.")
    weight = click.option("--crf-weight", type=float, metavar="W", help="How strongly it joins them, 0 or more.")
    return cast("Function", backend(width(weight(command))))
