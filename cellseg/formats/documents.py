"""JSON from strangers: what is in it is looked at before it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cellseg.formats.paint import Ring
from segcore.errors import InputError

FARTHEST = 1e7
"""Pixels: coordinates beyond are a mistake."""


def read_document(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: the file is missing, closed, not JSON, or has numbers that are none.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_refuse)
    except OSError as error:
        raise InputError(f"{path} is needed, but cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} must be JSON, but cannot be read as such ({error}). Export it again.") from None


def listed(value: Any, where: str) -> list[dict[str, Any]]:
    """The value, if it is a list of JSON objects.

    Raises:
        InputError: it is not.
    """
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise InputError(f"{where} must be a list of JSON objects; it is not. Export the file again.")
    return value


def ring_of(value: Any, where: str) -> Ring:
    """[[x, y], ...] as (N, 2), N >= 3; further numbers of a corner are left out, and so is a last corner that repeats the first.

    Raises:
        InputError: these are not corners of a polygon, or they are not within FARTHEST pixels.
    """
    try:
        corners = np.asarray(value)
    except ValueError:
        corners = np.zeros(0)
    if corners.ndim != 2 or corners.shape[1] < 2 or corners.dtype.kind not in "iuf" or len(corners) < 3:
        raise InputError(f"a polygon is a list of at least 3 corners [x, y]; {where} has {value!s:.60}. Export it again.")
    ring = corners[:, :2].astype(np.float64)
    if not (np.abs(ring) <= FARTHEST).all():
        raise InputError(f"coordinates are pixels, at most {FARTHEST:g} from the corner of the image; {where} has {np.abs(ring).max():g}.")
    return ring[:-1] if len(ring) > 3 and (ring[0] == ring[-1]).all() else ring


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
