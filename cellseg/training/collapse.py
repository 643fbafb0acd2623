"""What is told where no start of a network leaves the background."""

from __future__ import annotations

from segcore.errors import RunError


class CollapseError(RunError):
    """Each start of a network ended with everything called background, so there is no model; the data or the time were too little.

    Another RunError of a training, such as a loss that is no number, is no collapse.
    """
