"""Patches made ready while the network works on those before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

_WAITING = 8
"""Items ready or under way, for each thread."""


def made_ahead(make: Callable[[Item], Made], items: Iterable[Item], workers: int) -> Iterator[Made]:
    """make(item) for each item, in order; by so many threads ahead of their use, or by none."""
    if workers < 1:
        yield from map(make, items)
        return
    rest = iter(items)
    pool = ThreadPoolExecutor(workers)
    try:
        waiting: deque[Future[Made]] = deque(pool.submit(make, item) for item in islice(rest, workers * _WAITING))
        while waiting:
            done = waiting.popleft().result()
            waiting.extend(pool.submit(make, item) for item in islice(rest, 1))
            yield done
    finally:
        pool.shutdown(cancel_futures=True)
