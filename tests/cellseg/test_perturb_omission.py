"""Omission: exact numbers, whole cells."""

from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellseg.image import CellImage
from cellseg.perturb import Omission, perturb


def dots(count, others=0):
    """count cells of class a and others of class b, of one pixel each."""
    total = count + others
    instances = np.zeros((3, 2 * total + 1), dtype=np.int32)
    instances[1, 1::2] = np.arange(1, total + 1)
    classes = dict.fromkeys(range(1, count + 1), "a") | dict.fromkeys(range(count + 1, total + 1), "b")
    return CellImage(pixels=np.zeros((1, *instances.shape)), instances=instances, classes=classes)


@settings(deadline=None)
@given(count=st.integers(0, 40), others=st.integers(0, 5), percent=st.integers(0, 100), seed=st.integers(0, 99))
def test_exactly_the_share_of_the_target_vanishes(count, others, percent, seed):
    image = dots(count, others)
    worse = perturb(image, Omission(percent / 100, target="a"), np.random.default_rng(seed), known=("a", "b"))
    left = worse.ids_of("a")
    assert count - len(left) == floor((2 * percent * count + 100) / 200)
    assert (worse.ids_of("b") == image.ids_of("b")).all()
    kept = np.isin(image.instances, worse.ids)
    assert (worse.instances == np.where(kept, image.instances, 0)).all()


@pytest.mark.parametrize("count", [1, 2, 3, 17])
def test_0_and_1_are_nothing_and_everything(count):
    image, rng = dots(count), np.random.default_rng(0)
    assert len(perturb(image, Omission(0), rng).ids) == count
    assert len(perturb(image, Omission(1), rng).ids) == 0
    assert len(perturb(image, Omission(1.0), rng).classes) == 0


def test_a_cell_of_a_volume_vanishes_from_all_its_planes():
    instances = np.zeros((6, 8, 8), dtype=np.int32)
    for own in range(1, 5):
        instances[own - 1 : own + 2, 2 * own - 2 : 2 * own, 1:7] = own
    image = CellImage(pixels=np.zeros((1, 6, 8, 8)), instances=instances)
    worse = perturb(image, Omission(0.5), np.random.default_rng(0))
    assert len(worse.ids) == 2
    assert (worse.instances == np.where(np.isin(instances, worse.ids), instances, 0)).all()


def test_every_seed_counts_0_too_and_every_cell_has_its_chance():
    image = dots(10)
    left = [perturb(image, Omission(0.5), np.random.default_rng(seed)).ids.tolist() for seed in range(40)]
    assert left[0] != left[1]
    assert set().union(*left) == set(range(1, 11))
    assert set.intersection(*map(set, left)) == set()
