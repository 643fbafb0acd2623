import itertools

import numpy as np
import pytest

from cellseg.training.images import Plane, TargetImages
from cellseg.training.normalise import moments
from cellseg.training.patches import Patch, Survey, by_shards, draw_epoch, require_target, survey, thinned, tiles
from segcore.errors import ConfigError, InputError
from segcore.windows import GridConfig, Window


def made(many_with, many_without, name="a"):
    plane = Plane(name, 0, 64, 64)
    return [Patch(plane=plane, window=Window(0, at, 8, 8), shows=at < many_with) for at in range(many_with + many_without)]


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_survey_covers_the_image_and_knows_where_the_target_is(two_classes):
    own = survey(TargetImages(two_classes, "lymphocyte"), "a", GridConfig(window=32, overlap=0.25))
    image = two_classes["a"]
    seen = np.zeros((64, 80), bool)
    for patch in own.patches:
        seen[patch.window.slices] = True
        assert patch.shows == image.mask("lymphocyte")[patch.window.slices].any()
    assert seen.all()
    assert own.shows
    assert own.channels == 3
    assert own.pixel_type == "uint8"
    np.testing.assert_allclose(own.moments.total / own.moments.count, image.pixels.mean(axis=(1, 2)))


def test_patches_without_a_known_pixel_are_left_out(with_ignore):
    own = survey(TargetImages(with_ignore, "epithelial"), "p", GridConfig(window=8, overlap=0))
    assert min(patch.window.row for patch in own.patches) == 8
    assert len(own.patches) == 7 * 10
    assert own.moments.count == 64 * 80


@pytest.mark.parametrize("edge", [30, 40, 64])
def test_tiles_count_each_pixel_once(two_classes, edge):
    seen = np.zeros((64, 80), int)
    for patch in tiles(TargetImages(two_classes, "lymphocyte"), "a", edge):
        rows, cols = patch.window.slices
        own = np.s_[rows.start + patch.again[0] : rows.stop, cols.start + patch.again[1] : cols.stop]
        assert (patch.window.height, patch.window.width) == (edge, edge)
        assert patch.shows == two_classes["a"].mask("lymphocyte")[own].any()
        seen[own] += 1
    assert (seen == 1).all()


def test_tiles_whose_own_pixels_are_unknown_are_left_out(with_ignore):
    assert {patch.window.row for patch in tiles(TargetImages(with_ignore, "epithelial"), "p", 8)} == set(range(8, 64, 8))


def test_a_patch_larger_than_an_image_is_refused(two_classes):
    with pytest.raises(ConfigError, match=r"a patch fits into every image; a has 64 x 80 px, got 65. Use --patch 64."):
        survey(TargetImages(two_classes, "lymphocyte"), "a", GridConfig(window=65))


def test_half_of_an_epoch_shows_a_rare_target():
    drawn = draw_epoch(made(2, 98), 40, 0.5, rng())
    assert sum(patch.shows for patch in drawn) == 20
    assert len({patch.window for patch in drawn if not patch.shows}) == 20
    assert [sum(patch.window.col == at for patch in drawn) for at in (0, 1)] == [10, 10]


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (5, 3), (9, 5), (10, 5)])
def test_at_least_half_shows_it_where_the_count_is_odd(count, shown):
    assert sum(patch.shows for patch in draw_epoch(made(1, 9), count, 0.5, rng())) == shown


def test_a_target_that_is_everywhere_is_not_held_down():
    assert sum(patch.shows for patch in draw_epoch(made(90, 10), 50, 0.5, rng())) == 45


@pytest.mark.parametrize("patches", [made(30, 0), made(0, 30), made(10, 20)])
def test_without_balance_each_patch_comes_once(patches):
    balance = None if len({patch.shows for patch in patches}) == 2 else 0.5
    drawn = draw_epoch(patches, 30, balance, rng())
    assert len({patch.window for patch in drawn}) == 30
    assert drawn != patches


def test_an_epoch_follows_from_its_seed():
    patches = made(10, 20)
    assert draw_epoch(patches, 12, 0.5, rng(3)) == draw_epoch(patches, 12, 0.5, rng(3)) != draw_epoch(patches, 12, 0.5, rng(4))


def test_images_that_do_not_fit_together_come_one_after_the_other():
    patches = [patch for name in "abcd" for patch in made(0, 20, name)]
    drawn = draw_epoch(patches, 80, None, rng())
    sizes = dict.fromkeys("abcd", 10)
    assert by_shards(drawn, sizes, 40, rng()) == drawn
    order = [patch.plane.name for patch in by_shards(drawn, sizes, 20, rng())]
    first, second = set(order[:40]), set(order[40:])
    assert (len(first), len(second), first & second) == (2, 2, set())
    assert order[:40] != sorted(order[:40])
    alone = [patch.plane.name for patch in by_shards(drawn, sizes, 1, rng())]
    assert sum(one != two for one, two in itertools.pairwise(alone)) == 3


def test_thinned_patches_keep_the_share_and_at_least_one_of_the_target():
    patches = made(20, 60)
    assert thinned(patches, None) == thinned(patches, 80) == patches
    few = thinned(patches, 20)
    assert (len(few), sum(patch.shows for patch in few)) == (20, 5)
    assert sum(patch.shows for patch in thinned(made(1, 99), 10)) == 1


def a_survey(name, channels=1, patches=(), kind="uint8"):
    own = moments(np.zeros((channels, 2, 2)), name)
    return Survey(name=name, patches=tuple(patches), moments=own, bytes=0, pixel_type=kind)


@pytest.mark.parametrize(
    ("surveys", "text"),
    [
        ([a_survey("a", 1), a_survey("b", 3)], "the same number of channels; a has 1, b 3"),
        ([a_survey("a"), a_survey("b", kind="uint16")], "one pixel type, since one scaling serves all; a has uint8, b uint16"),
        ([a_survey("a"), a_survey("b")], "in cells all are unknown"),
        ([a_survey("a", patches=made(0, 2)), a_survey("b")], "no image of cells shows a 'gland'"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(surveys, text):
    with pytest.raises(InputError, match=text):
        require_target(surveys, "gland", "cells")
