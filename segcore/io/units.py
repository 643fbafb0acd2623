"""Units of length as microscopes write them."""

from __future__ import annotations

from math import isfinite
from typing import Any

_MICRO = ("µm", "μm", "um", "micron", "microns", "micrometer", "micrometre", "\\u00B5m")  # the last one as ImageJ escapes it
_OTHERS = {"Å": 1e-4, "angstrom": 1e-4, "nm": 1e-3, "nanometer": 1e-3, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4}
UNITS_UM: dict[str, float] = dict.fromkeys(_MICRO, 1.0) | _OTHERS | {"m": 1e6, "meter": 1e6}
"""Micrometres in a unit."""


def length_um(value: Any, unit: Any) -> float | None:
    """A length in micrometres; None where the value is no length above 0 or the unit is unknown."""
    try:
        edge = float(value) * UNITS_UM[unit]
    except (TypeError, ValueError, KeyError, OverflowError):
        return None
    return edge if isfinite(edge) and edge > 0 else None
