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
