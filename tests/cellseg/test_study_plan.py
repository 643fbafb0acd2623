"""Plans: which runs there are, in which order, and what their chance depends on."""

from dataclasses import replace

import pytest

from cellseg.study.plan import Key, Learning, StudyPlan, digest_of, seed_of
from segcore.errors import ConfigError

PLAN = StudyPlan(target="hl60", nets=("unet", "msd"), baselines=("otsu",), omission=(0.3, 0.7), bias=(6,), runs=2)

LEVELS = (("omission", 0.3), ("omission", 0.7), ("clean", 0.0))


def test_the_first_run_of_every_point_comes_before_the_second_of_any():
    keys = list(PLAN.keys())
    assert len(keys) == len(set(keys)) == 3 * (1 + 2 + 1) * 2
    assert [key.run for key in keys] == [0] * 12 + [1] * 12
    assert [(key.net, key.perturbation, key.level) for key in keys[:6]] == [
        ("unet", "clean", 0),
        ("msd", "clean", 0),
        ("otsu", "clean", 0),
        ("unet", "omission", 0.3),
        ("msd", "omission", 0.3),
        ("otsu", "omission", 0.3),
    ]
    assert keys[11].words == "otsu bias 6 run 0"
    assert keys[0].words == "unet clean run 0"


def test_methods_share_labels_and_nothing_else():
    unet, msd, later = (Key(net=net, perturbation="omission", level=0.3, run=run) for net, run in (("unet", 0), ("msd", 0), ("unet", 1)))
    assert PLAN.label_seed(unet) == PLAN.label_seed(msd) != PLAN.label_seed(later)
    assert len({PLAN.training_seed(key) for key in (unet, msd, later)}) == 3
    assert len({PLAN.split_seed(0), PLAN.split_seed(1), replace(PLAN, seed=1).split_seed(0)}) == 3
    assert replace(PLAN, seed=1).training_seed(unet) != PLAN.training_seed(unet)
    assert replace(PLAN, nets=("unet",), omission=(0.3,), runs=9).training_seed(unet) == PLAN.training_seed(unet)


def test_levels_of_a_run_differ_in_labels_alone():
    worse, worst, clean = (Key(net="unet", perturbation=kind, level=level, run=1) for kind, level in LEVELS)
    assert PLAN.training_seed(worse) == PLAN.training_seed(worst) == PLAN.training_seed(clean)
    assert PLAN.label_seed(worse) != PLAN.label_seed(worst)


def test_seeds_do_not_change_from_one_version_to_the_next():
    assert seed_of(0, "a", "b") == seed_of(0, "a", "b") != seed_of(0, "ab", "")
    assert [seed_of(7, "labels", "bias", "6", "0"), seed_of(0, "a")] == [3979044213, 512595059]


def test_settings_leave_out_what_may_grow():
    wider = replace(PLAN, nets=("unet", "segnet", "msd"), omission=(0.1,), inclusion=(0.5,), runs=10)
    assert digest_of(wider.settings("x")) == digest_of(PLAN.settings("x"))
    others = replace(PLAN, target="other"), replace(PLAN, seed=3), replace(PLAN, learning=Learning(depth=30))
    digests = {digest_of(own.settings("x")) for own in (PLAN, *others)} | {digest_of(PLAN.settings("y"))}
    assert len(digests) == 5


def test_options_go_to_the_networks_that_have_them():
    learning = Learning(depth=30, width=16)
    assert [learning.options(net) for net in ("unet", "segnet", "msd")] == [{"width": 16}, {"width": 16}, {"depth": 30}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nets": ("vnet",)}, "of unet, segnet, msd, each once; got vnet"),
        ({"nets": ("unet", "unet")}, "each once; got unet, unet"),
        ({"baselines": ("svm",)}, "of threshold, otsu, watershed, k-means"),
        ({"nets": (), "baselines": ()}, "has a method"),
        ({"runs": 0}, "at least one run"),
        ({"seed": -1}, "a seed from 0"),
        ({"omission": (30.0,)}, "levels of omission are rates above 0 to 1, each once; got 30"),
        ({"omission": (1.0,)}, "omission of 1 leaves nothing"),
        ({"inclusion": (0.0,)}, "Clean labels come by themselves"),
        ({"bias": (2.5,)}, "levels of bias are whole pixels from 1, each once; got 2.5"),
        ({"bias": (2, 2)}, "each once; got 2, 2"),
    ],
)
def test_what_a_plan_refuses(change, words):
    with pytest.raises(ConfigError, match=words):
        replace(PLAN, **change)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"epochs": 0}, "epochs is"), ({"depth": 0}, "depth is"), ({"validation": 1.0}, "got 1."), ({"per_epoch": 0}, "per_epoch is")],
)
def test_what_learning_refuses(change, words):
    with pytest.raises(ConfigError, match=words):
        Learning(**change)
