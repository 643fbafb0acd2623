"""Run lengths as COCO writes them: column by column, background first, as numbers or packed into text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellseg.formats.paint import Region

_FIRST, _BITS, _SIGN, _MORE, _LONGEST = 48, 5, 0x10, 0x20, 40


def unpack_counts(text: str) -> list[int]:
    """The run lengths in COCO's packed text: 5 bits a character, least first; from the fourth on, the change from two before.

    Raises:
        ValueError: the text is not of that form.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - _FIRST
        if not 0 <= bits < 2 * _MORE or shift > _LONGEST:
            raise ValueError("the packed counts hold something else than run lengths")
        value |= (bits & (_MORE - 1)) << shift
        shift += _BITS
        if bits & _MORE:
            continue
        value -= (1 << shift) if bits & _SIGN else 0
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the packed counts end within a number")
    return counts


def rle_region(counts: Sequence[int], shape: tuple[int, int]) -> Region | None:
    """The pixels of run lengths in an image (H, W); None if there are none.

    Raises:
        ValueError: the lengths are not numbers from 0 that add up to H x W.
    """
    if any(not isinstance(count, int) or isinstance(count, bool) or count < 0 for count in counts) or sum(counts) != shape[0] * shape[1]:
        raise ValueError(f"the run lengths must be numbers from 0 that add up to the {shape[0] * shape[1]} pixels of the image")
    edges = np.cumsum(counts, dtype=np.int64)
    begins, ends = edges[0::2][: len(edges) // 2], edges[1::2]
    full = ends > begins
    begins, ends = begins[full], ends[full]
    if not len(begins):
        return None
    height = shape[0]
    left, right = int(begins[0]) // height, (int(ends[-1]) - 1) // height + 1
    flips = np.zeros((right - left) * height + 1, dtype=np.int8)
    np.add.at(flips, begins - left * height, 1)
    np.add.at(flips, ends - left * height, -1)
    mask = np.cumsum(flips[:-1], dtype=np.int8).astype(np.bool_).reshape(right - left, height).T
    return Region(row=0, col=left, mask=mask)
