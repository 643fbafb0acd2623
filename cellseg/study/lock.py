"""One process at a time fills the folder of a study: a file in it says which."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from segcore.errors import OutputError

LOCK_FILE = ".lock"
"""Holds "PID HOST" while a process works in the folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep all other processes out of it until the block ends, however it does; if it is empty then, it goes.

    The lock of a process of this host that has died is taken over.

    Raises:
        OutputError: another process works in the folder, or it cannot be written.
    """
    path = folder / LOCK_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _is_stale(path):
            path.unlink(missing_ok=True)
        number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except OSError as error:
        raise OutputError(_refusal(folder, path, error)) from error
    try:
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            stream.write(f"{os.getpid()} {socket.gethostname()}")
        yield
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


def _read(path: Path) -> tuple[int, str] | None:
    """(process, host) of a lock; None where it says neither: it may just be written."""
    try:
        number, host = path.read_text(encoding="utf-8").split(" ", 1)
        return int(number), host
    except (OSError, ValueError):
        return None


def _refusal(folder: Path, path: Path, error: OSError) -> str:
    if not (isinstance(error, FileExistsError) and folder.is_dir()):
        return f"a study needs a folder that it can write; {folder} is none ({error.strerror}). Choose another -o."
    found = _read(path)
    who = "another process" if found is None else f"process {found[0]} of {found[1]}"
    return f"one process at a time fills the folder of a study; {who} does in {folder}. Wait for it, or remove {path} if it has ended."


def _is_stale(path: Path) -> bool:
    found = _read(path)
    return found is not None and found[1] == socket.gethostname() and not _is_alive(found[0])


def _is_alive(process: int) -> bool:
    """Whether there is such a process; on Windows, where asking would end it, yes."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True
