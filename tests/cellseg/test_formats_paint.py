import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cellseg.formats.paint import Region, ellipse_region, mask_region, paint, polygon_region, polygons_region
from cellseg.image import IGNORE

SQUARE = np.array([[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]])


def whole(region, shape=(6, 7)):
    out = np.zeros(shape, dtype=bool)
    if region is not None:
        out[region.row : region.row + region.mask.shape[0], region.col : region.col + region.mask.shape[1]] = region.mask
    return out


def test_a_square_covers_the_pixels_between_its_corners():
    assert np.argwhere(whole(polygon_region([SQUARE], (6, 7)))).tolist() == [[r, c] for r in (1, 2) for c in (1, 2, 3)]


def test_a_pixel_belongs_to_a_shape_when_its_centre_lies_inside():
    almost = np.array([[0.6, 0.6], [2.4, 0.6], [2.4, 2.4], [0.6, 2.4]])
    assert np.argwhere(whole(polygon_region([almost], (6, 7)))).tolist() == [[1, 1]]
    assert whole(polygon_region([almost - np.array([0.0, 0.2])], (6, 7)))[:, 1].tolist() == [True, True, False, False, False, False]


def test_a_hole_is_left_open_and_polygons_are_joined():
    hole = np.array([[2.0, 1.0], [3.0, 1.0], [3.0, 2.0], [2.0, 2.0]])
    assert whole(polygon_region([SQUARE, hole], (6, 7))).sum() == 5
    assert whole(polygons_region([[SQUARE], [hole]], (6, 7))).sum() == 6
    assert whole(polygons_region([[SQUARE], [hole + 3]], (6, 7))).sum() == 7


@pytest.mark.parametrize(("corner", "pixel"), [((2.1, 3.1), [3, 2]), ((6.6, 5.6), [5, 6])])
def test_an_object_smaller_than_a_pixel_keeps_one(corner, pixel):
    tiny = np.array([[0.0, 0.0], [0.2, 0.0], [0.0, 0.2]]) + corner
    assert np.argwhere(whole(polygon_region([tiny], (6, 7)))).tolist() == [pixel]


@pytest.mark.parametrize("move", [(-20, 0), (20, 0), (0, -20), (0, 20), (1e7, 1e7), (-4.0, 0.0)])
def test_a_shape_outside_the_image_has_no_pixel(move):
    assert polygon_region([SQUARE + move], (6, 7)) is None
    assert polygons_region([[SQUARE + move]], (6, 7)) is None


def test_a_shape_around_the_image_covers_it_and_its_hole_leaves_nothing():
    far = np.array([[-1e6, -1e6], [1e6, -1e6], [1e6, 1e6], [-1e6, 1e6]])
    assert whole(polygon_region([far], (6, 7))).all()
    assert polygon_region([far, far / 2], (6, 7)) is None
    assert polygon_region([], (6, 7)) is None


corners = st.lists(st.tuples(*[st.integers(-4, 40).map(lambda v: v / 4)] * 2), min_size=3, max_size=8)


@settings(max_examples=60, deadline=None)
@given(corners)
@example([(0.0, -0.25), (2.5, 2.5), (-0.25, -0.25)])
def test_polygons_are_filled_by_the_even_odd_rule(points):
    """Against the textbook loop: a centre is inside when edges cross the ray to its left an odd number of times."""
    ring = np.array(points, dtype=float) + np.array([0.0013, 0.00071])  # no edge between quarters of pixels then meets a centre
    x, y = (axis.ravel() + 0.5 for axis in np.mgrid[:9, :10][::-1])
    odd = np.zeros(len(x), dtype=bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if y0 != y1:
            odd ^= ((y0 <= y) != (y1 <= y)) & (x0 + (y - y0) / (y1 - y0) * (x1 - x0) <= x)
    if odd.any():
        assert (whole(polygon_region([ring], (9, 10)), (9, 10)).ravel() == odd).all()


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(0, 40)] * 4), st.tuples(*[st.floats(0, 10)] * 2), st.tuples(*[st.floats(0, 10)] * 2))
def test_neighbours_share_no_pixel_and_lose_none(ends, one, other):
    """Two polygons on both sides of one broken line across the image cover each pixel once."""
    line = np.array([[ends[0] / 4, -1.0], [one[0], 2.5], [other[0], 6.0], [ends[1] / 4, 11.0]])
    left = np.concatenate([line, [[-90.0, 11.0], [-90.0, -1.0]]])
    right = np.concatenate([line, [[90.0, 11.0], [90.0, -1.0]]])
    assert (whole(polygon_region([left], (9, 10)), (9, 10)) ^ whole(polygon_region([right], (9, 10)), (9, 10))).all()


def test_ellipses_follow_their_box():
    ring = whole(ellipse_region((0, 0, 6, 6), (6, 7)))
    assert ring.sum(axis=1).tolist() == [4, 6, 6, 6, 6, 4]
    assert (ring == ring[::-1]).all()
    assert whole(ellipse_region((2.1, 2.1, 2.3, 2.3), (6, 7))).sum() == 1
    assert whole(ellipse_region((-3, -3, 3, 3), (6, 7))).sum() == ring[3:, 3:6].sum()
    assert ellipse_region((9, 9, 12, 12), (6, 7)) is None
    assert ellipse_region((2, 2, 2, 5), (6, 7)) is None


def box(row, col, height, width):
    return Region(row=row, col=col, mask=np.ones((height, width), dtype=bool))


def test_the_smaller_object_keeps_what_two_claim_in_either_order():
    small, large = (7, box(1, 1, 2, 2)), (9, box(0, 0, 4, 4))
    for order in ([small, large], [large, small]):
        painted = paint((5, 5), order)
        assert (painted.instances == 7).sum() == 4
        assert (painted.instances == 9).sum() == 12
        assert (painted.contested, painted.hidden, painted.outside) == (4, 0, 0)


def test_of_equal_objects_the_later_one_wins_and_hidden_and_outside_ones_are_counted():
    painted = paint((3, 3), [(1, box(0, 0, 1, 1)), (2, box(0, 0, 1, 1)), (3, None)])
    assert painted.instances[0, 0] == 2
    assert (painted.contested, painted.hidden, painted.outside) == (1, 1, 1)


def test_unknown_pixels_yield_to_objects_in_either_order():
    cell, unknown = (4, box(0, 0, 2, 2)), (IGNORE, box(0, 0, 1, 3))
    for order in ([cell, unknown], [unknown, cell]):
        assert paint((2, 3), order).instances.tolist() == [[4, 4, IGNORE], [4, 4, 0]]


def test_a_mask_becomes_its_pixels():
    mask = np.zeros((6, 7), dtype=bool)
    mask[2, 3:5] = True
    assert (whole(mask_region(mask)) == mask).all()
    assert mask_region(mask).mask.shape == (1, 2)
    assert mask_region(np.zeros((2, 2), dtype=bool)) is None
