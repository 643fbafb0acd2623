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


def require_free(path: Path, *, overwrite: bool = False, replaces: str | None = None) -> None:
    """Refuse an output path before any work is done for it.

    replaces: a file that an older output of the same kind holds; with overwrite, any other folder there is left alone.

    Raises:
        OutputError: path exists (and overwrite is off, or it is something else), has no name of its own, or no folder
            can be made there.
    """
    if path.name in ("", ".."):
        raise OutputError(f"an output needs a name of its own, got {path}. Choose another -o.")
    if os.path.lexists(path):
        if not overwrite:
            raise OutputError(f"an output is never replaced silently; {path} exists. Choose another name or pass --overwrite.")
        if replaces is not None and not (path / replaces).is_file():
            raise OutputError(
                f"--overwrite replaces an earlier output, which holds {replaces}; {path} is something else. Choose another -o."
            )
    parent = next(p for p in path.absolute().parents if os.path.lexists(p))
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"the output needs a folder that can be written; {parent} cannot. Choose another -o.")


def require_spared(source: Path, out: Path) -> None:
    """Refuse an output, replaced or not, that is or holds what it is made of.

    Raises:
        OutputError: source is out, or lies in it.
    """
    if source.resolve().is_relative_to(out.resolve()):
        raise OutputError(f"an output does not replace its own source; {source} would be lost. Choose another -o.")


@contextmanager
def fresh_dir(path: Path, *, overwrite: bool = False, replaces: str | None = None) -> Iterator[Path]:
    """Yield a scratch folder beside path; it becomes path only if the block succeeds.

    overwrite, replaces: as in require_free. What path was before stays until then, and for good if the block fails.

    Raises:
        OutputError: path exists and may not be replaced, the folder is closed, or the disk is full.
    """
    require_free(path, overwrite=overwrite, replaces=replaces)
    with _scratch(path) as scratch:
        scratch.mkdir(parents=True)
        yield scratch
        require_free(path, overwrite=overwrite, replaces=replaces)  # someone else may have been quicker
        _replace_dir(scratch, path)


@contextmanager
def fresh_file(path: Path) -> Iterator[Path]:
    """Yield a scratch file name in path's folder (same suffix); it replaces path only if the block succeeds.

    Raises:
        OutputError: the folder is closed, path is a folder, or the disk is full.
    """
    with _scratch(path) as scratch:
        scratch.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        scratch.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write value as indented UTF-8 JSON, whole or not at all.

    Raises:
        OutputError: as fresh_file.
        ValueError: value holds NaN or an infinity, which JSON does not know.
        TypeError: value holds something other than JSON values.
    """
    with fresh_file(path) as scratch:
        scratch.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file is missing or closed, is not JSON, or holds something other than an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is needed, but is not there.") from None
    except OSError as error:
        raise InputError(f"{path} is needed, but cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} must be JSON, but cannot be read as such ({error}). Make it again.") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a JSON object, got a {type(value).__name__}. Make it again.")
    return value


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes, read in pieces.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """A hidden name beside path, removed again when the block fails; a full disk or closed folder is said in one line."""
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
        if isinstance(error, OSError) and _about(error, scratch):
            raise OutputError(f"{path} cannot be written ({error.strerror}); nothing was written. Choose another -o.") from error
        raise


def _about(error: OSError, scratch: Path) -> bool:
    """Whether an error names the scratch, something in it, or a folder above it: not a file that the block read."""
    if error.filename is None:
        return False
    named = Path(os.fsdecode(error.filename)).absolute()
    return named.is_relative_to(scratch.absolute()) or scratch.absolute().is_relative_to(named)


def _replace_dir(scratch: Path, path: Path) -> None:
    """Rename scratch to path; an older path is set aside first, put back on failure, and removed last."""
    if not os.path.lexists(path):
        scratch.rename(path)
        return
    old = path.with_name(f".{path.stem}.{uuid4().hex[:8]}.old")
    path.rename(old)
    try:
        scratch.rename(path)
    except BaseException:
        old.rename(path)
        raise
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink()
