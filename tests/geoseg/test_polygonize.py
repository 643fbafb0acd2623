import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rasterio.features import rasterize, shapes

from geoseg.polygonize import Region, at_least, join, polygon_id, polygonize, simplify, site_layer, trace
from segcore.errors import ConfigError, RunError, ShapeError
from segcore.windows import Window, block_grid

MAP = Affine(2.0, 0, 500_000, 0, -2.0, 4_000_000)
PIXELS = Affine.identity()
MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=16))


def cut(mask, block):
    return [(window, mask[window.slices]) for window in block_grid(mask.shape, block)]


def picture(text):
    return np.array([[char == "#" for char in line] for line in text.split()])


def blobs(seed, size=400, count=60):
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:size, :size]
    mask = np.zeros((size, size), bool)
    places = rng.uniform((0, 0, 6, 0.6), (size, size, 20, 1.6), (count, 4))
    for row, col, radius, ratio in places:
        mask |= np.hypot((rows - row) * ratio, (cols - col) / ratio) < radius
    return mask


def facts(regions):
    return [(region.row, region.col, region.polygon.wkb) for region in regions]


def test_a_block_of_25_pixels_covers_25_pixels():
    mask = np.zeros((12, 12), bool)
    mask[3:8, 4:9] = True
    (region,) = polygonize(cut(mask, 12), PIXELS)
    assert region.polygon.area == 25
    assert list(region.polygon.exterior.coords) == [(4, 3), (9, 3), (9, 8), (4, 8), (4, 3)]
    assert (region.row, region.col) == (3, 4)


def test_map_coordinates_are_exact_and_counter_clockwise():
    mask = np.zeros((12, 12), bool)
    mask[3:8, 4:9] = True
    (region,) = polygonize(cut(mask, 3), MAP)
    left, right, top, bottom = 500_008, 500_018, 3_999_994, 3_999_984
    assert list(region.polygon.exterior.coords) == [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]


@pytest.mark.parametrize("transform", [PIXELS, MAP], ids=["rows run up", "rows run down"])
def test_rings_are_oriented_for_any_map(transform):
    (region,) = polygonize(cut(picture("### #.# ###"), 2), transform)
    assert region.polygon.exterior.is_ccw
    assert [hole.is_ccw for hole in region.polygon.interiors] == [False]
    assert region.polygon.area == 8 * abs(transform.determinant)


