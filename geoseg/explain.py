"""One place, several networks and methods: which map shows a site best, and do the networks agree?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray
from rasterio.warp import transform as transform_xy

from geoseg.columns import columns_of, notes_of
from geoseg.folds import unseen_by
from geoseg.grid import crs_name
from geoseg.known import Place
from geoseg.panel import Cell, Column, Row, draw_panel
from geoseg.scene import Scene
from geoseg.trained import trained_at
from geoseg.trust import GDAL_ERRORS
from geoseg.views import View
from segcore.cam.choice import MapChoice
from segcore.errors import InputError
from segcore.progress import Progress, Silent
from segcore.windows import Window

ABSENT = "not calibrated"
"""What a cell says where its model has no such map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapView:
    """One method's map of one window."""

    choice: MapChoice
    """Method and layer."""
    values: NDArray[np.float32]
    """(h, w): calibrated 0..1, the mean over the networks."""
    peak: float
    """The largest of values."""
    spread: float
    """Standard deviation over the networks of their values where the peak is; 0 for one network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowView:
    """One model's window around the place."""

    name: str
    """Of the model."""
    arch: str
    """Name of the networks' architecture."""
    window: Window
    """In pixels of the raster as this model reads it; it may overhang."""
    transform: Affine
    """From (col, row) of the window to the map."""
    metres: float
    """Edge of a pixel."""
    image: NDArray[np.uint8]
    """(C, h, w) under the stretch of the model."""
    valid: NDArray[np.bool_]
    """(h, w): pixels that hold data."""
    scores: NDArray[np.float32]
    """(M,): each network's probability that the window shows a site."""
    fold: int | None
    """Fold of the nearest training site whose centre is within half a window; None where there is none."""
    maps: tuple[MapView | None, ...]
    """One a column; None where the model has no such map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What several models see at one place."""

    raster: str
    """Name of the raster."""
    xy: tuple[float, float]
    """The place in the CRS of the raster's file."""
    crs: str
    """Name of that CRS."""
    titles: tuple[str, ...]
    """Of the columns: method@layer, or the method alone where the models look at different layers."""
    rows: tuple[WindowView, ...]
    """In the order of the models."""


