"""PNG files of 8 or 16 bits; the header is read before anything is unpacked."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcore.errors import InputError, ShapeError
from segcore.files import fresh_file

GREY, PALETTE = 0, 3
"""Colour types of the header."""

_CHANNELS = {GREY: 1, 2: 3, PALETTE: 3, 4: 2, 6: 4}
_MAGIC = b"\x89PNG\r\n\x1a\n"
_MOST_PACKED = 1100
"""Deflate packs at most 1032 bytes into one; what claims more is no image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PngHeader:
    """What a PNG says of itself."""

    height: int
    width: int
    bits: int
    colour: int

    @property
    def channels(self) -> int:
        """Channels once unpacked; a palette becomes colours."""
        return _CHANNELS[self.colour]


def png_header(path: Path) -> PngHeader:
    """Read the header of a PNG.

    Raises:
        InputError: the file is missing, is no PNG, or is too short for the size it claims.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(33)
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} is needed, but cannot be read ({error.strerror}).") from None
    if len(start) < 33 or start[:8] != _MAGIC or start[12:16] != b"IHDR" or start[25] not in _CHANNELS:
        raise InputError(f"{path} is not a PNG file. Save the image again.")
    width, height, bits, colour = struct.unpack(">IIBB", start[16:26])
    header = PngHeader(height=height, width=width, bits=bits, colour=colour)
    if not width or not height or bits not in (1, 2, 4, 8, 16) or height * (width * bits // 8) > _MOST_PACKED * size:
        raise InputError(f"{path} claims {height} x {width} px in {size} bytes: it is damaged. Save the image again.")
    return header


def read_png(path: Path) -> NDArray[Any]:
    """Read a PNG: (H, W) or (H, W, C), uint8 or uint16, C = 2, 3 or 4; a palette becomes colours.

    Raises:
        InputError: as png_header, or the file is damaged.
    """
    from imagecodecs import png_decode

    header = png_header(path)
    try:
        found = np.asarray(png_decode(path.read_bytes()))
    except Exception as error:  # the decoder raises its own kinds
        raise InputError(f"{path} is damaged ({error}). Save the image again.") from error
    if found.shape[:2] != (header.height, header.width):
        raise InputError(f"{path} is damaged: {found.shape[:2]} px where its header says {header.height} x {header.width}.")
    return found


def write_png(path: Path, array: NDArray[Any]) -> None:
    """Write (H, W) or (H, W, C), uint8 or uint16, C = 2, 3 or 4; the same array gives the same bytes.

    Raises:
        ShapeError: another shape or type.
        OutputError: the folder is closed or the disk is full.
    """
    from imagecodecs import png_encode

    if array.dtype not in (np.uint8, np.uint16) or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (2, 3, 4)):
        raise ShapeError(f"a PNG is (H, W) or (H, W, 2..4) of uint8 or uint16, got {array.dtype} {array.shape}. Write a TIFF instead.")
    with fresh_file(path) as scratch:
        scratch.write_bytes(png_encode(array.copy(order="C")))
