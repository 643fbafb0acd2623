"""A raster as the commands see it: opened, cut to an area, and under its one stretch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from geoseg.area import Area, read_area
from geoseg.grid import GeoGrid
from geoseg.raster import RasterSource, open_raster
from segcore.io.clipped import ClippedImage
from segcore.io.protocol import ImageSource
from segcore.progress import Progress
from segcore.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterOptions:
    """What the user says about a raster; the same for every command."""

    bands: tuple[int, ...] | None = None
    """1-based; needed where a raster has several."""
    nodata: float | None = None
    """Value that means missing, instead of the file's own."""
    area: str | Path | None = None
    """A polygon file, or minx,miny,maxx,maxy in the raster's CRS."""
    allow_remote: bool = False
    """Whether GDAL may use the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One raster and the part of it that is wanted."""

    source: RasterSource
    area: Area | None

    @property
    def grid(self) -> GeoGrid:
        """Where the pixels lie."""
        return self.source.grid

    @property
    def region(self) -> Window:
        """The rectangle that holds the part that is wanted."""
        return self.area.window if self.area else self.grid.extent

    @property
    def wanted(self) -> ImageSource:
        """The source with everything outside the area masked."""
        return ClippedImage(self.source, self.area.mask) if self.area else self.source


def open_scene(raster: Path, options: RasterOptions, *, pixel_size: float | None = None, progress: Progress) -> Scene:
    """Open a raster and say in one line each what is not read as it is stored.

    pixel_size: metres that a model needs; the raster is resampled where its own differs.

    Raises:
        InputError: the raster or the area cannot be used.
        ConfigError: an option is out of range.
    """
    source = open_raster(raster, bands=options.bands, nodata=options.nodata, pixel_size=pixel_size, allow_remote=options.allow_remote)
    for note in source.notes:
        progress.say(note)
    area = None if options.area is None else read_area(options.area, source.grid, crs=source.native_crs)
    return Scene(source=source, area=area)
