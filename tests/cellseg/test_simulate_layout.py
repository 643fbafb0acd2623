"""Cells put into a volume: exact ids, no overlap, one component each."""

import numpy as np
import pytest
from scipy import ndimage

from cellseg.simulate.layout import LEAST_INSIDE, Cell, lay_out
from cellseg.simulate.population import HL60, KINDS, populations
from cellseg.simulate.scene import stream
from segcore.errors import ConfigError

PIXEL = 0.4, 0.25, 0.25
SHAPE = 40, 150, 170


def laid_out(kind="combined", seed=0, shape=SHAPE):
    return lay_out(KINDS[kind], shape, PIXEL, lambda *key: stream(seed, 0, 0, *key))


@pytest.fixture(scope="module")
def combined():
    return laid_out()


def test_ids_are_the_cells_in_order_and_each_is_one_component(combined):
    instances, cells = combined
    assert np.unique(instances).tolist() == list(range(len(cells) + 1))
    for own, box in enumerate(ndimage.find_objects(instances), 1):
        assert ndimage.label(instances[box] == own)[1] == 1


def test_each_cell_is_all_there_so_none_overlap(combined):
    instances, cells = combined
    for own, cell in enumerate(cells, 1):
        inside, part = cell.cut(SHAPE)
        assert (instances[inside][cell.mask[part]] == own).all()
        assert (instances == own).sum() == cell.mask[part].sum() >= LEAST_INSIDE * cell.mask.sum()


def test_some_cells_touch():
    touching = 0
    for seed in range(3):
        instances, cells = laid_out("granulocyte", seed)
        for own in range(1, len(cells) + 1):
            around = ndimage.binary_dilation(instances == own, iterations=2)
            touching += bool(set(np.unique(instances[around])) - {0, own})
    assert touching >= 2


def test_a_cell_that_a_face_cuts_in_two_keeps_its_larger_part():
    shapes = np.zeros((20, 40, 40), bool)
    shapes[:, :15], shapes[:, 25:] = True, True
    shapes[:4] = True  # a bridge above the volume
    population = HL60.__class__(**{name: getattr(HL60, name) for name in HL60.__slots__} | {"shape": lambda pixel, rng: shapes.copy()})
    instances, cells = lay_out((population,), (30, 44, 44), PIXEL, lambda *key: stream(1, 0, 0, *key))
    for own in range(1, len(cells) + 1):
        assert ndimage.label(instances == own)[1] == 1


def test_cut_says_what_lies_inside():
    cell = Cell(population=HL60, mask=np.ones((4, 5, 6), bool), corner=(-1, 3, 8))
    assert cell.cut((10, 6, 12)) == ((slice(0, 3), slice(3, 6), slice(8, 12)), (slice(1, 4), slice(0, 3), slice(0, 4)))
    assert cell.centre.tolist() == [1.0, 5.5, 11.0]


def test_classes_of_each_kind():
    assert {kind: [population.name for population in populations(kind)] for kind in KINDS} == {
        "hl60": ["hl60"],
        "granulocyte": ["granulocyte"],
        "combined": ["hl60", "granulocyte"],
    }
    with pytest.raises(ConfigError, match="hl60, granulocyte, combined, got 'yeast'"):
        populations("yeast")
