"""What a raster is, what stands in the way of using it, and what a scan of it will cost; from samples, never the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from geoseg.area import Area, read_area
from geoseg.grid import crs_name
from geoseg.opening import open_dataset, tiling_command
from geoseg.raster import RasterSource, open_raster
from geoseg.trust import gdal_options, local_file
from segcore.errors import InputError
from segcore.windows import GridConfig, Window, window_grid

_SAMPLES = 12
_PERCENTILES = (0, 2, 50, 98, 100)
_PROCESS_BYTES = 900 << 20
_CACHE_BYTES = 256 << 20
_GUESS = 0.25 / 400**2
"""Seconds that one network needs for a pixel of a window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a scan will take; figures are estimates, RAM and disk on the safe side."""

    windows: int
    """Windows that cover the raster."""
    windows_with_data: int
    """Windows that hold at least one valid pixel and so reach the network, from the sample."""
    ram_bytes: int
    """Host memory of all processes."""
    disk_bytes: int
    """Result rasters with overviews, uncompressed."""
    hours: float
    """Computing time of windows_with_data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a raster. Fields are None where a refused raster does not allow to know them."""

    name: str
    """File name."""
    bytes: int
    """Size of the file."""
    driver: str
    """GDAL's name of the format."""
    height: int
    """Rows as stored."""
    width: int
    """Columns as stored."""
    bands: tuple[str, ...]
    """Descriptions or colours of all bands."""
    dtype: str
    """Pixel type of the first band."""
    crs: str | None
    """CRS as stored."""
    pixel_size: float | None
    """Edge in metres of a pixel as it is read."""
    nodata: str | None
    """Declared nodata value."""
    block: tuple[int, int]
    """Height and width of the blocks the file is stored in."""
    overviews: tuple[int, ...]
    """Factors of the overviews."""
    valid_share: float | None
    """Share of pixels that hold data, 0..1, from the sample."""
    percentiles: Mapping[str, float] | None
    """Values at 0, 2, 50, 98 and 100 % of the sampled valid pixels of the first band read."""
    notes: tuple[str, ...]
    """What is done in a way that the user should know."""
    problems: tuple[str, ...]
    """What stands in the way, each with the way out."""
    forecast: Forecast | None
    """What a scan will take."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: dicts, lists, numbers and texts."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def lines(self) -> list[str]:
        """What to show on a terminal, one fact a line, problems last."""
        place = self.crs or "no CRS"
        size = "" if self.pixel_size is None else f", {self.pixel_size:.4g} m a pixel"
        lines = [
            f"{self.name}: {self.driver}, {_size(self.bytes)}, {self.width} x {self.height} px, {self.dtype}, {place}{size}",
            f"bands: {', '.join(f'{number} {word}' for number, word in enumerate(self.bands, 1))}",
            f"stored in blocks of {self.block[1]} x {self.block[0]} px; overviews: {', '.join(map(str, self.overviews)) or 'none'}",
        ]
        if self.valid_share is not None and self.percentiles is not None:
            values = ", ".join(f"{value:.6g} ({key} %)" for key, value in self.percentiles.items())
            lines += [f"valid pixels: {self.valid_share:.1%}; nodata value: {self.nodata or 'none'}", f"values: {values}"]
        if self.forecast is not None:
            cost = self.forecast
            lines.append(f"a scan: {cost.windows} windows, about {cost.windows_with_data} with data, {_hours(cost.hours)}")
            lines.append(f"        at most {_size(cost.ram_bytes)} of memory and {_size(cost.disk_bytes)} of disk")
        return [*lines, *(f"note: {line}" for line in self.notes), *(f"problem: {line}" for line in self.problems)]


def inspect_raster(
    path: Path | str,
    *,
    bands: tuple[int, ...] | None = None,
    nodata: float | None = None,
    area: str | Path | None = None,
    pixel_size: float | None = None,
    window: int = 400,
    overlap: float = 0.5,
    members: int = 1,
    seconds_per_window: float | None = None,
    workers: int = 1,
    allow_remote: bool = False,
) -> Facts:
    """Look at a raster; one that open_raster refuses is described as far as possible, the refusal being a problem.

    window, overlap, members (networks), seconds_per_window (one window on one worker; by default a guess) and workers:
    the scan to forecast. area: only this part is sampled and scanned, see geoseg.area.read_area.

    Raises:
        InputError: no such file, no raster, or an area beside it.
        ConfigError: an option outside its range.
    """
    config = GridConfig(window=window, overlap=overlap)
    text = local_file(path, what="a raster", allow_remote=allow_remote)
    with rasterio.Env(**gdal_options(allow_remote=allow_remote)), open_dataset(text, allow_remote=allow_remote) as dataset:
        stored = _stored(dataset, text)
        problems = _layout_problems(dataset, str(path))
    try:
        source = open_raster(path, bands=bands, nodata=nodata, pixel_size=pixel_size, allow_remote=allow_remote)
    except InputError as error:
        unknown: dict[str, Any] = dict.fromkeys(("pixel_size", "valid_share", "percentiles", "forecast"))
        return Facts(**stored, **unknown, notes=(), problems=(str(error), *problems))
    with source:
        wanted = None if area is None else read_area(area, source.grid, crs=source.native_crs)
        sample = _Sample.of(source, config, wanted)
        seconds = members * _GUESS * window**2 if seconds_per_window is None else seconds_per_window
        problems = (*problems, *_value_problems(source, sample))
        return Facts(
            **stored,
            pixel_size=source.pixel_size,
            valid_share=sample.valid_share,
            percentiles=sample.percentiles,
            notes=(*source.notes, *_notes(source, sample)),
            problems=problems,
            forecast=_forecast(source, wanted, sample, config, seconds, workers),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """What 144 windows spread over the raster show."""

    values: NDArray[Any]
    """Valid pixels of the first band, thinned."""
    valid_share: float
    window_share: float
    """Share of windows with at least one valid pixel."""

    @classmethod
    def of(cls, source: RasterSource, config: GridConfig, area: Area | None) -> _Sample:
        """Read the sample; windows follow each other row by row, so that untiled files are read once."""
        extent = _extent(source, area)
        windows = [own.shift(extent.row, extent.col) for own in _spread((extent.height, extent.width), config.window)]
        values, valid, pixels, seen = [], 0, 0, 0
        for window in windows:
            mask = source.mask(window) & area.mask(window) if area else source.mask(window)
            pixels, valid, seen = pixels + mask.size, valid + int(mask.sum()), seen + bool(mask.any())
            if mask.any():
                values.append(source.read(window)[0][mask][::16])
        return cls(
            values=np.concatenate(values) if values else np.zeros(0, dtype=source.dtype),
            valid_share=valid / pixels,
            window_share=seen / len(windows),
        )

    @property
    def percentiles(self) -> dict[str, float] | None:
        """Values at the percentiles; None where the sample met no valid pixel."""
        if len(self.values) == 0:
            return None
        return dict(zip(map(str, _PERCENTILES), np.percentile(self.values.astype(np.float64), _PERCENTILES).tolist(), strict=True))


def _extent(source: RasterSource, area: Area | None) -> Window:
    """The part of the raster that is looked at."""
    return area.window if area else source.grid.extent


def _spread(shape: tuple[int, int], edge: int) -> list[Window]:
    """12 x 12 windows at even distances from the first to the last pixel, inside the raster; fewer in a small one."""
    rows, cols = (
        sorted({int(start) for start in np.linspace(0, max(0, length - edge), min(_SAMPLES, -(-length // edge)))}) for length in shape
    )
    return [Window(row, col, min(edge, shape[0]), min(edge, shape[1])) for row in rows for col in cols]


def _stored(dataset: Any, path: str) -> dict[str, Any]:
    file = Path(path)
    words = [text or kind.name for text, kind in zip(dataset.descriptions, dataset.colorinterp, strict=True)]
    return {
        "name": PurePath(path).name,
        "bytes": file.stat().st_size if file.is_file() else 0,
        "driver": str(dataset.driver),
        "height": int(dataset.height),
        "width": int(dataset.width),
        "bands": tuple(words),
        "dtype": str(dataset.dtypes[0]),
        "crs": crs_name(dataset.crs) if dataset.crs else None,
        "nodata": None if dataset.nodata is None else f"{dataset.nodata:g}",
        "block": tuple(int(edge) for edge in dataset.block_shapes[0]),
        "overviews": tuple(int(factor) for factor in dataset.overviews(1)),
    }


def _layout_problems(dataset: Any, path: str) -> tuple[str, ...]:
    """Files stored in rows make every window read the full width."""
    height, width = dataset.block_shapes[0]
    if width == dataset.width > 2048 and height * 4 < width:
        return (f"windows read fast from tiles; {PurePath(path).name} is stored in rows. Run once: {tiling_command(path)}",)
    return ()


def _value_problems(source: RasterSource, sample: _Sample) -> list[str]:
    problems, name = [], PurePath(source.path).name
    if source.crs != source.native_crs:
        command = f"gdalwarp -t_srs {crs_name(source.crs)} -r cubic {name} {source.name}_utm.tif"
        problems.append(f"metres read faster than {crs_name(source.native_crs)}, which is warped at every read. Run once: {command}")
    edge = _film_edge(source, sample) if source.complete and source.dtype.kind in "ui" else None
    if edge is not None:
        problems.append(f"the rim of the raster is mostly {edge}, which is declared nowhere: a film edge? Pass --nodata {edge}")
    if sample.percentiles is not None and sample.percentiles["2"] == sample.percentiles["98"]:
        problems.append(f"a scan needs contrast; nearly all pixels of {name} are {sample.percentiles['50']:g}. Check --bands.")
    return problems


def _film_edge(source: RasterSource, sample: _Sample) -> int | None:
    """The value that fills the outermost pixels, at least a tenth of them and 1.5 times its share elsewhere."""
    _, height, width = source.shape
    rows, cols = (sorted({int(start) for start in np.linspace(0, max(0, n - 64), 16)}) for n in (height, width))
    rims = [Window(row, col, 64, 1) for row in rows for col in (0, width - 1)]
    rims += [Window(row, col, 1, 64) for col in cols for row in (0, height - 1)]
    pixels = np.concatenate([source.read(window)[0][source.mask(window)] for window in rims])
    values, counts = np.unique(pixels, return_counts=True)
    common = values[counts.argmax()]
    share, inside = counts.max() / counts.sum(), float((sample.values == common).mean())
    return int(common) if share >= 0.1 and share > 1.5 * inside else None


def _notes(source: RasterSource, sample: _Sample) -> list[str]:
    notes = []
    if source.dtype == np.uint16 and sample.percentiles is not None:
        low, high = sample.percentiles["2"], sample.percentiles["98"]
        notes.append(f"16-bit values mostly lie from {low:g} to {high:g}; one stretch over the scene brings them to 8 bits.")
    if sample.window_share < 0.9:
        notes.append(f"about {1 - sample.window_share:.0%} of the windows hold no data and are skipped.")
    return notes


def _forecast(source: RasterSource, area: Area | None, sample: _Sample, config: GridConfig, seconds: float, workers: int) -> Forecast:
    (_, height, width), extent = source.shape, _extent(source, area)
    rows = [row for row in window_grid((height, 1), config) if row.overlap(replace(extent, col=0))]
    cols = [col for col in window_grid((1, width), config) if col.overlap(replace(extent, row=0))]
    windows = len(rows) * len(cols)
    busy = max(1, round(windows * sample.window_share))
    return Forecast(
        windows=windows,
        windows_with_data=busy,
        ram_bytes=workers * (_PROCESS_BYTES + _CACHE_BYTES),
        disk_bytes=extent.height * extent.width * 2 * 4 // 3,
        hours=busy * seconds / workers / 3600,
    )


def _size(count: int) -> str:
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{max(1, round(hours * 60))} min"
