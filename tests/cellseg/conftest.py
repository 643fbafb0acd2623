"""Tiny datasets for everybody; each is written once, read only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cellseg.dataset import Dataset, open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import IGNORE, CellImage

TWO = "epithelial", "lymphocyte"


def disks(shape: tuple[int, ...], places: list[tuple[float, ...]]) -> np.ndarray:
    """Instances of round objects (*centre, radius), ids from 1; later ones lie over earlier ones."""
    grid = np.indices(shape)
    out = np.zeros(shape, dtype=np.int32)
    for number, (*centre, radius) in enumerate(places, 1):
        out[sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True)) <= radius**2] = number
    return out


def tiny_image(name: str = "one", seed: int = 0, *, channels: int = 1, dtype: type = np.uint8) -> CellImage:
    """64 x 80 px, five bright cells, two of them touching; ids 1, 2, 3 are epithelial, 4, 5 lymphocytes."""
    rng = np.random.default_rng(seed)
    instances = disks((64, 80), [(15, 15, 8), (15, 31, 8), (45, 20, 9), (40, 55, 6), (12, 65, 5)])
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1.0
    ground = np.where(instances > 0, 0.7, 0.2) + rng.uniform(-0.1, 0.1, (channels, 64, 80))
    classes = {1: TWO[0], 2: TWO[0], 3: TWO[0], 4: TWO[1], 5: TWO[1]}
    return CellImage(name=name, pixels=(top * ground).astype(dtype), instances=instances, classes=classes, pixel_size_um=(0.5, 0.5))


def tiny_volume(name: str = "volume", seed: int = 0) -> CellImage:
    """12 x 40 x 48 voxels of uint16, four cells of class cell."""
    rng = np.random.default_rng(seed)
    instances = disks((12, 40, 48), [(5, 10, 10, 4), (6, 28, 14, 5), (4, 18, 35, 4), (7, 32, 38, 3)])
    pixels = np.where(instances > 0, 9000, 1000) + rng.integers(0, 500, (1, *instances.shape))
    return CellImage(name=name, pixels=pixels.astype(np.uint16), instances=instances, pixel_size_um=(1.0, 0.25, 0.25))


@pytest.fixture
def image() -> CellImage:
    """One image of two classes, grey, uint8."""
    return tiny_image()


@pytest.fixture
def volume() -> CellImage:
    """One volume of one class, uint16."""
    return tiny_volume()


@pytest.fixture(scope="session")
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Four RGB images a, b, c, d of two classes; splits train (a, b: slide-1) and test (c: slide-2, d: slide-3)."""
    folder = tmp_path_factory.mktemp("sets") / "two"
    facts = DatasetFacts(name="two", pixel_size_um=(0.5, 0.5), classes=TWO, licence="CC0", source="drawn")
    splits = {"a": ("train", "slide-1"), "b": ("train", "slide-1"), "c": ("test", "slide-2"), "d": ("test", "slide-3")}
    images = (tiny_image(name, seed, channels=3) for seed, name in enumerate("abcd"))
    return open_dataset(write_dataset(folder, images, facts=facts, splits=splits))


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two volumes v0, v1 of one class, uint16."""
    folder = tmp_path_factory.mktemp("sets") / "volumes"
    facts = DatasetFacts(name="volumes", axes="ZYX", pixel_size_um=(1.0, 0.25, 0.25))
    return open_dataset(write_dataset(folder, (tiny_volume(f"v{seed}", seed) for seed in range(2)), facts=facts))


@pytest.fixture(scope="session")
def with_ignore(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two images of 12-bit grey in uint16, two classes, whose upper eight rows are unknown."""
    folder = tmp_path_factory.mktemp("sets") / "ignore"
    images = []
    for seed, name in enumerate("pq"):
        image = tiny_image(name, seed, dtype=np.uint16)
        instances = image.instances.copy()
        instances[:8] = IGNORE
        images.append(image.with_labels(instances))
    return open_dataset(write_dataset(folder, images, facts=DatasetFacts(name="ignore", axes="YX", pixel_size_um=(0.5, 0.5), classes=TWO)))


def blob_image(name: str, seed: int, size: tuple[int, int] = (64, 64), *, ignore: int = 0, channels: int = 1) -> CellImage:
    """Up to six round cells of radius 5 to 8 px, bright on dark, noisy; the upper `ignore` rows are unknown."""
    rng = np.random.default_rng([seed, 7])
    rows, cols = np.indices(size)
    instances = np.zeros(size, np.int32)
    for own in range(1, 7):
        row, col, radius = rng.uniform(8, size[0] - 8), rng.uniform(8, size[1] - 8), rng.uniform(5, 8)
        disk = (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
        if not instances[disk].any():
            instances[disk] = own
    pixels = np.where(instances > 0, 150, 60) + rng.normal(0, 20, (channels, *size))
    instances[:ignore] = IGNORE
    return CellImage(name=name, pixels=pixels.clip(0, 255).astype(np.uint8), instances=instances, pixel_size_um=(0.5, 0.5))


Blobs = Callable[..., Dataset]


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """blobs(count=4, name="blobs", splits=None, ...): a dataset of blob_image blob-0, blob-1, ..., class cell, in tmp_path."""

    def make(count: int = 4, name: str = "blobs", splits: dict[str, tuple[str, str]] | None = None, **how: object) -> Dataset:
        images = (blob_image(f"blob-{seed}", seed, **how) for seed in range(count))  # type: ignore[arg-type]
        facts = DatasetFacts(name="blobs", axes="CYX" if how.get("channels", 1) != 1 else "YX", pixel_size_um=(0.5, 0.5))
        return open_dataset(write_dataset(tmp_path / name, images, facts=facts, splits=splits))

    return make
