"""How long work speaks: the library reports, whoever calls it decides what to show."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What a caller hands in to hear of long work."""

    def say(self, line: str) -> None:
        """One line worth reading: what was found, chosen or predicted."""
        ...

    def step(self, task: str, done: int, total: int) -> None:
        """done of total parts of task are finished."""
        ...


class Silent:
    """Progress that nobody hears; the default of every library call."""

    def say(self, line: str) -> None:
        """Say nothing."""

    def step(self, task: str, done: int, total: int) -> None:
        """Show nothing."""


def spoken(seconds: float, *, digits: int = 1) -> str:
    """A duration as people say it: 40 s, 3.5 min, 2.1 h. digits: decimals of minutes."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.{digits}f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
