"""Counts of a volume, by hand."""

import numpy as np
import pytest

from cellseg.image import CellImage
from cellseg.simulate.census import STATED, census
from cellseg.simulate.population import KINDS
from segcore.errors import ShapeError


@pytest.fixture
def blocks():
    """Two blocks: a of 2 x 4 x 5 voxels inside; b of 3 x 2 x 2 at a face."""
    instances = np.zeros((6, 10, 10), np.int32)
    instances[1:3, 2:6, 2:7], instances[2:5, 8:, 8:] = 1, 2
    return CellImage(pixels=instances[None], instances=instances, classes={1: "a", 2: "b"}, pixel_size_um=(2.0, 0.5, 0.5))


def test_counts(blocks):
    whole, inside, cut = census(blocks), census(blocks, "a"), census(blocks, "b")
    assert (whole.cells, whole.cells_per_slice, whole.foreground_share) == (2, 5 / 6, 52 / 600)
    assert (inside.cells, inside.foreground_share, inside.height_um, inside.volume_um3) == (1, 40 / 600, (4.0,), (20.0,))
    assert inside.width_um == (pytest.approx(2 * np.sqrt(20 * 0.25 / np.pi)),)
    assert (cut.cells, cut.width_um) == (1, ())


def test_a_census_needs_a_volume(blocks):
    with pytest.raises(ShapeError, match="a volume and its pixel size"):
        census(next(blocks.slices()))


def test_ranges_are_stated_for_each_class_of_each_kind():
    assert set(STATED) == {(kind, population.name) for kind, residents in KINDS.items() for population in residents}
    for stated in STATED.values():
        for low, high in (getattr(stated, name) for name in stated.__slots__):
            assert 0 < low < high
