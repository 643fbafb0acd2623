"""Options that several commands share. One decorator each; nothing heavy is imported before a command runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from segcli.console import Console
from segcore.cam.names import CAM_NAMES

Function = TypeVar("Function", bound=Callable[..., Any])


class Bands(click.ParamType[tuple[int, ...]]):
    """Band numbers counted from 1, as 1 or 4,3,2."""

    name = "bands"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Text to numbers; a tuple passes."""
        if isinstance(value, tuple):
            return value
        try:
            bands = tuple(int(part) for part in value.split(","))
        except ValueError:
            bands = ()
        if not bands or min(bands) < 1 or len(set(bands)) < len(bands):
            self.fail(f"bands are different numbers counted from 1; got {value!r}; write them like 1 or 4,3,2.", param, ctx)
        return bands


class Names(click.ParamType[tuple[str, ...]]):
    """Several of the known names, parted by commas; where = "@" lets each be followed by @layer."""

    name = "names"

    def __init__(self, known: Sequence[str], *, where: str | None = None) -> None:
        """known: the names."""
        self.known, self.where = tuple(known), where

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Text to names; a tuple passes."""
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip() for part in value.split(","))
        for name in names:
            if (name.partition(self.where)[0] if self.where else name) not in self.known:
                self.fail(f"choose among {', '.join(self.known)}, parted by commas; got {name!r}.", param, ctx)
        return names


class MapName(click.ParamType[str]):
    """An activation map: a method, or method@layer."""

    name = "map"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text itself, if the method is known."""
        if value.partition("@")[0] not in CAM_NAMES:
            self.fail(f"a map is one of {', '.join(CAM_NAMES)}, or one of them at a layer, as layer-cam@layer2; got {value!r}.", param, ctx)
        return str(value)


def raster_options(function: Function) -> Function:
    """How a raster is read: --bands, --nodata, --area and --allow-remote, as `reading: geoseg.scene.RasterOptions`."""

    @wraps(function)
    def command(*args: Any, bands: Any, nodata: float | None, area: str | None, allow_remote: bool, **others: Any) -> Any:
        from geoseg.scene import RasterOptions

        reading = RasterOptions(bands=bands, nodata=nodata, area=area, allow_remote=allow_remote)
        return function(*args, reading=reading, **others)

    bands = click.option("--bands", type=Bands(), metavar="1,2,..", help="Bands to read, counted from 1.")
    nodata = click.option("--nodata", type=float, metavar="VALUE", help="Pixel value that means no data, where the file does not say.")
    remote = click.option("--allow-remote", is_flag=True, help="Let the raster or its VRT sources be network addresses.")
    area = click.option("--area", metavar="FILE|minx,miny,maxx,maxy", help="Only this part, in the CRS of the raster.")
    return cast("Function", bands(nodata(area(remote(command)))))


def output(metavar: str, *, default: Path | None = None) -> Callable[[Function], Function]:
    """-o / --out, as `out: Path`; it must be given where there is no default."""
    given: dict[str, Any] = {"required": True} if default is None else {"default": default, "show_default": True}
    return click.option("-o", "--out", type=click.Path(path_type=Path), metavar=metavar, help="What to write.", **given)


def path_argument(name: str, metavar: str) -> Callable[[Function], Function]:
    """A positional path, as `name: Path`; whether it exists and fits is for the library to say."""
    return click.argument(name, type=click.Path(path_type=Path), metavar=metavar)


points_crs = click.option("--points-crs", metavar="CRS", help="CRS of the points, where their file does not say it, such as EPSG:4326.")
"""--points-crs, as `points_crs: str | None`."""

ignore = click.option("--ignore", type=click.Path(path_type=Path), metavar="FILE", help="Polygons of ground that counts neither way.")
"""--ignore, as `ignore: Path | None`."""

method = click.option("--method", type=MapName(), metavar="NAME", help="Activation map.  [default: the model's choice]")
"""--method, as `method: str | None`."""

methods = click.option(
    "--methods",
    type=Names(CAM_NAMES, where="@"),
    metavar="A,B,..",
    help="Maps, as layer-cam or layer-cam@layer2.  [default: all calibrated ones]",
)
"""--methods, as `methods: tuple[str, ...] | None`."""

seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Start of every random choice.")
"""--seed, as `seed: int`."""

overwrite = click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
"""--overwrite, as `overwrite: bool`."""

resume = click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
"""--resume, as `resume: bool`."""

device = click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to compute.")
"""--device, as `device: str`."""

precision = click.option(
    "--precision", type=click.Choice(["32", "bf16"]), default="32", show_default=True, help="bf16: faster on recent GPUs."
)
"""--precision, as `precision: str`."""

threads = click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads of the CPU.  [default: all]")
"""--threads, as `threads: int | None`."""


def speech_options(function: Function) -> Function:
    """-q, -v and --debug; they set the Console of the call and reach no command."""
    quiet = click.option("-q", "--quiet", **_flag(_be_quiet), help="No progress; only results and errors.")
    verbose = click.option("-v", "--verbose", **_flag(Console.show_logs), help="Show the log too.")
    debug = click.option("--debug", **_flag(_show_tracebacks), help="Show the traceback of an error.")
    return quiet(verbose(debug(function)))


def _flag(act: Callable[[Console], None]) -> dict[str, Any]:
    def callback(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            act(ctx.ensure_object(Console))

    return {"is_flag": True, "expose_value": False, "is_eager": True, "callback": callback}


def _be_quiet(console: Console) -> None:
    console.quiet = True


def _show_tracebacks(console: Console) -> None:
    console.debug = True
