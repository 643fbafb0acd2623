import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.folds import FOLDS, apart, make_folds
from segcore.errors import InputError


def scattered(sites, negatives, seed=0, size=3000):
    rng = np.random.default_rng(seed)
    places = rng.integers(0, size, (sites + negatives, 2))
    return places, np.array([1] * sites + [0] * negatives)


@given(st.integers(20, 200), st.integers(0, 1000), st.sampled_from(["spatial", "random"]))
@settings(max_examples=40, deadline=None)
def test_every_fold_has_about_a_fifth_of_each_class(count, seed, split):
    places, labels = scattered(count, count, seed)
    try:
        folds = make_folds(places, labels, split=split, window=32, seed=seed)
    except InputError:
        assert split == "spatial"
        assert count < 60
        return
    assert set(folds.tolist()) == set(range(FOLDS))
    for label in (0, 1):
        counts = np.bincount(folds[labels == label], minlength=FOLDS)
        assert counts.min() >= 2
        if split == "random":
            assert counts.max() - counts.min() <= 1
        elif count >= 100:
            assert counts.min() >= 0.5 * count / FOLDS


def test_blocks_keep_neighbours_together():
    rng = np.random.default_rng(1)
    centres = np.array([(r, c) for r in range(500, 3000, 500) for c in range(500, 3000, 500)])
    places = np.concatenate([centres + rng.integers(-10, 11, centres.shape) for _ in range(4)])
    labels = np.repeat([1, 0, 1, 0], len(centres))
    folds = make_folds(places, labels, split="spatial", window=30, seed=0).reshape(4, -1)
    assert (folds == folds[0]).all(axis=0).mean() > 0.7
    mixed = make_folds(places, labels, split="random", window=30, seed=0).reshape(4, -1)
    assert (mixed == mixed[0]).all(axis=0).mean() < 0.2


def test_a_block_is_at_least_two_windows_wide():
    places = np.array([(r, c) for r in range(0, 1000, 50) for c in range(0, 1000, 50)])
    labels = np.arange(len(places)) % 2
    folds = make_folds(places, labels, split="spatial", window=100, seed=0)
    blocks = places // 200
    assert all(len(set(folds[(blocks == block).all(axis=1)])) == 1 for block in np.unique(blocks, axis=0))


def test_the_same_seed_gives_the_same_folds():
    places, labels = scattered(60, 60)
    first = make_folds(places, labels, split="spatial", window=32, seed=3)
    assert (first == make_folds(places, labels, split="spatial", window=32, seed=3)).all()
    assert (first != make_folds(places, labels, split="spatial", window=32, seed=4)).any()


def test_too_few_sites_says_how_many_would_do():
    places, labels = scattered(9, 40)
    with pytest.raises(InputError, match=r"9 sites and 40 negatives do not give them. 10 of each would do: add sites\.$"):
        make_folds(places, labels, split="random", window=32, seed=0)
    places, labels = scattered(10, 10)
    assert np.bincount(make_folds(places, labels, split="random", window=32, seed=0)).tolist() == [4] * FOLDS


def test_sites_on_one_spot_are_told_of_the_random_split():
    places, labels = scattered(40, 40, size=50)
    with pytest.raises(InputError, match=r"5 blocks of ground that lie apart would do: add sites or use --split random\."):
        make_folds(places, labels, split="spatial", window=32, seed=0)
    make_folds(places, labels, split="random", window=32, seed=0)


@given(st.integers(1, 40), st.integers(1, 400), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_apart_against_all_pairs(count, distance, seed):
    places, _ = scattered(count, count, seed, size=1000)
    held = np.random.default_rng(seed).random(len(places)) < 0.3
    allowed = apart(places, held, distance)
    for i, place in enumerate(places):
        near = any(np.abs(place - other).max() < distance for other in places[held])
        assert allowed[i] == (not held[i] and not near)


def test_without_anything_held_back_all_may_be_learnt_from():
    places, _ = scattered(3, 3)
    assert apart(places, np.zeros(6, dtype=bool), 100).all()
