"""One process at a time fills the folder of a study. However it ends, killed too, it leaves the folder free."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from segcore.errors import OutputError

LOCK_FILE = ".lock"
"""Is locked while a process works in the folder; one that nobody has locked means nothing."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep all other processes out of it until the block ends, however it does; if it is empty then, it goes.

    Raises:
        OutputError: another process works in the folder, or it cannot be written.
    """
    lock = FileLock(folder / LOCK_FILE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(f"one process at a time fills the folder of a study; another one does in {folder}. Wait for it.") from None
    except OSError as error:
        raise OutputError(f"a study needs a folder that it can write; {folder} is none ({error.strerror}). Choose another -o.") from error
    try:
        yield
    finally:
        with suppress(OSError):  # where a file in use cannot go, releasing it takes it away
            (folder / LOCK_FILE).unlink()
        lock.release()
        with suppress(OSError):
            folder.rmdir()
