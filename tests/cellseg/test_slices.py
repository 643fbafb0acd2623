import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellseg.slices import equidistant_slices
from segcore.errors import ConfigError


def test_by_hand():
    assert equidistant_slices([129], 1) == [(0, 64)]
    assert equidistant_slices([100], 5) == [(0, 10), (0, 30), (0, 50), (0, 70), (0, 90)]
    assert equidistant_slices([100, 100], 5) == [(0, 10), (1, 30), (0, 50), (1, 70), (0, 90)]
    assert equidistant_slices([4], 4) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert equidistant_slices([10, 20, 30], 3) == [(0, 1), (1, 10), (2, 25)]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=10), st.integers(1, 40))
def test_sections_take_turns_and_their_middle(depths, wanted):
    try:
        found = equidistant_slices(depths, wanted)
    except ConfigError:
        assert wanted > min(depths)
        return
    assert len(set(found)) == len(found) == wanted
    for section, (volume, place) in enumerate(found):
        assert volume == section % len(depths)
        assert abs((place + 0.5) / depths[volume] - (section + 0.5) / wanted) <= 0.5 / depths[volume] + 1e-9


@pytest.mark.parametrize(("depths", "wanted"), [([], 1), ([0], 1), ([10], 0), ([10], 11), ([10], -1)])
def test_bad_requests(depths, wanted):
    with pytest.raises(ConfigError, match="slice"):
        equidistant_slices(depths, wanted)
