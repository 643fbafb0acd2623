import numpy as np
import pytest
import rasterio

from geoseg import assemble as module
from geoseg.assemble import assemble
from geoseg.scene import RasterOptions, open_scene
from segcore.data.stretch import Stretch, StretchedImage
from segcore.pipeline.plan import Plan
from segcore.pipeline.refine import Refining
from segcore.pipeline.runner import SerialRunner
from segcore.pipeline.stages import Scan
from segcore.progress import Silent
from segcore.windows import GridConfig


@pytest.fixture
def finished(tells, bright, tmp_path):
    """A finished scan of a part of the scene that is no multiple of a block, and the scene."""
    (minx, maxy), (maxx, miny) = tells.grid.to_map([(190, 250), (400, 500)])
    scene = open_scene(tells.raster, RasterOptions(area=f"{minx},{miny},{maxx},{maxy}"), progress=Silent())
    plan = Plan(
        shape=scene.source.shape,
        region=scene.region,
        grid=GridConfig(window=32),
        channels=("bright",),
        gate=0.5,
        refining=Refining(smooth=1.0, threshold=0.5),
        block=96,
    )
    scan = Scan(plan, StretchedImage(scene.wanted, Stretch((0.0,), (255.0,))), bright, tmp_path / "work")
    scan.run(SerialRunner(), Silent())
    return scan, scene


def test_values_are_those_of_the_blocks(finished, tmp_path):
    scan, scene = finished
    assemble(scan, scene.grid, tmp_path)
    with rasterio.open(tmp_path / "activation.tif") as activation, rasterio.open(tmp_path / "mask.tif") as mask:
        assert activation.descriptions == ("activation", "score")
        assert mask.descriptions == ("mask",)
        for source in (activation, mask):
            assert source.crs == scene.grid.crs
            assert source.shape == (210, 250)
            assert source.transform == scene.grid.window_transform(scene.region)
            assert source.nodata == 255
            assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        values, marks = activation.read(), mask.read(1)
    for number, block in enumerate(scan.plan.blocks):
        result, where = scan.blocks.load(number), block.shift(-190, -250).slices
        assert (values[0][where] == result.activation).all()
        assert (values[1][where] == result.score).all()
        assert (marks[where] == result.mask).all()
    assert (marks[190:, 190:] == 255).all()
    assert set(np.unique(marks)) == {0, 1, 255}
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["activation.tif", "mask.tif"]


def test_overviews(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TILE", 64)
    scan, scene = finished
    assemble(scan, scene.grid, tmp_path)
    for name in ("activation.tif", "mask.tif"):
        with rasterio.open(tmp_path / name) as source:
            assert source.block_shapes[0] == (64, 64)
            assert source.overviews(1)[:2] == [2, 4]
    with rasterio.open(tmp_path / "mask.tif", overview_level=0) as source:
        assert set(np.unique(source.read(1))) <= {0, 1, 255}


def test_the_same_scan_gives_the_same_bytes(finished, tmp_path):
    scan, scene = finished
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assemble(scan, scene.grid, tmp_path / name)
    for name in ("activation.tif", "mask.tif"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
