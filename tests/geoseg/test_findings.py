import numpy as np
import pytest

from geoseg.findings import find_sites
from geoseg.scene import RasterOptions, open_scene
from segcore.data.stretch import Stretch, StretchedImage
from segcore.pipeline.plan import Plan
from segcore.pipeline.refine import Refining
from segcore.pipeline.runner import SerialRunner
from segcore.pipeline.stages import Scan
from segcore.progress import Silent
from segcore.windows import GridConfig


@pytest.fixture
def scan_of(write_raster, bright, tmp_path):
    """scan_of(bright mask (H, W), area=None) -> (finished scan, scene)."""

    def run(mask, area=None):
        pixels = np.where(mask, 200, 50).astype(np.uint8)[None]
        pixels[0, :4, :4] = 1
        scene = open_scene(write_raster(pixels, nodata=1), RasterOptions(area=area), progress=Silent())
        plan = Plan(
            shape=scene.source.shape,
            region=scene.region,
            grid=GridConfig(window=32),
            channels=("bright",),
            gate=0.5,
            refining=Refining(smooth=0.0, threshold=0.5),
            block=50,
        )
        scan = Scan(plan, StretchedImage(scene.wanted, Stretch((0.0,), (255.0,))), bright, tmp_path / "work")
        scan.run(SerialRunner(), Silent())
        return scan, scene

    return run


def squares(*places, size=12):
    mask = np.zeros((120, 150), dtype=bool)
    for row, col in places:
        mask[row : row + size, col : col + size] = True
    return mask


def test_one_polygon_a_site_with_its_evidence(scan_of):
    scan, scene = scan_of(squares((42, 44), (90, 100)))
    findings = find_sites(scan, scene)
    sites = findings.sites
    assert len(sites) == 2
    assert len(set(sites["id"])) == 2
    assert sites.geometry.area.tolist() == pytest.approx([24 * 24] * 2, rel=0.02)
    assert sites["activation_mean"].tolist() == pytest.approx([1, 1], abs=0.01)
    assert sites["activation_max"].tolist() == pytest.approx([1, 1])
    assert sites["score_1"].tolist() == pytest.approx([1, 1])
    assert sites["score"].tolist() == pytest.approx(((sites["score_1"] + sites["score_2"]) / 2).tolist())
    assert (sites["score_spread"] >= 0).all()
    assert sites.crs == scene.grid.crs.to_wkt()


def test_scores_are_those_of_the_window_that_sees_most(scan_of):
    scan, scene = scan_of(squares((42, 44)))
    findings = find_sites(scan, scene)
    best = max(score.mean() for _, score in scan.scores())
    assert findings.sites["score"].tolist() == pytest.approx([best])


def test_windows_are_those_that_passed(scan_of):
    scan, scene = scan_of(squares((42, 44)))
    windows = find_sites(scan, scene).windows
    assert len(windows) == scan.explained() > 0
    assert (windows["score"] >= 0.5).all()
    assert list(windows.columns) == ["score", "score_1", "score_2", "geometry"]


def test_small_regions_are_no_sites(scan_of):
    mask = squares((42, 44))
    mask[45:48, 60:63] = True
    mask[50:54, 60:64] = True
    scan, scene = scan_of(mask)
    marked = sum(int((scan.blocks.load(number).mask == 1).sum()) for number in range(len(scan.plan.blocks)))
    assert marked == 144 + 9 + 16
    assert sorted(find_sites(scan, scene).sites.geometry.area / 4) == pytest.approx([16, 144], rel=0.15)


def test_sites_end_where_the_area_ends(scan_of, tmp_path, write_layer):
    import shapely

    triangle = shapely.Polygon([(400_000, 3_700_000), (400_200, 3_700_000), (400_000, 3_699_800)])
    scan, scene = scan_of(squares((30, 30), (40, 52), (20, 100)), write_layer([triangle], "area.gpkg"))
    sites = find_sites(scan, scene).sites
    assert len(sites) == 2
    assert sites.geometry.union_all().difference(triangle.buffer(2)).area == 0


def test_nothing_found_is_an_empty_layer(scan_of):
    scan, scene = scan_of(squares())
    findings = find_sites(scan, scene)
    assert len(findings.sites) == len(findings.windows) == 0
    assert {"id", "score", "score_1", "activation_max", "area_m2"} <= set(findings.sites.columns)
