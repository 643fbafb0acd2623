"""Who computes the units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol


class Runner(Protocol):
    """Anything that calls a function once for each unit, in any order, and tells which are done."""

    def map(self, function: Callable[[int], None], units: Iterable[int]) -> Iterator[int]:
        """Yield the number of each unit when it is done."""
        ...


class SerialRunner:
    """One unit after the other, here."""

    def map(self, function: Callable[[int], None], units: Iterable[int]) -> Iterator[int]:
        """Yield the number of each unit when it is done."""
        for unit in units:
            function(unit)
            yield unit
