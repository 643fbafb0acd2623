"""Small rasters and layers of every kind, written with rasterio and geopandas."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning

from geoseg.grid import GeoGrid

UTM = "EPSG:32638"
PLACE = Affine(2.0, 0.0, 400_000.0, 0.0, -2.0, 3_700_000.0)

WriteRaster = Callable[..., Path]
WriteLayer = Callable[..., Path]


@pytest.fixture
def grid() -> GeoGrid:
    """90 x 120 pixels of 2 m in UTM 38N; the place of what write_raster writes by default."""
    return GeoGrid(crs=CRS.from_string(UTM), transform=PLACE, height=90, width=120)


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """(1, 90, 120) values 1..250."""
    return np.random.default_rng(7).integers(1, 251, (1, 90, 120), dtype=np.uint8)


@pytest.fixture
def write_raster(tmp_path: Path) -> WriteRaster:
    """write_raster(array (C, H, W), name="scene.tif", *, mask=None, gcps=None, colours=None, **profile) -> path."""

    def write(
        array: NDArray[Any], name: str = "scene.tif", *, mask: Any = None, gcps: Any = None, colours: Any = None, **profile: Any
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        count, height, width = array.shape
        place = {} if gcps is not None else {"crs": UTM, "transform": PLACE}
        options = {"driver": "GTiff", "dtype": array.dtype, "count": count, "height": height, "width": width} | place | profile
        with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, "w", **{key: value for key, value in options.items() if value is not None}) as dataset:
                if colours is not None:
                    dataset.colorinterp = colours
                if gcps is not None:
                    dataset.gcps = gcps
                dataset.write(array)
                if mask is not None:
                    dataset.write_mask(mask)
        return path

    return write


@pytest.fixture
def write_layer(tmp_path: Path) -> WriteLayer:
    """write_layer(geometries or (N, 2) xy, name="points.gpkg", crs=UTM, columns={}, **options) -> path."""

    def write(geometries: Any, name: str = "points.gpkg", *, crs: Any = UTM, columns: dict[str, Any] | None = None, **options: Any) -> Path:
        path = tmp_path / name
        shapes = shapely.points(geometries) if isinstance(geometries, np.ndarray) else geometries
        frame = geopandas.GeoDataFrame(columns or {}, geometry=list(shapes), crs=crs)
        frame.to_file(path, **options)
        return path

    return write


@dataclass(frozen=True, slots=True, kw_only=True)
class Tells:
    """A scene of 400 x 500 pixels of 2 m: bright discs on noise, nodata in one corner."""

    raster: Path
    points: Path
    """In longitude and latitude, with columns that nobody may read; the last one stands on nodata."""
    experts: Path
    """Every third disc, in the raster's CRS."""
    grid: GeoGrid
    places: list[tuple[int, int]]
    """(row, col) of each disc, in the order of the points."""
    truth: NDArray[np.bool_]
    """(400, 500): pixels of discs."""


TELL_RADIUS = 8


@pytest.fixture(scope="session")
def tells(tmp_path_factory: pytest.TempPathFactory) -> Tells:
    """The scene, its points and its expert outlines; read only."""
    folder, rng = tmp_path_factory.mktemp("tells"), np.random.default_rng(3)
    places = [(40 + 62 * i + int(rng.integers(-6, 7)), 40 + 60 * j + int(rng.integers(-6, 7))) for i in range(6) for j in range(8)]
    rows, cols = np.mgrid[:400, :500]
    truth = np.any([(rows - r) ** 2 + (cols - c) ** 2 <= TELL_RADIUS**2 for r, c in places], axis=0)
    pixels = np.clip(rng.normal(80, 12, truth.shape) + 90 * truth, 1, 255).astype(np.uint8)
    pixels[380:, 440:] = 0
    place = {"crs": UTM, "transform": PLACE, "nodata": 0}
    with rasterio.open(folder / "tells.tif", "w", driver="GTiff", dtype="uint8", count=1, height=400, width=500, **place) as target:
        target.write(pixels[None])
    grid = GeoGrid(crs=CRS.from_string(UTM), transform=PLACE, height=400, width=500)
    xy = grid.to_map([(row + 0.5, col + 0.5) for row, col in [*places, (395, 495)]])
    columns = {
        "id": [f"t{i:02d}" for i in range(len(xy))],
        "diam_m": [137.731 + i for i in range(len(xy))],
        "remark": ["burnt layer"] * len(xy),
    }
    geopandas.GeoDataFrame(columns, geometry=shapely.points(xy), crs=UTM).to_crs("EPSG:4326").to_file(folder / "points.gpkg")
    shapes = shapely.buffer(shapely.points(xy[:-1:3]), 2.0 * TELL_RADIUS + 1)
    geopandas.GeoDataFrame(geometry=shapes, crs=UTM).to_file(folder / "experts.gpkg")
    return Tells(
        raster=folder / "tells.tif", points=folder / "points.gpkg", experts=folder / "experts.gpkg", grid=grid, places=places, truth=truth
    )


@pytest.fixture(scope="session")
def tell_chips(tells: Tells, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CHIPS of the scene: windows of 32 px, negatives 30 m from any point."""
    from geoseg import recipe
    from geoseg.chips import ChipConfig

    out = tmp_path_factory.mktemp("chips") / "CHIPS"
    recipe.chips(tells.raster, tells.points, out, ChipConfig(window=32, min_distance=30.0))
    return out


@pytest.fixture(scope="session")
def tell_model(tells: Tells, tell_chips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MODEL: one tiny network, tuned on the experts."""
    from geoseg import recipe
    from geoseg.train import SiteTraining
    from segcore.train.loop import TrainConfig

    out = tmp_path_factory.mktemp("model") / "MODEL"
    training = SiteTraining(arch="test_resnet", members=1, budget="small")
    with one_thread():
        recipe.train(tell_chips, out, training, TrainConfig(epochs=2, device="cpu"), outlines=tells.experts)
    return out


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread, as results that are compared need."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class BrightEvidence:
    """The image itself as evidence: the map is the brightness above 130, the score whether much of a window is bright."""

    members, channels = 2, ("bright",)

    def screen(self, windows: Any) -> Any:
        """(B, 2)."""
        import torch

        share = (windows[:, 0] > 130).float().mean(dim=(1, 2))
        return torch.stack([share.mul(20).clamp(max=1.0), share.mul(10).clamp(max=1.0)], dim=1)

    def maps(self, windows: Any) -> Any:
        """(B, 1, H, W)."""
        return (windows[:, :1] > 130).float()


@pytest.fixture
def bright() -> BrightEvidence:
    """A fake evidence that finds bright ground."""
    return BrightEvidence()
