"""Ids and painted values, with a table and without."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellseg.perturb import objects

LABELS = arrays(np.int32, st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)), elements=st.integers(-1, 5))


@settings(deadline=None)
@given(labels=LABELS)
def test_present_ids_are_those_of_unique(labels):
    for factor in (1, 400_000_000):
        scaled = np.where(labels > 0, labels * factor, labels).astype(np.int32)
        expected = np.unique(scaled)
        assert objects.present_ids(scaled).tolist() == expected[expected > 0].tolist()


@settings(deadline=None)
@given(labels=LABELS, chosen=st.sets(st.integers(1, 7)))
def test_painted_gives_each_pixel_the_value_of_its_object(labels, chosen):
    own = sorted(chosen)
    for factor in (1, 300_000_000):
        scaled = np.where(labels > 0, labels * factor, labels).astype(np.int32)
        ids, values = np.array([o * factor for o in own], dtype=np.int32), np.array([10 * o for o in own], dtype=np.uint8)
        result = objects.painted(scaled, ids, values)
        assert result.dtype == np.uint8
        assert (result == np.where(np.isin(labels, own), 10 * labels, 0)).all()