SHAPES = {
    "ring over the seams": ("######## #......# #.####.# #.#..#.# #.#..#.# #.####.# #......# ########", 2, 2),
    "corners do not connect": ("#.#. .#.# #.#. .#.#", 8, 0),
    "corner closes a ring": ("###. #..# #..# ####", 1, 1),
    "hole closed by a corner": ("#### #.## ##.# ####", 1, 2),
    "smallest ring closed by a corner": ("### #.# ##.", 1, 1),
    "spiral": ("######### ........# #######.# #.....#.# #.###.#.# #.#...#.# #.#####.# #.......# #########", 1, 0),
    "comb": ("#.#.#.#.# #.#.#.#.# #.#.#.#.# #########", 1, 0),
    "all": ("##### ##### #####", 1, 0),
    "none": ("..... ..... .....", 0, 0),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("block", [1, 2, 3, 4, 5, 9])
def test_shapes(name, block):
    text, count, holes = SHAPES[name]
    mask = picture(text)
    regions = polygonize(cut(mask, block), PIXELS)
    assert len(regions) == count
    assert sum(len(region.polygon.interiors) for region in regions) == holes
    assert sum(region.polygon.area for region in regions) == mask.sum()
    assert all(region.polygon.is_valid for region in regions)
    assert facts(regions) == facts(polygonize(cut(mask, 100), PIXELS))


@given(MASKS, st.integers(1, 17))
@settings(max_examples=100, deadline=None)
def test_any_mask_in_any_blocks_is_the_whole_mask(mask, block):
    regions = polygonize(cut(mask, block), MAP)
    whole = [shapely.geometry.shape(geometry) for geometry, _ in shapes(mask.astype(np.uint8), mask=mask, connectivity=4, transform=MAP)]
    assert {shapely.normalize(region.polygon).wkb for region in regions} == {shapely.normalize(polygon).wkb for polygon in whole}
    assert len(regions) == len(whole)
    assert facts(regions) == facts(polygonize(cut(mask, 100), MAP))


@given(MASKS, st.integers(1, 17), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_blocks_come_in_any_order(mask, block, random):
    blocks = cut(mask, block)
    ordered = facts(polygonize(blocks, MAP))
    random.shuffle(blocks)
    assert facts(polygonize(iter(blocks), MAP)) == ordered


@given(MASKS, st.integers(1, 17))
@settings(max_examples=40, deadline=None)
def test_polygons_drawn_again_are_the_mask(mask, block):
    regions = polygonize(cut(mask, block), MAP)
    drawn = rasterize([(r.polygon, 1) for r in regions], out_shape=mask.shape, transform=MAP) if regions else np.zeros(mask.shape)
    assert np.array_equal(drawn.astype(bool), mask)
    assert all(mask[region.row, region.col] for region in regions)
    assert [(region.row, region.col) for region in regions] == sorted({(region.row, region.col) for region in regions})


@pytest.mark.parametrize("block", [16, 50])
def test_speckle_is_valid_and_the_same_for_all_blocks(block):
    mask = np.random.default_rng(0).random((96, 96)) < 0.55
    regions = polygonize(cut(mask, block), MAP)
    assert shapely.is_valid([region.polygon for region in regions]).all()
    assert facts(regions) == facts(polygonize(cut(mask, 1000), MAP))


def test_pieces_may_be_traced_elsewhere():
    mask = blobs(1)
    pieces = [piece for window, part in cut(mask, 128) for piece in trace(window, part)]
    assert facts(join(pieces, MAP)) == facts(polygonize(cut(mask, 400), MAP))


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ShapeError, match=r"size of its window, \(4, 5\); got \(4, 4\)"):
        trace(Window(0, 0, 4, 5), np.zeros((4, 4), bool))


def test_overlapping_blocks_that_tear_a_region_apart_are_refused():
    rod = np.ones((1, 4), bool)
    blocks = [(Window(0, 0, 1, 4), rod), (Window(0, 4, 1, 4), rod), (Window(3, 0, 1, 4), rod)]
    assert len(polygonize(blocks, PIXELS)) == 2
    pieces = [trace(*block)[0] for block in blocks]
    moved = [pieces[0], type(pieces[0])(polygon=pieces[2].polygon, runs=pieces[1].runs)]
    with pytest.raises(RunError, match="Blocks overlap"):
        join(moved, PIXELS)


def test_small_regions_go():
    regions = polygonize(cut(picture("##.# ##.# ...."), 2), MAP)
    assert [region.polygon.area for region in at_least(regions, 8.0)] == [16, 8]
    assert [region.polygon.area for region in at_least(regions, 8.1)] == [16]


def test_simplify_keeps_areas_and_drops_stairs():
    regions = polygonize(cut(blobs(2), 100), MAP)
    smooth = simplify(regions, 2.0)
    before, after = (np.array([region.polygon.area for region in some]) for some in (regions, smooth))
    large = before >= 300 * 4
    assert large.sum() >= 10
    assert (np.abs(after - before) / before)[large].max() <= 0.01
    points = [shapely.get_num_coordinates([region.polygon for region in some]).sum() for some in (regions, smooth)]
    assert points[1] < 0.8 * points[0]
    assert [(region.row, region.col) for region in smooth] == [(region.row, region.col) for region in regions]


def test_simplified_neighbours_share_their_border():
    rows, cols = np.mgrid[:60, :60]
    left = (cols < 30 + 8 * np.sin(rows / 7)).astype(np.uint8)
    halves = [shapely.geometry.shape(g) for g, _ in shapes(left + 1, connectivity=4)]
    smooth = simplify([Region(polygon=half, row=0, col=0) for half in halves], 1.5)
    first, second = (region.polygon for region in smooth)
    assert shapely.get_num_coordinates(first) < shapely.get_num_coordinates(halves[0])
    assert first.intersection(second).area == 0
    assert first.union(second).area == pytest.approx(shapely.union_all(halves).area, rel=1e-3)
    assert len(first.union(second).interiors) == 0


@given(arrays(bool, (16, 16)), st.floats(0.1, 6))
@settings(max_examples=60, deadline=None)
def test_simplified_outlines_are_valid_and_do_not_overlap(mask, tolerance):
    smooth = [region.polygon for region in simplify(polygonize(cut(mask, 5), PIXELS), tolerance)]
    assert all(isinstance(polygon, shapely.Polygon) and polygon.is_valid and polygon.area > 0 for polygon in smooth)
    assert all(polygon.exterior.is_ccw for polygon in smooth)
    assert shapely.area(shapely.union_all(smooth)) == pytest.approx(sum(polygon.area for polygon in smooth), abs=1e-9)


def test_tolerances():
    regions = polygonize(cut(blobs(3), 100), MAP)
    assert simplify(regions, 0) == regions
    assert simplify([], 3) == []
    with pytest.raises(ConfigError, match="length >= 0, got -1"):
        simplify(regions, -1)


def test_ids_name_the_ground_of_a_scene():
    assert polygon_id("DS1102", 3, 4) == polygon_id("DS1102", 3, 4)
    assert len(polygon_id("DS1102", 3, 4)) == 12
    assert len({polygon_id(scene, row, col) for scene in ("a", "a1", "a12") for row in range(30) for col in range(30)}) == 2700


def test_layer_of_sites():
    regions = polygonize(cut(picture("##.# ##.# ...."), 2), MAP)
    layer = site_layer(regions, crs="EPSG:32637", scene="DS1102")
    assert layer["id"].tolist() == [polygon_id("DS1102", 0, 0), polygon_id("DS1102", 0, 3)]
    assert layer.geometry.tolist() == [region.polygon for region in regions]
    empty = site_layer([], crs="EPSG:32637", scene="DS1102")
    assert (len(empty), empty.crs, list(empty.columns)) == (0, "EPSG:32637", ["id", "geometry"])
