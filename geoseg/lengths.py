"""Lengths as people write them: 80m or 40px."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from segcore.errors import ConfigError

_FORM = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*(m|px)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Length:
    """A length above 0, in metres or in pixels."""

    value: float
    unit: Literal["m", "px"]

    def __post_init__(self) -> None:
        if self.unit not in ("m", "px") or not (math.isfinite(self.value) and self.value > 0):
            raise ConfigError(f"a length is above 0 and has a unit, m or px; got {self.value}{self.unit}. Write it like 80m or 40px.")

    def pixels(self, metres_per_pixel: float) -> float:
        """The length in pixels of that many metres."""
        return self.value if self.unit == "px" else self.value / metres_per_pixel

    def __str__(self) -> str:
        return f"{self.value:g}{self.unit}"


def parse_length(text: str, *, what: str = "a length") -> Length:
    """A length from text such as 80m, 40px or 12.5 m; what: its name in the error.

    Raises:
        ConfigError: no number above 0, or no unit.
    """
    found = _FORM.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        return Length(float(found[1]), "px" if found[2].lower() == "px" else "m")
    except ValueError as error:  # ConfigError too
        raise ConfigError(f"{what} is a number above 0 with its unit, m or px; got {text!r}. Write it like 80m or 40px.") from error
