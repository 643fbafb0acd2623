"""Touching cells drawn as one."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellseg.perturb import Merge, perturb_labels
from cellseg.perturb.merge import touching

ROW = np.repeat([1, 2, 0, 5, 3, 4, 0, 6], 2)[None].repeat(3, 0)
"""Pairs 1-2, 3-5, 3-4; 6 stands alone."""


@settings(deadline=None)
@given(labels=arrays(np.int32, (2, 4, 4), elements=st.integers(-1, 4)))
def test_pairs_are_those_with_pixels_side_by_side(labels):
    places = {own: np.argwhere(labels == own) for own in np.unique(labels) if own > 0}
    expected = [
        [one, other] for one, other in combinations(places, 2) if (np.abs(places[one][:, None] - places[other][None]).max(-1) == 1).any()
    ]
    assert touching(labels).tolist() == expected


@pytest.mark.parametrize(("rate", "cells"), [(0, 6), (0.33, 5), (0.5, 4), (2 / 3, 4), (1, 3)])
def test_exactly_the_share_of_the_pairs_is_merged(rate, cells):
    for seed in range(5):
        worse, _ = perturb_labels(ROW, Merge(rate), np.random.default_rng(seed))
        assert len(np.unique(worse)) - 1 == cells
        assert ((worse > 0) == (ROW > 0)).all()


def test_the_smallest_id_and_its_class_stay():
    worse, classes = perturb_labels(ROW, Merge(1), np.random.default_rng(0), classes=dict.fromkeys(range(1, 7), "a"))
    assert worse[0, ::2].tolist() == [1, 1, 0, 3, 3, 3, 0, 6]
    assert classes == {1: "a", 3: "a", 6: "a"}


def test_classes_do_not_mix_and_others_stay_apart():
    classes = {1: "a", 2: "b", 3: "b", 4: "b", 5: "a", 6: "a"}
    assert perturb_labels(ROW, Merge(1), np.random.default_rng(0), classes=classes)[0][0, ::2].tolist() == [1, 2, 0, 5, 3, 3, 0, 6]
    only_a = perturb_labels(ROW, Merge(1, target="a"), np.random.default_rng(0), classes=classes)[0]
    assert (only_a == ROW).all()
