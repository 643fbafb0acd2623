"""A small synthetic scene with bright mounds, and what the commands make of it; made once per session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import torch
from click.testing import CliRunner, Result
from scipy.ndimage import gaussian_filter

from segcli.main import GROUPS

UTM = "EPSG:32638"
PLACE = rasterio.Affine(2.0, 0.0, 400_000.0, 0.0, -2.0, 3_700_000.0)
HEIGHT, WIDTH, WINDOW, MOUNDS = 600, 700, 32, 36
HOLE = slice(540, None), slice(600, None)
"""Rows and columns of the patch of nodata."""

Call = Callable[..., Result]


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def geoseg() -> Call:
    """geoseg(*arguments): run the command in this process."""
    return lambda *arguments: CliRunner().invoke(GROUPS["geoseg"], [str(part) for part in arguments], prog_name="geoseg")


@pytest.fixture(scope="session")
def cellseg() -> Call:
    """cellseg(*arguments): run the command in this process."""
    return lambda *arguments: CliRunner().invoke(GROUPS["cellseg"], [str(part) for part in arguments], prog_name="cellseg")


@pytest.fixture(scope="session")
def works(geoseg: Call) -> Call:
    """works(*arguments): the same; it must end well."""

    def run(*arguments: Any) -> Result:
        done = geoseg(*arguments)
        assert done.exit_code == 0, done.output
        assert "Error" not in done.stderr
        return done

    return run


@pytest.fixture
def refused(geoseg: Call, tmp_path: Path) -> Callable[..., str]:
    """refused(*arguments): run it; it must end with exit code 2 and one line, and leave tmp_path as it was. Returns the line."""

    def run(*arguments: Any) -> str:
        before = listing(tmp_path)
        done = geoseg(*arguments)
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert errors == [done.stderr.splitlines()[-1]]
        assert "Traceback" not in done.stderr
        assert listing(tmp_path) == before
        return errors[0]

    return run


def listing(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.fixture(scope="session")
def geoseg_process() -> Callable[..., subprocess.Popen[str]]:
    """geoseg_process(*arguments): start the command in a process of its own, on one thread."""

    def start(*arguments: Any) -> subprocess.Popen[str]:
        code = "from segcli.main import geoseg; geoseg()"
        line = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )

    return start


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Files of the scene, and how they were made."""

    folder: Path
    raster: Path
    points: Path
    expert: Path
    """Outlines of all mounds."""
    some: Path
    """Outlines of every third mound."""
    pixels: np.ndarray
    """(1, 600, 700) uint8, 0 = nodata."""
    mounds: np.ndarray
    """(36, 3): row, col, radius in pixels."""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(3)
    mounds = _places(rng)
    pixels = _paint(rng, mounds)
    outlines = [shapely.Point(PLACE @ (col + 0.5, row + 0.5)).buffer(2 * radius) for row, col, radius in mounds]
    ids = {"id": [f"s{number}" for number in range(len(mounds))]}
    world = World(
        folder=folder,
        raster=write_scene(folder / "scene.tif", pixels, nodata=0),
        points=folder / "points.gpkg",
        expert=folder / "expert.gpkg",
        some=folder / "some.gpkg",
        pixels=pixels,
        mounds=mounds,
    )
    frame = geopandas.GeoDataFrame(ids, geometry=outlines, crs=UTM)
    frame.set_geometry(frame.centroid).to_file(world.points)
    frame.to_file(world.expert)
    frame[::3].to_file(world.some)
    return world


def _places(rng: np.random.Generator) -> np.ndarray:
    """Mounds (row, col, radius) that keep 55 px from each other and stay off the rim; the first one is cut by the hole."""
    found = [(HOLE[0].start - 4.0, HOLE[1].start + 40.0, 9.0)]
    while len(found) < MOUNDS:
        row, col = int(rng.integers(24, HEIGHT - 24)), int(rng.integers(24, WIDTH - 24))
        in_hole = row > HOLE[0].start - 20 and col > HOLE[1].start - 20
        if not in_hole and all(np.hypot(row - r, col - c) > 55 for r, c, _ in found):
            found.append((row, col, float(rng.uniform(6.5, 9.5))))
    return np.array(found)


def _paint(rng: np.random.Generator, mounds: np.ndarray) -> np.ndarray:
    ground = 120 + 60 * gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), 2) + 6 * rng.standard_normal((HEIGHT, WIDTH))
    rows, cols = np.ogrid[:HEIGHT, :WIDTH]
    for row, col, radius in mounds:
        ground += 70 / (1 + np.exp(np.clip(np.hypot(rows - row, cols - col) - radius, -30, 30)))
    pixels = np.clip(ground, 1, 255).astype(np.uint8)
    pixels[HOLE] = 0
    return pixels[None]


def write_scene(path: Path, pixels: np.ndarray, **profile: Any) -> Path:
    count, height, width = pixels.shape
    place = {"crs": UTM, "transform": PLACE} | profile
    with rasterio.open(path, "w", driver="GTiff", count=count, height=height, width=width, dtype=pixels.dtype, **place) as out:
        out.write(pixels)
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Callable[..., Path]:
    """scene(pixels (C, H, W), name="own.tif", **profile) -> a raster of its own in tmp_path."""
    return lambda pixels, name="own.tif", **profile: write_scene(tmp_path / name, pixels, **profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What the commands wrote, one after the other."""

    chips: Path
    model: Path
    out: Path
    run: Path


def run_chain(works: Call, world: World, folder: Path) -> Chain:
    chain = Chain(chips=folder / "chips", model=folder / "model", out=folder / "out", run=folder / "run")
    works("chips", world.raster, world.points, "-o", chain.chips, "--window", WINDOW, "--seed", 5)
    small = ("--arch", "test_resnet", "--members", 1, "--epochs", 5, "--budget", "small", "--device", "cpu")
    works("train", chain.chips, "-o", chain.model, *small, "--outlines", world.some, "--seed", 5)
    works("outline", world.raster, world.points, chain.model, "-o", chain.out, "--threads", 1)
    works("scan", world.raster, chain.model, "-o", chain.run, "--threads", 1)
    return chain


@pytest.fixture(scope="session")
def chain(works: Call, world: World, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """chips, train, outline and scan of the scene; read only."""
    return run_chain(works, world, tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="session")
def second_chain(works: Call, world: World, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The same once more."""
    return run_chain(works, world, tmp_path_factory.mktemp("again"))
