"""Inclusion: exact numbers, ids and pixels stay."""

from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellseg.image import CellImage
from cellseg.perturb import Compose, Inclusion, Omission, perturb

CLASSES = ("a", "b", "c")


def cells(*counts):
    """Cells of one pixel; counts of classes a, b and so on."""
    names = [name for name, count in zip(CLASSES, counts, strict=False) for _ in range(count)]
    instances = np.arange(len(names) + 1, dtype=np.int32)[None]
    return CellImage(pixels=np.zeros((1, *instances.shape)), instances=instances, classes=dict(enumerate(names, 1)))


@settings(deadline=None)
@given(own=st.integers(0, 5), b=st.integers(0, 30), c=st.integers(0, 20), percent=st.integers(0, 100), seed=st.integers(0, 99))
def test_exactly_the_share_of_the_others_changes_class(own, b, c, percent, seed):
    image = cells(own, b, c)
    worse = perturb(image, Inclusion(percent / 100, "a"), np.random.default_rng(seed), known=CLASSES)
    assert (worse.instances == image.instances).all()
    assert len(worse.ids_of("a")) - own == floor((2 * percent * (b + c) + 100) / 200)
    for cell in worse.ids.tolist():
        assert worse.class_of(cell) in ("a", image.class_of(cell))


@pytest.mark.parametrize("others", [1, 2, 9])
def test_0_and_1_are_nothing_and_everything(others):
    image, rng = cells(2, others), np.random.default_rng(0)
    assert perturb(image, Inclusion(0, "a"), rng).classes == image.classes
    assert set(perturb(image, Inclusion(1, "a"), rng).classes.values()) == {"a"}


def test_omission_before_leaves_the_others_to_be_included():
    worse = perturb(cells(10, 20), Compose([Omission(0.3, target="a"), Inclusion(0.3, "a")]), np.random.default_rng(0))
    assert (len(worse.ids_of("a")), len(worse.ids_of("b"))) == (7 + 6, 14)


def test_objects_whose_class_nobody_said_are_others():
    image = CellImage(pixels=np.zeros((1, 1, 3)), instances=np.array([[1, 2, 3]], dtype=np.int32), classes={1: "a"})
    assert perturb(image, Inclusion(1, "a"), np.random.default_rng(0)).classes == {1: "a", 2: "a", 3: "a"}
