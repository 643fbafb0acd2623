"""Chance from a seed and a name."""

import pytest

from cellseg.perturb import image_rng
from segcore.errors import ConfigError


def draw(seed, name):
    return image_rng(seed, name).integers(0, 2**40, 4).tolist()


def test_seed_and_name_decide_and_nothing_else():
    assert draw(3, "tile") == draw(3, "tile")
    numbers = [draw(seed, name) for seed in (0, 1, 2**70) for name in ("a", "b", "", "ä", "a" * 300)]
    assert len({tuple(own) for own in numbers}) == 15


def test_the_numbers_stay_what_they_are_from_version_to_version():
    assert image_rng(0, "a").integers(0, 1000, 5).tolist() == [157, 384, 662, 973, 4]


@pytest.mark.parametrize("seed", [-1, 0.5, "0", None, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ConfigError, match="a seed is a whole number from 0, got"):
        image_rng(seed, "a")
