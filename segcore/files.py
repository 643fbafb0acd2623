"""Write whole or not at all: folders and files appear under their final name by one rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from segcore.errors import InputError, OutputError


def require_free(path: Path, *, overwrite: bool = False) -> None:
    """Refuse an output path before any work is done for it.

    Raises:
        OutputError: path exists (and overwrite is off), or no folder can be made there.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"an output is never replaced silently; {path} exists. Choose another name or pass --overwrite.")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"the output needs a folder that can be written; {parent} cannot. Choose another -o.")


@contextmanager
def fresh_dir(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a scratch folder beside path; it becomes path only if the block succeeds.

    Raises:
        OutputError: path exists and overwrite is off, the folder is closed, or the disk is full.
    """
    require_free(path, overwrite=overwrite)
    with _scratch(path) as scratch:
        scratch.mkdir(parents=True)
        yield scratch
        _replace_dir(scratch, path)


@contextmanager
def fresh_file(path: Path) -> Iterator[Path]:
    """Yield a scratch file name in path's folder (same suffix); it replaces path only if the block succeeds."""
    with _scratch(path) as scratch:
        scratch.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        scratch.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write value as indented UTF-8 JSON, whole or not at all. NaN is refused."""
    with fresh_file(path) as scratch:
        scratch.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file is missing, is not JSON, or holds something other than an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is needed, but is not there.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} must be JSON, but cannot be read as such ({error}). Make it again.") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a JSON object, got a {type(value).__name__}. Make it again.")
    return value


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """A hidden name beside path, removed again when the block fails; a full disk is said in one line."""
    scratch = path.with_name(f".{path.stem}.{uuid4().hex[:8]}{path.suffix}")
    try:
        yield scratch
    except BaseException as error:
        if scratch.is_dir():
            shutil.rmtree(scratch, ignore_errors=True)
        else:
            scratch.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise OutputError(f"the disk of {path.parent} is full; nothing was written. Free space or choose another -o.") from error
        if isinstance(error, PermissionError):
            raise OutputError(f"{path.parent} cannot be written; nothing was written. Choose another -o.") from error
        raise


def _replace_dir(scratch: Path, path: Path) -> None:
    """Rename scratch to path; an older path is set aside first and removed last."""
    if not path.exists():
        scratch.rename(path)
        return
    old = path.with_name(f".{path.name}.{uuid4().hex[:8]}.old")
    path.rename(old)
    scratch.rename(path)
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink()
