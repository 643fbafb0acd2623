"""Where to read: windows, their grid, and blocks. Geometry only; no pixel is touched here."""

from __future__ import annotations

from dataclasses import dataclass

from segcore.errors import ConfigError


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A rectangle of pixels, (row, col, height, width); it may overhang the image."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """(rows, cols), to index an (..., H, W) array that holds the whole window."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    def grow(self, margin: int) -> Window:
        """The same window with margin pixels more on every side."""
        return Window(self.row - margin, self.col - margin, self.height + 2 * margin, self.width + 2 * margin)

    def shift(self, rows: int, cols: int) -> Window:
        """The same window moved down by rows and right by cols."""
        return Window(self.row + rows, self.col + cols, self.height, self.width)

    def overlap(self, other: Window) -> Window | None:
        """The common rectangle, or None where the two share no pixel."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        bottom = min(self.row + self.height, other.row + other.height)
        right = min(self.col + self.width, other.col + other.width)
        if bottom <= row or right <= col:
            return None
        return Window(row, col, bottom - row, right - col)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridConfig:
    """How a large image is cut into windows and joined again."""

    window: int
    """Edge of a square window, in pixels."""
    overlap: float = 0.5
    """Share of a window that its neighbour sees too."""

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ConfigError(f"a window is at least 1 px wide, got {self.window}.")
        if not 0 <= self.overlap < 1:
            way = f" For {self.overlap:g} pixels write {self.overlap / self.window:.3g}." if 1 <= self.overlap < self.window else ""
            raise ConfigError(f"overlap is a share of the window, 0 <= overlap < 1, got {self.overlap:g}.{way}")

    @property
    def stride(self) -> int:
        """Distance between neighbouring windows, in pixels."""
        return max(1, round(self.window * (1 - self.overlap)))


def window_grid(shape: tuple[int, int], config: GridConfig) -> list[Window]:
    """All windows of an image of shape (H, W), row by row, every pixel covered.

    The grid starts at pixel (0, 0); the last window of a row or column ends flush with the image, so that no
    window is padded unless the image is smaller than a window (then one window overhangs it).
    """
    rows, cols = (_starts(length, config.window, config.stride) for length in shape)
    return [Window(row, col, config.window, config.window) for row in rows for col in cols]


def block_grid(shape: tuple[int, int], block: int) -> list[Window]:
    """Blocks that cut an image of shape (H, W) without overlap; those at the lower and right edge are smaller.

    Raises:
        ConfigError: block < 1.
    """
    if block < 1:
        raise ConfigError(f"a block is at least 1 px wide, got {block}.")
    height, width = shape
    return [
        Window(row, col, min(block, height - row), min(block, width - col))
        for row in range(0, height, block)
        for col in range(0, width, block)
    ]


def _starts(length: int, window: int, stride: int) -> list[int]:
    last = max(0, length - window)
    return [*range(0, last, stride), last]
