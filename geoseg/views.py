"""Several models over one raster: each sees the scene at its own pixel size and contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.known import Place
from geoseg.model import SiteModel, load_model
from geoseg.scene import RasterOptions, Scene, open_scene
from segcore.data.stretch import StretchedImage
from segcore.errors import ConfigError
from segcore.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One model, and the scene as it sees it."""

    name: str
    """Unlike that of the other models."""
    model: SiteModel
    scene: Scene
    image: StretchedImage

    def places(self, xy: NDArray[np.float64]) -> list[Place]:
        """Pixels of map coordinates (N, 2)."""
        return [(int(row), int(col)) for row, col in np.floor(self.scene.grid.to_pixels(xy))]


def open_views(raster: Path, models: Sequence[Path], options: RasterOptions, *, progress: Progress) -> list[View]:
    """Load the models and open the raster for each, once for models of the same pixel size.

    Raises:
        ConfigError: no model, or one model twice.
        BundleError: a model is damaged or reads another number of bands.
        InputError: the raster or the area cannot be used.
    """
    if not models:
        raise ConfigError("at least one model is needed, got none. Name the folder of a trained model.")
    loaded = [load_model(path) for path in models]
    first: dict[str, Path] = {}
    for model in loaded:
        if model.digest in first:
            raise ConfigError(f"each model is named once; {model.path} is the same as {first[model.digest]}. Leave one out.")
        first[model.digest] = model.path
    sizes = dict.fromkeys(model.pixel_size for model in loaded)
    scenes = {size: open_scene(raster, options, pixel_size=size, progress=progress) for size in sizes}
    for model in loaded:
        model.require_bands(scenes[model.pixel_size].source)
    return [view_of(scenes[model.pixel_size], model, name) for name, model in zip(names_of(models), loaded, strict=True)]


def view_of(scene: Scene, model: SiteModel, name: str) -> View:
    """A model over a scene of its pixel size; where it was not trained on this raster, its contrast is measured here."""
    stretch = model.stretch_for(scene.wanted, scene.source.fingerprint)
    return View(name=name, model=model, scene=scene, image=StretchedImage(scene.wanted, stretch))


def names_of(models: Sequence[Path]) -> list[str]:
    """The last parts of each path, as many as tell the models apart: a/MODEL and b/MODEL, but small and large."""
    whole = [path.absolute().parts for path in models]
    for depth in range(1, max(map(len, whole)) + 1):
        names = [Path(*parts[-depth:]).as_posix() for parts in whole]
        if len(set(names)) == len(names):
            break
    return names
