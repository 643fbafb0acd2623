"""ZIP files from strangers: unpacked within bounds, and never outside their folder."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellseg.formats.sources import is_relative
from segcore.errors import InputError

MOST_FILES = 1_000_000
MOST_BYTES = 256 << 30
"""Of all files together, unpacked."""
FREE_BYTES, MOST_GROWTH = 1 << 30, 100
"""Beyond FREE_BYTES, files may not grow to more than MOST_GROWTH times the archive."""
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """The folder of a source: itself, or what a ZIP file holds, unpacked for as long as the block runs.

    Raises:
        InputError: the archive is damaged, too large, locked, or has a member that would land outside its folder.
    """
    if source.is_dir() or source.suffix.lower() != ".zip":
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="cellseg-") as scratch:
        folder = Path(scratch) / (source.stem.strip(". ") or "archive")
        folder.mkdir()
        with zip_members(source) as (archive, members):
            _unpack(source, archive, members, folder)
        yield _innermost(folder)


@contextmanager
def zip_members(source: Path) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """An archive and its files, folders left out, all checked.

    Raises:
        InputError: as opened.
    """
    try:
        archive = zipfile.ZipFile(source)
    except DAMAGED as error:
        raise InputError(f"{source} must be a ZIP file, but cannot be read as such ({error}). Make it again.") from None
    with archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        _require_bounds(source, archive.infolist())
        yield archive, members


def member_bytes(source: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The content of a member, never more than it declares.

    Raises:
        InputError: it is damaged.
    """
    try:
        return archive.read(member)
    except DAMAGED as error:
        raise InputError(f"{source} is damaged, {member.filename!r:.80} cannot be read ({error}). Make it again.") from None


def _require_bounds(source: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if not is_relative(member.filename) or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(
                f"an archive holds files and folders of its own; {source} has {member.orig_filename!r:.80}, which leads elsewhere. "
                "Nothing was unpacked; do not trust this file."
            )
        if member.flag_bits & 1:
            raise InputError(f"an archive is open to read; {source} is locked with a password. Unpack it and import the folder.")
    size = sum(member.file_size for member in members)
    if len(members) > MOST_FILES or size > MOST_BYTES or size > max(FREE_BYTES, MOST_GROWTH * source.stat().st_size):
        raise InputError(
            f"an archive unpacks to at most {MOST_BYTES >> 30} GB and {MOST_GROWTH} times its size; {source} declares "
            f"{len(members)} files of {size / 2**30:.1f} GB. If you trust it, unpack it and import the folder."
        )


def _unpack(source: Path, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> None:
    size, free = sum(member.file_size for member in members), shutil.disk_usage(folder).free
    if size > free:
        raise InputError(f"{source} unpacks to {size / 2**30:.1f} GB, {folder.parent.parent} has {free / 2**30:.1f} GB free. Set TMPDIR.")
    for member in members:
        target = folder / member.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with archive.open(member) as packed, target.open("xb") as out:
                shutil.copyfileobj(packed, out)
        except DAMAGED as error:
            raise InputError(f"{source} is damaged, {member.filename!r:.80} cannot be read ({error}). Make it again.") from None


def _innermost(folder: Path) -> Path:
    """The folder that an archive wraps its files in, else folder."""
    inner = [path for path in folder.iterdir() if path.name != "__MACOSX" and not path.name.startswith(".")]
    return inner[0] if len(inner) == 1 and inner[0].is_dir() and inner[0].name not in ("images", "labels") else folder
