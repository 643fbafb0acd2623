import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellseg.splits import make_splits
from segcore.errors import ConfigError

SHARES = {"train": 0.6, "valid": 0.2, "test": 0.2}


@given(st.lists(st.integers(0, 6), min_size=12, max_size=60), st.integers(0, 99))
def test_groups_stay_whole_and_every_split_has_one(members, seed):
    names = [f"i{number}" for number in range(len(members))]
    groups = {name: f"g{member}" for name, member in zip(names, members, strict=True) if member}
    if len(set(groups.values())) + members.count(0) < 3:
        return
    found = make_splits(names, groups, SHARES, np.random.default_rng(seed))
    assert list(found) == names
    assert {split for split, _ in found.values()} == set(SHARES)
    assert all(group == groups.get(name, "") for name, (_, group) in found.items())
    for group in set(groups.values()):
        assert len({split for split, own in found.values() if own == group}) == 1


def test_single_images_meet_the_shares_exactly():
    found = make_splits([f"i{number}" for number in range(50)], {}, SHARES, np.random.default_rng(0))
    counts = [sum(split == wanted for split, _ in found.values()) for wanted in SHARES]
    assert counts == [30, 10, 10]


def test_the_generator_decides():
    names = [f"i{number}" for number in range(20)]
    found = [make_splits(names, {}, SHARES, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("names", "groups", "shares"),
    [
        (["a", "b"], {}, {"train": 0.5}),
        (["a", "b"], {}, {}),
        (["a", "b"], {}, {"train": 1.5, "test": -0.5}),
        (["a", "b"], {}, {"train": 0.5, "": 0.5}),
        (["a", "a"], {}, {"train": 1}),
        (["a"], {"b": "g"}, {"train": 1}),
        (["a", "b"], {"a": "g", "b": "g"}, {"train": 0.5, "test": 0.5}),
        ([], {}, {"train": 1}),
    ],
)
def test_bad_requests(names, groups, shares):
    with pytest.raises(ConfigError, match="split"):
        make_splits(names, groups, shares, np.random.default_rng(0))
