import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellseg.formats import outlines as module
from cellseg.formats.outlines import outline, outlined
from cellseg.formats.paint import paint, polygons_region

labels = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda shape: arrays(np.int32, shape, elements=st.integers(-1, 3)))


def rings_of(polygons):
    return [[np.array(ring, dtype=float) for ring in polygon] for polygon in polygons]


def test_a_block_has_four_corners_clockwise():
    mask = np.ones((2, 3), dtype=bool)
    assert outline(mask, col=10, row=20) == [[[(10, 20), (13, 20), (13, 22), (10, 22)]]]


def test_a_hole_comes_after_its_outer_ring():
    mask = np.ones((3, 3), dtype=bool)
    mask[1, 1] = False
    (polygon,) = outline(mask)
    assert [len(ring) for ring in polygon] == [4, 4]
    assert sorted(polygon[1]) == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_pixels_that_touch_at_a_corner_are_two_polygons():
    assert len(outline(np.eye(2, dtype=bool))) == 2


def test_a_ring_of_pixels_closed_at_a_corner_is_one_polygon_with_a_hole():
    mask = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=bool)
    (polygon,) = outline(mask)
    assert len(polygon) == 2
    assert (polygons_region(rings_of([polygon]), mask.shape).mask == mask).all()


def test_order_and_numbers():
    instances = np.array([[5, 0, 2], [-1, -1, 2]], dtype=np.int32)
    assert [number for number, _ in outlined(instances)] == [-1, 2, 5]
    assert list(outlined(np.zeros((2, 2), dtype=np.int32))) == []


def test_large_ids_cost_nothing():
    instances = np.array([[0, 2**31 - 1]], dtype=np.int32)
    assert list(outlined(instances)) == [(2**31 - 1, [[[(1, 0), (2, 0), (2, 1), (1, 1)]]])]


@pytest.mark.parametrize("slab", [1, 25])
def test_objects_of_several_slabs_have_one_outline(monkeypatch, slab):
    instances = np.random.default_rng(0).integers(-1, 5, (14, 12), dtype=np.int32)
    whole = list(outlined(instances))
    assert [number for number, _ in whole] == [-1, 1, 2, 3, 4]
    monkeypatch.setattr(module, "_SLAB", slab)
    assert list(outlined(instances)) == whole


def test_memory_is_that_of_a_slab_and_an_object(monkeypatch):
    instances = np.kron(np.arange(4, dtype=np.int32).reshape(2, 2), np.pad(np.ones((10, 10), np.int32), 200))
    list(outlined(instances))
    monkeypatch.setattr(module, "_SLAB", 1 << 12)
    tracemalloc.start()
    assert [number for number, _ in outlined(instances)] == [1, 2, 3]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < instances.size


@settings(max_examples=150, deadline=None)
@given(labels)
def test_outlines_give_the_labels_back(instances):
    drawn = paint(instances.shape, ((number, polygons_region(rings_of(own), instances.shape)) for number, own in outlined(instances)))
    assert (drawn.instances == instances).all()
    assert (drawn.contested, drawn.hidden, drawn.outside) == (0, 0, 0)


@settings(max_examples=150, deadline=None)
@given(labels)
def test_rings_are_simple_and_turn_at_every_corner(instances):
    for _, polygons in outlined(instances):
        for ring in (ring for polygon in polygons for ring in polygon):
            assert len(set(ring)) == len(ring) >= 4
            steps = np.diff(np.array([*ring, *ring[:2]]), axis=0)
            assert ((steps[:-1] * steps[1:]).sum(axis=1) == 0).all()
            assert ((steps == 0).sum(axis=1) == 1).all()


@settings(max_examples=100, deadline=None)
@given(labels)
def test_the_first_ring_encloses_and_the_others_are_holes(instances):
    def area(ring):
        x, y = np.array(ring).T
        return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2

    for number, polygons in outlined(instances):
        areas = [[area(ring) for ring in polygon] for polygon in polygons]
        assert all(own[0] > 0 and all(hole < 0 for hole in own[1:]) for own in areas)
        assert sum(map(sum, areas)) == (instances == number).sum()
