"""Points to labelled chips: a crop around every known site, and as many where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.chipset import FLAG_IGNORE, FLAG_SITE, FLAG_VALID, MIN_VALID, usable
from geoseg.contact import contact_sheet
from geoseg.export import write_layers
from geoseg.grid import GeoGrid
from geoseg.vectors import Points, rasterise
from segcore.data.stretch import Stretch, StretchedImage, fit_stretch
from segcore.data.variants import CORNERS, corner_shift
from segcore.errors import ConfigError, InputError
from segcore.files import fresh_dir, write_json
from segcore.io.memory import MemoryImage
from segcore.io.protocol import ImageSource
from segcore.progress import Progress, Silent
from segcore.windows import Window

CHIP_SHARE = 2.5
"""Edge of a chip, in windows: every variant of a window finds its pixels."""
BUFFER_SHARE = 1 / 6
"""Default distance that a negative window keeps from a site, in windows: half the largest common site."""
FEW = 30
_TRIES = 2000
"""How many places are tried in vain before the search for negatives ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipConfig:
    """What is cut. Lengths on the ground are metres, windows and chips are pixels."""

    window: int = 400
    """What a network will see, 2.5 to 4 times the largest common site."""
    chip: int | None = None
    """Edge of a chip; by default 2.5 windows."""
    min_distance: float | None = None
    """Distance between a negative window and any known site, in metres; by default a sixth of a window."""
    jitter: float | None = None
    """Extra random shift of training windows, in metres; by default a sixteenth of a window."""
    negatives: int | None = None
    """How many places without a site; by default as many as sites."""
    stretch: Literal["scene", "chip"] = "scene"
    """One contrast for the whole raster, or each chip its own (as in the thesis; a scan cannot do the same)."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.window < 16:
            raise ConfigError(f"a window is at least 16 px wide, got {self.window}.")
        if self.chip is not None and self.chip < 2 * self.window:
            raise ConfigError(f"a chip is at least 2 windows wide, got {self.chip} for windows of {self.window}. Leave --chip out.")
        if self.negatives is not None and self.negatives < 1:
            raise ConfigError(f"training needs at least one negative, got {self.negatives}.")
        for name, value in (("min-distance", self.min_distance), ("jitter", self.jitter)):
            if value is not None and not value >= 0:
                raise ConfigError(f"--{name} is a length in metres, 0 or more; got {value:g}.")

    @property
    def edge(self) -> int:
        """Edge of a chip in pixels."""
        return self.chip or round(CHIP_SHARE * self.window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What chips are cut from: the raster, where sites are known, and what to leave alone."""

    source: ImageSource
    """Pixels; those outside the area asked for are masked."""
    grid: GeoGrid
    fingerprint: dict[str, Any]
    """Identifies the raster."""
    sites: Points
    negatives: Points | None = None
    """Places without a site that the user confirmed; otherwise they are drawn at random."""
    ignore: geopandas.GeoDataFrame | None = None
    """Polygons, in the raster's CRS, that are neither site nor clean background."""


