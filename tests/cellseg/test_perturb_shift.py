"""Cells beside their place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellseg.perturb import Shift, perturb_labels
from segcore.errors import ConfigError


def test_a_lone_cell_keeps_its_shape_and_goes_everywhere():
    labels = np.zeros((3, 15, 15), int)
    labels[:2, 6:9, 6:8] = 4
    places = set()
    for seed in range(200):
        worse, _ = perturb_labels(labels, Shift(2), np.random.default_rng(seed))
        rows, cols = np.nonzero(worse[0])
        step = rows.min() - 6, cols.min() - 6
        assert (worse == np.roll(labels, step, (1, 2))).all()
        places.add(step)
    assert places == {(row, col) for row in range(-2, 3) for col in range(-2, 3)}


@settings(deadline=None)
@given(labels=arrays(np.int32, (8, 9), elements=st.sampled_from([-1, 0, 1, 2, 3])), seed=st.integers(0, 50))
def test_cells_land_on_free_ground_only_and_the_smaller_id_wins(labels, seed):
    classes = {1: "a", 2: "a", 3: "b"}
    worse, _ = perturb_labels(labels, Shift(2, target="a"), np.random.default_rng(seed), classes=classes)
    ids = [own for own in (1, 2) if (labels == own).any()]
    steps = dict(zip(ids, np.random.default_rng(seed).integers(-2, 2, size=(len(ids), 2), endpoint=True).tolist(), strict=True))
    expected = np.where(np.isin(labels, [1, 2]), 0, labels)
    for own in ids:
        for row, col in np.argwhere(labels == own) + steps[own]:
            if 0 <= row < 8 and 0 <= col < 9 and expected[row, col] == 0:
                expected[row, col] = own
    assert (worse == expected).all()


def test_a_shift_larger_than_the_image_is_refused():
    with pytest.raises(ConfigError, match="shift is at most the longer edge"):
        perturb_labels(np.ones((4, 5), int), Shift(6), np.random.default_rng(0))
