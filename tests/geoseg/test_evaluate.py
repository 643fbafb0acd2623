import json
from math import isnan

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.features import rasterize
from shapely import MultiPolygon, Point, box

from geoseg.evaluate import dice_at_points, discs, evaluate, overlaps, under_ignore
from geoseg.grid import GeoGrid
from segcore.errors import ConfigError, InputError
from segcore.metrics.pixels import Counts, count

X, Y = 500_000, 4_000_000
GRID = GeoGrid(crs=CRS.from_epsg(32637), transform=Affine(2, 0, X, 0, -2, Y), height=100, width=120)


def at(col, row, width, height):
    """A rectangle in pixels."""
    return box(X + 2 * col, Y - 2 * (row + height), X + 2 * (col + width), Y - 2 * row)


def layer(*shapes, crs=GRID.crs, **columns):
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs)


def point(col, row):
    return Point(X + 2 * col, Y - 2 * row)


def test_by_hand():
    found = layer(at(10, 10, 10, 10), at(50, 50, 10, 10))
    expert = layer(at(10, 10, 10, 8), at(80, 80, 5, 5))
    scores = evaluate(found, expert, GRID)
    assert scores.pixels == Counts(tp=80, fp=120, fn=25)
    assert (scores.objects.matched, scores.objects.found, scores.objects.expected) == (1, 2, 2)
    assert scores.objects.f1 == 0.5
    assert scores.objects.median_dice == pytest.approx(160 / 180)


def test_an_expert_agrees_with_itself():
    expert = layer(at(10, 10, 10, 10), MultiPolygon([at(40, 40, 4, 4), at(50, 40, 6, 6)]), at(12, 12, 20, 20))
    scores = evaluate(expert, expert, GRID).as_dict()
    assert (scores["dice"], scores["object_f1"], scores["median_dice"], scores["expected"]) == (1, 1, 1, 3)


def test_a_site_of_two_parts_counts_once():
    parts = at(40, 40, 10, 10), at(52, 40, 10, 10)
    whole = evaluate(layer(MultiPolygon(parts)), layer(MultiPolygon(parts)), GRID).objects
    assert (whole.matched, whole.expected) == (1, 1)
    halves = evaluate(layer(*parts), layer(MultiPolygon(parts)), GRID).objects
    assert (halves.matched, halves.found, halves.expected) == (1, 2, 1)


def test_overlapping_experts_are_one_union_of_pixels():
    expert = layer(at(10, 10, 10, 10), at(15, 10, 10, 10))
    assert evaluate(layer(at(10, 10, 15, 10)), expert, GRID).pixels == Counts(tp=150)


def test_ignored_pixels_count_for_neither_side():
    scores = evaluate(layer(at(10, 10, 10, 10)), layer(at(14, 10, 10, 10)), GRID, ignore=layer(at(10, 10, 6, 5)))
    assert scores.pixels == Counts(tp=60 - 10, fp=40 - 20, fn=40)


@pytest.mark.parametrize(("columns", "dropped"), [(5, 0), (6, 1)], ids=["half counts whole", "more is dropped"])
def test_objects_under_ignore(columns, dropped):
    ignore = layer(at(0, 0, 10 + columns, 50), at(0, 0, 10 + columns, 60))
    scores = evaluate(layer(at(10, 10, 10, 10)), layer(at(10, 10, 10, 10)), GRID, ignore=ignore)
    assert (scores.dropped_found, scores.dropped_expected) == (dropped, dropped)
    assert scores.objects.dices == (() if dropped else (1.0,))
    assert scores.pixels.tp == 10 * (10 - columns)


def test_only_the_area_is_scored():
    sites = layer(at(10, 10, 10, 10), at(55, 10, 10, 10), at(80, 10, 10, 10))
    scores = evaluate(layer(at(10, 10, 10, 10)), sites, GRID, area=at(0, 0, 58, 100))
    assert (scores.objects.matched, scores.objects.expected) == (1, 1)
    assert scores.pixels == Counts(tp=100, fn=30)


def test_sites_beyond_the_raster_are_not_missed():
    scores = evaluate(layer(at(10, 10, 10, 10)), layer(at(10, 10, 10, 10), at(500, 500, 10, 10)), GRID)
    assert scores.objects.f1 == 1
    assert scores.pixels == Counts(tp=100)


def test_other_crs_is_reprojected():
    expert = layer(at(10, 10, 40, 40))
    assert evaluate(expert.to_crs(4326), expert, GRID).objects.median_dice == pytest.approx(1, abs=1e-6)


def test_nothing_found_and_nothing_expected():
    nothing = gpd.GeoDataFrame(geometry=[])
    site = layer(at(10, 10, 10, 10))
    assert evaluate(nothing, site, GRID).as_dict()["object_recall"] == 0
    assert evaluate(nothing, site, GRID).as_dict()["object_precision"] is None
    empty = evaluate(nothing, nothing, GRID)
    assert isnan(empty.objects.f1)
    assert json.loads(json.dumps(empty.as_dict(), allow_nan=False))["dice"] is None


def test_invalid_polygons_are_repaired_and_empty_rows_left_out():
    bow_tie = shapely.Polygon([(X, Y), (X + 40, Y - 40), (X + 40, Y), (X, Y - 40)])
    scores = evaluate(layer(bow_tie, None, shapely.Polygon()), layer(bow_tie), GRID)
    assert (scores.objects.found, scores.objects.f1) == (1, 1)


def test_layers_that_cannot_be_scored_are_refused():
    site = layer(at(10, 10, 10, 10))
    with pytest.raises(InputError, match="outlines are polygons; got Point"):
        evaluate(layer(Point(X, Y)), site, GRID)
    with pytest.raises(InputError, match="this one has none"):
        evaluate(layer(at(1, 1, 2, 2), crs=None), site, GRID)