def cut_chips(
    ground: Ground, out: Path, config: ChipConfig, *, overwrite: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Cut chips into a new folder and return its facts (chips.json).

    The folder holds chips.npy (N, C, S, S) uint8, flags.npy (N, S, S) uint8, points.gpkg (layers sites and negatives;
    strike out what is wrong and pass the layer as --negatives), contact.png and chips.json. Sites come first.

    Raises:
        InputError: no site lies on valid pixels, or no place for a negative is left.
        OutputError: out exists or cannot be written.
    """
    heard: Progress = progress or Silent()
    with fresh_dir(out, overwrite=overwrite, replaces="chips.json") as folder:
        stretch = fit_stretch(ground.source)
        cutter = _Cutter(ground, config, StretchedImage(ground.source, stretch))
        sites = [i for i, place in enumerate(cutter.sites) if _seen(cutter.flags(place), config.window)]
        if not sites:
            raise InputError(
                f"training needs sites on valid pixels; all {len(ground.sites)} points lie on nodata. Check --nodata and --area."
            )
        if len(sites) < len(ground.sites):
            heard.say(f"{len(ground.sites) - len(sites)} of {len(ground.sites)} points lie on nodata and are left out")
        negatives = _negatives(ground, config, cutter, config.negatives or len(sites), heard)
        places = [cutter.sites[i] for i in sites] + negatives
        ids = [ground.sites.ids[i] for i in sites] + [f"n{i + 1:04d}" for i in range(len(negatives))]
        labels = [1] * len(sites) + [0] * len(negatives)
        _write_arrays(folder, cutter, places, config.edge, heard)
        facts = _facts(ground, config, stretch, places, ids, labels)
        write_json(folder / "chips.json", facts)
        write_layers(folder / "points.gpkg", _layers(facts, ground.grid))
        contact_sheet(np.load(folder / "chips.npy", mmap_mode="r"), labels, ids, folder / "contact.png", window=config.window)
    heard.say(_count_line(len(sites), len(negatives)))
    return facts


class _Cutter:
    """Chips and their flags at pixel places (row, col)."""

    def __init__(self, ground: Ground, config: ChipConfig, image: StretchedImage) -> None:
        self.ground, self.config, self.image = ground, config, image
        self.sites: list[tuple[int, int]] = [(int(r), int(c)) for r, c in np.floor(ground.grid.to_pixels(ground.sites.xy))]
        metres = config.min_distance if config.min_distance is not None else BUFFER_SHARE * config.window * ground.grid.pixel_size
        self.buffer = metres / ground.grid.pixel_size
        self._places = np.array(self.sites, dtype=np.float64)

    def window(self, place: tuple[int, int]) -> Window:
        half = self.config.edge // 2
        return Window(place[0] - half, place[1] - half, self.config.edge, self.config.edge)

    def pixels(self, place: tuple[int, int]) -> NDArray[np.uint8]:
        """(C, S, S), stretched."""
        window = self.window(place)
        if self.config.stretch == "scene":
            return self.image.read(window)
        raw = MemoryImage(self.ground.source.read(window), self.ground.source.mask(window))
        return StretchedImage(raw, fit_stretch(raw)).read(Window(0, 0, window.height, window.width))

    def flags(self, place: tuple[int, int]) -> NDArray[np.uint8]:
        """(S, S): bits FLAG_VALID, FLAG_SITE, FLAG_IGNORE."""
        window = self.window(place)
        flags = self.ground.source.mask(window) * FLAG_VALID
        rows, cols = np.ogrid[window.row : window.row + window.height, window.col : window.col + window.width]
        reach = self.config.edge / 2 + self.buffer + 1
        for row, col in self._places[np.abs(self._places - place).max(axis=1) <= reach]:
            flags = flags | (((rows - row) ** 2 + (cols - col) ** 2 <= self.buffer**2) * FLAG_SITE)
        if self.ground.ignore is not None:
            flags = flags | rasterise(self.ground.ignore.geometry, self.ground.grid, window) * FLAG_IGNORE
        return flags.astype(np.uint8)


def _seen(flags: NDArray[np.uint8], window: int) -> bool:
    """Whether the window at the chip's centre holds enough valid pixels."""
    middle = slice(len(flags) // 2 - window // 2, len(flags) // 2 - window // 2 + window)
    return bool((flags[middle, middle] & FLAG_VALID > 0).mean() >= MIN_VALID)


def _negatives(ground: Ground, config: ChipConfig, cutter: _Cutter, wanted: int, progress: Progress) -> list[tuple[int, int]]:
    """Places of negatives: those confirmed by the user, else random ones that have at least one usable crop."""
    if ground.negatives is not None:
        given = [(int(r), int(c)) for r, c in np.floor(ground.grid.to_pixels(ground.negatives.xy))]
        kept = [place for place in given if _has_crop(cutter.flags(place), config.window)]
        if len(kept) < len(given):
            progress.say(f"{len(given) - len(kept)} of {len(given)} negatives touch a site, ignored ground or nodata and are left out")
    else:
        kept = _draw_places(ground, wanted, lambda place: _has_crop(cutter.flags(place), config.window), config.seed)
        if len(kept) < wanted:
            progress.say(f"only {len(kept)} of {wanted} places without a site were found; a smaller --window finds more")
    if not kept:
        raise InputError(
            f"training needs places without a site; none is left where a window of {config.window} px keeps "
            f"{cutter.buffer * ground.grid.pixel_size:.0f} m from every site. Use a smaller --window or --min-distance."
        )
    return kept


def _draw_places(ground: Ground, wanted: int, good: Callable[[tuple[int, int]], bool], seed: int) -> list[tuple[int, int]]:
    """Up to wanted random places (row, col) on valid pixels that are good."""
    rng = np.random.default_rng([seed, 1])
    _, height, width = ground.source.shape
    kept: list[tuple[int, int]] = []
    vain = 0
    while len(kept) < wanted and vain < _TRIES:
        place = int(rng.integers(height)), int(rng.integers(width))
        if ground.source.mask(Window(*place, 1, 1))[0, 0] and good(place):
            kept.append(place)
            vain = 0
        else:
            vain += 1
    return kept


def _has_crop(flags: NDArray[np.uint8], window: int) -> bool:
    for corner in CORNERS:
        row, col = (len(flags) // 2 + s - window // 2 for s in corner_shift(corner, window))
        if usable(flags[row : row + window, col : col + window]):
            return True
    return False


def _write_arrays(folder: Path, cutter: _Cutter, places: list[tuple[int, int]], edge: int, progress: Progress) -> None:
    """Chip after chip, not through a memory map: there a full disk kills the process without a word."""
    with (folder / "chips.npy").open("wb") as chips, (folder / "flags.npy").open("wb") as flags:
        for stream, shape in ((chips, (len(places), cutter.image.shape[0], edge, edge)), (flags, (len(places), edge, edge))):
            np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for i, place in enumerate(places):
            chips.write(cutter.pixels(place).tobytes())
            flags.write(cutter.flags(place).tobytes())
            progress.step("chips", i + 1, len(places))


def _facts(
    ground: Ground, config: ChipConfig, stretch: Stretch, places: list[tuple[int, int]], ids: list[str], labels: list[int]
) -> dict[str, Any]:
    grid, pixel = ground.grid, ground.grid.pixel_size
    jitter = config.jitter if config.jitter is not None else config.window * pixel / 16
    return {
        "format": 1,
        "raster": ground.source.name,
        "fingerprint": ground.fingerprint,
        "crs": grid.crs.to_wkt(),
        "transform": list(grid.transform)[:6],
        "shape": list(ground.source.shape),
        "pixel_size": pixel,
        "window": config.window,
        "chip": config.edge,
        "jitter": round(jitter / pixel),
        "stretch": asdict(stretch),
        "stretch_mode": config.stretch,
        "seed": config.seed,
        "ground_pixels": _ground_pixels(ground.source),
        "points": [{"id": i, "label": label, "row": row, "col": col} for i, label, (row, col) in zip(ids, labels, places, strict=True)],
    }


def _ground_pixels(source: ImageSource) -> int:
    """About how many valid pixels there are, from 32 x 32 places spread over the image."""
    _, height, width = source.shape
    rows, cols = (((np.arange(32) + 0.5) * length / 32).astype(int) for length in (height, width))
    seen = sum(bool(source.mask(Window(int(row), int(col), 1, 1))[0, 0]) for row in rows for col in cols)
    return max(1, round(height * width * seen / 1024))


def _layers(facts: dict[str, Any], grid: GeoGrid) -> dict[str, geopandas.GeoDataFrame]:
    points = facts["points"]
    xy = grid.to_map([(p["row"] + 0.5, p["col"] + 0.5) for p in points])
    frame = geopandas.GeoDataFrame({"id": [p["id"] for p in points]}, geometry=shapely.points(xy), crs=grid.crs.to_wkt())
    labels = np.array([p["label"] for p in points])
    return {name: frame[labels == label].reset_index(drop=True) for name, label in (("sites", 1), ("negatives", 0))}


def _count_line(sites: int, negatives: int) -> str:
    line = f"{sites} sites, {negatives} negatives"
    if sites >= FEW:
        return line
    return f"{line}: fewer than {FEW} sites is little; expect unstable results, and check every outline by eye"
