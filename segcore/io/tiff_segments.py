"""The tiles and strips of a TIFF as an array that is read in parts, the last ones used kept in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcore.errors import InputError

MOST_SEGMENT = 10**9
"""Bytes of a tile or strip, unpacked; larger ones cannot be read in parts."""
KEPT = 256 << 20
"""Bytes of unpacked segments that stay in memory, for each file."""

_Key = tuple[int, int]


class Segments:
    """The array of a TIFF series; its index is one slice or number an axis, steps are not known."""

    def __init__(self, series: Any, path: Path) -> None:
        """series: of an open tifffile.TiffFile; it may be closed afterwards.

        Raises:
            InputError: planes lie in other files, or a segment is larger than MOST_SEGMENT.
        """
        frame = series.keyframe
        self.path, self.dtype = path, np.dtype(series.dtype)
        self.shape: tuple[int, ...] = tuple(series.shape)
        self._frame, self._lead = frame, self.shape[: len(self.shape) - len(frame.shape)]
        self._pages = [series.pages[number] for number in range(len(series.pages))]
        self._lock, self._kept, self._bytes = threading.Lock(), OrderedDict[_Key, NDArray[Any] | None](), 0
        if any(page is None for page in self._pages):
            raise InputError(f"an image lies in one file; planes of {path} lie in others. Save it as one file.")
        if self.shape[len(self._lead) :] != frame.shape or int(np.prod(self._lead)) != len(self._pages):
            raise InputError(f"{path} stores its {series.axes} {self.shape} in a way that is not known here. Save it as OME-TIFF.")
        self._require_small(frame)

    def __getitem__(self, key: tuple[slice | int, ...]) -> NDArray[Any]:
        """The part of the array that key names."""
        ranges = [_range(part, length) for part, length in zip(key, self.shape, strict=True)]
        if any(part.step != 1 for part in ranges):
            raise IndexError(f"parts of a TIFF are taken without steps, got {key}.")
        lead, inner = ranges[: len(self._lead)], ranges[len(self._lead) :]
        out = np.zeros([len(part) for part in ranges], dtype=self.dtype.newbyteorder("="))
        for place in product(*lead):
            number = int(np.ravel_multi_index(place, self._lead)) if place else 0
            out[tuple(at - part.start for at, part in zip(place, lead, strict=True))] = self._plane(number, inner)
        return out[tuple(slice(None) if isinstance(part, slice) else 0 for part in key)]

    def _plane(self, number: int, inner: list[range]) -> NDArray[Any]:
        """Part of a page, in the axes of its page: YX, YXS or SYX, each with Z before Y where pages have depth."""
        frame = self._frame
        wide = _five(inner, frame)
        out = np.zeros([len(part) for part in wide], dtype=self.dtype.newbyteorder("="))
        _, depth, high, broad, _ = frame.shaped
        rows, cols = (frame.tilelength, frame.tilewidth) if frame.is_tiled else (min(frame.rowsperstrip, high), broad)
        deep = frame.tiledepth if frame.is_tiled else 1
        across, down, through = -(-broad // cols), -(-high // rows), -(-depth // deep)
        steps = (wide[0], _over(wide[1], deep), _over(wide[2], rows), _over(wide[3], cols))
        for sample, z, row, col in product(*steps):
            segment = self._segment(number, ((sample * through + z) * down + row) * across + col)
            if segment is not None:
                _paste(out, wide, segment, (sample, z * deep, row * rows, col * cols, 0))
        return out.reshape([len(part) for part in inner])

    def _segment(self, number: int, index: int) -> NDArray[Any] | None:
        """Segment (depth, rows, cols, samples); None where nothing is stored."""
        with self._lock:
            key = number, index
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            found = self._decode(number, index)
            self._kept[key] = found
            self._bytes += 0 if found is None else found.nbytes
            while self._bytes > KEPT and len(self._kept) > 1:
                _, old = self._kept.popitem(last=False)
                self._bytes -= 0 if old is None else old.nbytes
            return found

    def _decode(self, number: int, index: int) -> NDArray[Any] | None:
        page = self._pages[number]
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        if not count:
            return None
        with self.path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(count)
        if len(data) < count:
            raise InputError(f"{self.path} is truncated: a part of {count:,} bytes at {offset:,} is not there. Get the file again.")
        found = self._frame.decode(data, index, jpegtables=page.jpegtables)[0]
        return None if found is None else np.asarray(found)

    def _require_small(self, frame: Any) -> None:
        _, _, high, broad, samples = frame.shaped
        rows, cols = (frame.tilelength, frame.tilewidth) if frame.is_tiled else (min(frame.rowsperstrip, high), broad)
        size = rows * cols * samples * self.dtype.itemsize
        if size > MOST_SEGMENT:
            raise InputError(
                f"a compressed TIFF is read by its tiles or strips, up to {MOST_SEGMENT / 1e9:g} GB each; {self.path} keeps "
                f"{size / 1e9:.1f} GB in one. Save it tiled, as with 'tiffcp -t {self.path.name} tiled.tif', or uncompressed."
            )


def _range(part: slice | int, length: int) -> range:
    return range(*part.indices(length)) if isinstance(part, slice) else range(part, part + 1)


def _five(inner: list[range], frame: Any) -> list[range]:
    """Ranges of (separate sample, depth, row, col, contiguous sample)."""
    found = dict(zip(frame.axes, inner, strict=True))
    one = range(1)
    separate = frame.shaped[0] > 1
    samples = found.get("S", one)
    return [samples if separate else one, found.get("Z", one), found["Y"], found["X"], one if separate else samples]


def _over(part: range, edge: int) -> range:
    """Numbers of the pieces of an edge that a range touches."""
    return range(part.start // edge, -(-part.stop // edge)) if part else range(0)


def _paste(out: NDArray[Any], wide: list[range], segment: NDArray[Any], start: tuple[int, ...]) -> None:
    """Copy what a segment (depth, rows, cols, samples) that begins at start shares with the part out."""
    target, source = [], []
    for part, first, length in zip(wide, start, (1, *segment.shape), strict=True):
        low, high = max(part.start, first), min(part.stop, first + length)
        if high <= low:
            return
        target.append(slice(low - part.start, high - part.start))
        source.append(slice(low - first, high - first))
    out[tuple(target)] = segment[None][tuple(source)]
