import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from cellseg import instances as module
from cellseg.instances import label_slabs, split_touching


def disks(shape, places):
    grid = np.indices(shape)
    return np.any([sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True)) <= r**2 for *centre, r in places], axis=0)


@given(st.integers(0, 2**31), st.lists(st.integers(1, 7), min_size=1, max_size=6), st.floats(0.2, 0.8), st.booleans())
@settings(max_examples=60, deadline=None)
def test_slabs_give_what_the_whole_gives(seed, heights, share, volume):
    shape = (sum(heights), 9, 5) if volume else (sum(heights), 9)
    mask = np.random.default_rng(seed).random(shape) < share
    out = np.full(shape, -5, np.int32)
    count = label_slabs(np.split(mask, np.cumsum(heights)[:-1]), out)
    expected, many = label(mask)
    assert count == many
    np.testing.assert_array_equal(out, expected)


def test_arms_that_meet_in_a_later_slab_are_one_object():
    mask = np.ones((6, 7), bool)
    mask[:5, 2] = mask[:5, 4] = False
    out = np.zeros(mask.shape, np.int32)
    assert label_slabs([mask[:2], mask[2:3], mask[3:]], out) == 1
    assert (out == mask).all()


def test_an_empty_mask_has_no_object():
    out = np.ones((4, 4), np.int32)
    assert label_slabs([np.zeros((2, 4), bool)] * 2, out) == 0
    assert (out == 0).all()


def test_labels_may_lie_on_disk(tmp_path):
    mask = np.random.default_rng(0).random((40, 30)) < 0.5
    out = np.memmap(tmp_path / "labels", dtype=np.int32, mode="w+", shape=mask.shape)
    label_slabs(np.split(mask, 4), out)
    np.testing.assert_array_equal(out, label(mask)[0])


def test_two_touching_disks_are_cut_where_they_meet():
    labels = label(disks((30, 50), [(15, 15, 10), (15, 32, 9)]))[0].astype(np.int32)
    assert labels.max() == 1
    before = labels > 0
    assert split_touching(labels) == 2
    np.testing.assert_array_equal(labels > 0, before)
    cols = np.indices(labels.shape)[1]
    assert cols[labels == 1].max() <= 26
    assert cols[labels == 2].min() >= 23
    assert (labels == 1).sum() > (labels == 2).sum()


@pytest.mark.parametrize(
    "mask",
    [
        disks((40, 40), [(20, 20, 12)]),
        disks((40, 60), [(20, 25, 12), (20, 29, 12)]),
        np.pad(np.ones((8, 40), bool), 3),
        np.eye(12, dtype=bool) | np.eye(12, k=1, dtype=bool),
        np.ones((1, 1), bool),
        np.ones((20, 20), bool),
    ],
    ids=["disk", "two that are almost one", "bar", "line", "pixel", "all"],
)
def test_one_cell_stays_one(mask):
    labels = label(mask)[0].astype(np.int32)
    assert split_touching(labels) == labels.max() == 1


def test_other_objects_keep_their_numbers():
    mask = disks((60, 60), [(10, 10, 6), (35, 20, 9), (35, 35, 9), (52, 52, 5)])
    labels = label(mask)[0].astype(np.int32)
    before = labels.copy()
    assert (labels.max(), split_touching(labels)) == (3, 4)
    assert (labels[before == 1] == 1).all()
    assert (labels[before == 3] == 3).all()
    assert set(labels[before == 2]) == {2, 4}


def test_many_pieces_get_numbers_of_their_own():
    """A row of five disks that touch, beside one alone: the clump's pieces are 1 and those after the last number."""
    mask = disks((50, 120), [(15, 15 + 18 * at, 10) for at in range(5)] + [(42, 60, 6)])
    labels = label(mask)[0].astype(np.int32)
    before = labels.copy()
    assert (labels.max(), split_touching(labels)) == (2, 6)
    assert set(labels[before == 1]) == {1, 3, 4, 5, 6}
    assert (labels[before == 2] == 2).all()
    assert all(label(labels == own)[1] == 1 for own in range(1, 7))


def test_a_clump_above_the_limit_stays_whole_and_that_is_said(monkeypatch):
    mask = disks((60, 60), [(10, 10, 9), (10, 27, 9), (45, 15, 9), (45, 31, 9)])
    labels = label(mask)[0].astype(np.int32)
    labels[0, 59] = labels.max() + 1
    before, lines = labels.copy(), []
    monkeypatch.setattr(module, "LARGEST", 19 * 35)
    assert split_touching(labels, say=lines.append) == 4
    assert lines == ["object 1, 19 x 36 px, is left whole: a box of at most 665 px can be cut"]
    np.testing.assert_array_equal(labels == 1, before == 1)
    assert set(labels[before == 2]) == {2, 4}


def test_cells_of_a_volume_are_cut_with_the_edges_of_its_voxels():
    """Two balls, one above the other, in planes four times as far apart as pixels."""
    z, y, x = np.indices((12, 30, 30))
    mask = np.any([((z - at) * 4) ** 2 + (y - 15) ** 2 + (x - 15) ** 2 <= 100 for at in (3, 7)], axis=0)
    labels = label(mask)[0].astype(np.int32)
    assert (labels.max(), split_touching(labels, edges=(4, 1, 1))) == (1, 2)
    assert labels[2, 15, 15] != labels[8, 15, 15]


def test_no_object_is_no_work():
    assert split_touching(np.zeros((5, 5), np.int32)) == 0