@given(st.lists(st.tuples(*[st.floats(-5, 120)] * 2, *[st.floats(1, 30)] * 2), max_size=12), st.integers(0, 12), st.integers(3, 200))
@settings(max_examples=40, deadline=None)
def test_blocks_change_nothing_and_pixels_are_those_of_rasterio(rectangles, split, block):
    shapes = [at(*rectangle) for rectangle in rectangles]
    sides = shapes[:split], shapes[split:]
    masks = [rasterize(side, out_shape=(100, 120), transform=GRID.transform) if side else np.zeros((100, 120)) for side in sides]
    expected = count(masks[0].astype(bool), masks[1].astype(bool))
    assert evaluate(layer(*sides[0]), layer(*sides[1]), GRID, block=block).pixels == expected


def test_overlaps_are_exact_and_leave_out_mere_contact():
    found = np.array([at(0, 0, 10, 10), at(50, 50, 2, 2)], dtype=object)
    expected = np.array([at(10, 0, 10, 10), at(5, 0, 10, 10)], dtype=object)
    table = overlaps(found, expected)
    assert (table.found.tolist(), table.expected.tolist(), table.iou.tolist()) == ([0], [1], [pytest.approx(1 / 3)])


def test_overlapping_ignore_polygons_cover_once():
    objects = np.array([at(0, 0, 10, 10)], dtype=object)
    assert under_ignore(objects, np.array([at(0, 0, 4, 10)] * 2, dtype=object)).tolist() == [False]
    assert under_ignore(objects, np.array([at(0, 0, 4, 10), at(4, 0, 2, 10)], dtype=object)).tolist() == [True]
    assert under_ignore(objects, np.empty(0, dtype=object)).tolist() == [False]


POINTS = layer(point(15, 15), point(45, 45), point(85, 85), id=[7, 8, 9])
EXPERTS = layer(at(80, 80, 10, 10), at(10, 10, 10, 10), at(40, 40, 10, 10), id=[9, 7, 8])
OUTLINES = layer(at(10, 10, 10, 5), at(10, 15, 10, 5), at(80, 80, 5, 10), point_id=[7, 7, 9])


def test_points_by_id():
    scores = dice_at_points(OUTLINES, EXPERTS, POINTS)
    assert scores.ids == ("7", "8", "9")
    assert scores.dice.tolist() == pytest.approx([1, 0, 2 / 3])
    assert scores.median == pytest.approx(2 / 3)
    assert scores.as_dict()["with_outline"] == 2


def test_an_outline_of_another_point_is_no_outline():
    swapped = layer(at(10, 10, 10, 10), at(40, 40, 10, 10), point_id=[8, 7])
    assert dice_at_points(swapped, EXPERTS, POINTS).dice.tolist() == [0, 0, 0]


def test_points_by_place_where_no_id_is_shared():
    for experts in (EXPERTS.drop(columns="id"), EXPERTS.assign(id=["a", "b", "c"])):
        scores = dice_at_points(OUTLINES, experts, POINTS)
        assert scores.dice.tolist() == pytest.approx([1, 0, 2 / 3])


def test_places_smallest_polygon_then_nearest_within_its_radius():
    experts = layer(at(0, 0, 40, 40), at(10, 10, 10, 10))
    points = layer(point(15, 15), point(22, 15), point(44, 20), point(110, 90), id=["in both", "in the large", "beside", "far"])
    outlines = layer(*[at(10, 10, 10, 10)] * 4, point_id=list(points.id))
    scores = dice_at_points(outlines, experts, points)
    assert scores.ids == ("in both", "in the large", "beside")
    assert scores.dice.tolist() == pytest.approx([1, 200 / 1700, 200 / 1700])
    assert scores.without_expert == 1


def test_points_whose_polygon_is_dropped_are_left_out():
    scores = dice_at_points(OUTLINES, EXPERTS, POINTS, ignore=layer(at(40, 40, 6, 10)))
    assert (scores.ids, scores.dropped, scores.without_expert) == (("7", "9"), 1, 0)


def test_points_without_id_go_by_their_index():
    points = POINTS.drop(columns="id")
    outlines = layer(at(10, 10, 10, 10), point_id=[0.0])
    assert dice_at_points(outlines, EXPERTS, points).dice.tolist() == [1, 0, 0]


def test_no_outlines_at_all():
    none = gpd.GeoDataFrame({"point_id": []}, geometry=[], crs=GRID.crs)
    scores = dice_at_points(none, EXPERTS, POINTS.to_crs(4326))
    assert (scores.median, scores.with_outline, len(scores.ids)) == (0, 0, 3)
    assert dice_at_points(none, EXPERTS.iloc[:0], POINTS).as_dict()["point_median_dice"] is None


def test_outlines_must_name_their_point():
    with pytest.raises(InputError, match="column point_id; got id, geometry"):
        dice_at_points(EXPERTS, EXPERTS, POINTS)


def test_discs():
    control = discs([(X, Y), (X + 100, Y)], 20, crs=GRID.crs, ids=["a", "b"])
    assert control.point_id.tolist() == ["a", "b"]
    assert control.crs == GRID.crs
    assert shapely.get_num_coordinates(control.geometry.array).tolist() == [65, 65]
    assert control.area.to_numpy() == pytest.approx(32 * np.sin(2 * np.pi / 64) * 20**2)
    with pytest.raises(ConfigError, match="radius > 0 m, got 0"):
        discs([(X, Y)], 0)