def explain(
    views: Sequence[View],
    xy: tuple[float, float],
    *,
    methods: Sequence[str] | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Explained:
    """Every map of every model on the window centred at a place.

    Args:
        views: models over one raster, one a row.
        xy: the place in the CRS of the raster's file.
        methods: see columns_of; by default all maps that the models have.
        device: cpu or cuda.
        progress: hears which maps are missing or odd and which models were trained there.

    Raises:
        InputError: the place lies outside the raster or on nodata.
        ConfigError: a method is unknown, or calibrated in no model.
    """
    heard: Progress = progress or Silent()
    places = [_place(view.scene, xy) for view in views]
    columns = columns_of(views, methods, heard.say)
    for note in notes_of(views, columns):
        heard.say(note)
    rows: list[WindowView] = []
    for number, (view, place) in enumerate(zip(views, places, strict=True)):
        row = _look(view, place, [column.choices[number] for column in columns], device)
        if row.fold is not None:
            heard.say(f"{row.name}: {_history(row.fold, len(row.scores))}.")
        rows.append(row)
        heard.step("models", len(rows), len(views))
    source = views[0].scene.source
    titles = tuple(column.title for column in columns)
    return Explained(raster=source.name, xy=xy, crs=crs_name(source.native_crs), titles=titles, rows=tuple(rows))


def draw_explained(path: Path, explained: Explained, *, expert: Any = ()) -> None:
    """Write the panel as PNG. expert: polygons (N,) in the CRS of the scenes' grids.

    Raises:
        OutputError: the folder is closed or the disk is full.
    """
    columns = [_column(title) for title in explained.titles]
    rows = [_row(row, columns) for row in explained.rows]
    x, y = explained.xy
    caption = f"{explained.raster} at {x:.10g}, {y:.10g} ({explained.crs})"
    remark = "± spread over the networks" if any(len(row.scores) > 1 for row in explained.rows) else ""
    draw_panel(path, columns, rows, caption=caption, remark=remark, expert=expert, absent=ABSENT)


def _place(scene: Scene, xy: tuple[float, float]) -> Place:
    """The pixel at a point given in the CRS of the file."""
    grid, native = scene.grid, scene.source.native_crs
    came = f"{xy[0]:.10g},{xy[1]:.10g}"
    try:
        point = np.array([xy] if native == grid.crs else list(zip(*transform_xy(native, grid.crs, [xy[0]], [xy[1]]), strict=True)))
    except GDAL_ERRORS as error:
        raise InputError(f"a place must lie where {crs_name(grid.crs)} is defined; {came} does not ({error}). Check its order.") from None
    row, col = np.floor(np.nan_to_num(grid.to_pixels(point)[0], nan=-1, posinf=-1, neginf=-1)).tolist()
    if not (0 <= row < grid.height and 0 <= col < grid.width):
        reach = ",".join(f"{value:.8g}" for value in grid.bounds)
        raise InputError(
            f"a place must lie on the raster ({reach} in {crs_name(grid.crs)}); {came} does not. Give x,y in {crs_name(native)}."
        )
    place = int(row), int(col)
    if not scene.wanted.mask(Window(*place, 1, 1))[0, 0]:
        where = "on nodata or outside the area" if scene.area else "on nodata"
        raise InputError(f"a place must lie on data; {came} in {scene.source.name} lies {where}. Choose another place.")
    return place


def _look(view: View, place: Place, choices: Sequence[MapChoice | None], device: str) -> WindowView:
    model, grid = view.model, view.scene.grid
    edge = model.window
    window = Window(place[0] - edge // 2, place[1] - edge // 2, edge, edge)
    pixels = view.image.read(window)
    centre = grid.to_map([(place[0] + 0.5, place[1] + 0.5)])
    batch = torch.from_numpy(pixels[None])
    return WindowView(
        name=view.name,
        arch=str(model.facts["arch"]),
        window=window,
        transform=grid.window_transform(window),
        metres=grid.pixel_size,
        image=pixels,
        valid=view.image.mask(window),
        scores=model.evidence(model.outline.choice, device=device).screen(batch)[0].numpy(),
        fold=trained_at(model.facts, grid.crs, view.name).folds_at(centre, reach=edge / 2 * grid.pixel_size)[0],
        maps=tuple(_map(view, choice, batch, device) if choice else None for choice in choices),
    )


def _map(view: View, choice: MapChoice, batch: torch.Tensor, device: str) -> MapView:
    own = view.model.evidence(choice, device=device).member_maps(batch)[:, 0].numpy()
    values = own.mean(axis=0)
    place = int(values.argmax())
    spread = own.reshape(len(own), -1)[:, place].std()
    return MapView(choice=choice, values=values, peak=float(values.flat[place]), spread=float(spread))


def _history(fold: int, members: int) -> str:
    """Who of a model's networks learnt from a site of that fold."""
    unseen = [str(member + 1) for member in unseen_by(fold, members)]
    if len(unseen) == members:
        return "no network learnt from the training site in this window, but it chose when their training stopped"
    who = f"all networks but no. {', '.join(unseen)}" if unseen else "every network"
    return f"{who} learnt from the training site in this window; on unseen ground maps may be weaker"


def _column(title: str) -> Column:
    """Method and layer; the layer stands below each cell instead where the models differ."""
    method, _, layer = title.partition("@")
    return Column(title=method, note=layer)


def _row(view: WindowView, columns: Sequence[Column]) -> Row:
    count = len(view.scores)
    seen = [] if view.fold is None or len(unseen_by(view.fold, count)) == count else ["trained here"]
    score = f"p(site) {_plus_minus(float(view.scores.mean()), float(view.scores.std()), count)}"
    return Row(
        label=(view.name, view.arch, "1 network" if count == 1 else f"{count} networks", score, *seen),
        image=view.image[0],
        valid=view.valid,
        transform=view.transform,
        metres=view.metres,
        cells=tuple(_cell(own, count, column) if own else None for own, column in zip(view.maps, columns, strict=True)),
    )


def _cell(view: MapView, count: int, column: Column) -> Cell:
    text = f"peak {_plus_minus(view.peak, view.spread, count)}"
    return Cell(values=view.values, text=text, note="" if column.note else str(view.choice).partition("@")[2])


def _plus_minus(value: float, spread: float, count: int) -> str:
    """One network has no spread."""
    return f"{value:.2f}" if count == 1 else f"{value:.2f} ± {spread:.2f}"
