"""What to say of objects that claim the same pixels or lie outside the image."""

from __future__ import annotations

from cellseg.formats.imported import Odd
from cellseg.formats.paint import Painted

OUTSIDE = "objects outside the image, left out"
HIDDEN = "objects wholly covered by smaller ones, left out"
CONTESTED = "pixels claimed by more than one object (the smaller one keeps them)"


def note_overlap(painted: Painted, odd: Odd) -> None:
    """Count what paint had to decide."""
    odd[HIDDEN] += painted.hidden
    odd[CONTESTED] += painted.contested
