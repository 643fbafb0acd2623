"""The usual perturbations in their usual order, and Compose."""

import numpy as np
import pytest

from cellseg.perturb import Bias, Compose, Inclusion, Omission, perturb_labels
from cellseg.perturb.chain import chain
from cellseg.perturb.compose import flat
from segcore.errors import ConfigError


def test_omission_then_inclusion_then_bias():
    made = chain(bias=6, unit="image", inclusion=0.2, omission=0.1, target="a")
    assert made == Compose([Omission(0.1, target="a"), Inclusion(0.2, "a"), Bias(6, unit="image", target="a")])
    assert chain(omission=0) == Compose([Omission(0)])
    assert made.targets == ("a",)


def test_what_is_missing_is_said():
    with pytest.raises(ConfigError, match="got none"):
        chain(target="a")
    with pytest.raises(ConfigError, match="no target was named"):
        chain(inclusion=0.3)
    with pytest.raises(ConfigError, match="whole number of pixels from 1, got 0"):
        chain(bias=0)


def test_parts_work_one_after_the_other_and_may_be_nested():
    labels = np.zeros((9, 30), int)
    labels[3:6, 3:6], labels[3:6, 13:16], labels[3:6, 23:26] = 1, 2, 3
    parts = [Omission(0.3), Bias(1), Omission(0.5)]
    rng, expected = np.random.default_rng(4), labels
    for part in parts:
        expected, _ = perturb_labels(expected, part, rng)
    nested = Compose([Compose(parts[:2]), parts[2]])
    got, _ = perturb_labels(labels, nested, np.random.default_rng(4))
    assert (got == expected).all()
    assert list(flat(nested)) == parts
    assert (perturb_labels(labels, Compose([]), rng)[0] == labels).all()


def test_only_perturbations_are_composed():
    with pytest.raises(ConfigError, match="Compose takes perturbations"):
        Compose([Omission(0.1), 0.3])
    with pytest.raises(ConfigError, match="Compose takes perturbations"):
        Compose([Omission])
