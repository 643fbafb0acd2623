import numpy as np
import pytest

from cellseg.training.augment import Augmentation, augment
from segcore.errors import ConfigError

STILL = Augmentation(turn=False, elastic=0, stain=0)


def patch(size=(40, 40), channels=3, dtype=np.uint8):
    rng = np.random.default_rng(0)
    target = np.zeros(size, np.int8)
    target[5:20, 8:30] = 1
    target[30:, :6] = -1
    pixels = np.stack([np.where(target == 1, 200, 60) + rng.integers(0, 20, size) for _ in range(channels)])
    return pixels.astype(dtype), target


def test_nothing_happens_where_nothing_may():
    pixels, target = patch()
    changed, moved = augment(pixels, target, STILL, np.random.default_rng(1))
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(changed, pixels)
    np.testing.assert_array_equal(moved, target)


def test_turns_are_the_eight_ways_to_lay_a_square_and_move_both_alike():
    target = np.arange(9, dtype=np.int8).reshape(3, 3)
    how = Augmentation(elastic=0, stain=0)
    seen = set()
    for seed in range(100):
        changed, moved = augment(target[None].astype(np.uint16), target, how, np.random.default_rng(seed))
        np.testing.assert_array_equal(changed[0], moved)
        seen.add(moved.tobytes())
    ways = {np.rot90(base, k).tobytes() for base in (target, target[::-1]) for k in range(4)}
    assert seen == ways
    assert target.T.copy().tobytes() in seen


def test_a_patch_that_is_no_square_keeps_its_shape():
    pixels, target = patch((40, 32))
    for seed in range(10):
        changed, moved = augment(pixels, target, Augmentation(), np.random.default_rng(seed))
        assert changed.shape == (3, 40, 32)
        assert moved.shape == (40, 32)


def test_bending_moves_image_and_labels_together_and_invents_no_label():
    pixels, target = patch(channels=1)
    how = Augmentation(turn=False, elastic=0.05, elastic_share=1, stain=0)
    bent, moved = augment(pixels, target, how, np.random.default_rng(3))
    assert (moved != target).any()
    assert set(np.unique(moved)) <= {-1, 0, 1}
    assert moved.dtype == np.int8
    known = moved >= 0
    agree = (bent[0] > 130) == (moved == 1)
    assert agree[known].mean() > 0.97
    assert ((pixels[0] > 130) == (moved == 1))[known].mean() < agree[known].mean()


def test_half_floats_are_bent_as_floats_are():
    pixels, target = patch(dtype=np.float16)
    how = Augmentation(turn=False, elastic=0.05, elastic_share=1)
    half, whole = (augment(pixels.astype(kind), target, how, np.random.default_rng(3))[0] for kind in (np.float16, np.float32))
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half, whole)


def test_no_label_comes_up_between_two_others():
    target = np.where(np.indices((40, 40))[1] < 20, -1, 1).astype(np.int8)
    how = Augmentation(turn=False, elastic=0.1, elastic_share=1, stain=0)
    for seed in range(5):
        assert set(np.unique(augment(target[None], target, how, np.random.default_rng(seed))[1])) == {-1, 1}


def test_elastic_share_is_the_share_of_patches_that_are_bent():
    pixels, target = patch(channels=1)
    how = Augmentation(turn=False, elastic=0.05, elastic_share=0.25, stain=0)
    bent = sum((augment(pixels, target, how, np.random.default_rng(seed))[1] != target).any() for seed in range(80))
    assert 10 <= bent <= 32


@pytest.mark.parametrize(("channels", "dtype", "stained"), [(3, np.uint8, True), (1, np.uint8, False), (3, np.uint16, False)])
def test_stain_is_changed_in_rgb_of_8_bits_alone(channels, dtype, stained):
    pixels, target = patch(channels=channels, dtype=dtype)
    changed, moved = augment(pixels, target, Augmentation(turn=False, elastic=0, stain=0.2), np.random.default_rng(2))
    assert (np.abs(changed.astype(float) - pixels) > 2).any() == stained
    np.testing.assert_array_equal(moved, target)


def test_the_same_seed_makes_the_same_change_and_another_another():
    pixels, target = patch()
    one, two, other = (augment(pixels, target, Augmentation(elastic_share=1), np.random.default_rng([4, e, 7])) for e in (0, 0, 1))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert one[0].shape == other[0].shape
    assert (one[0] != other[0]).any()


def test_the_input_stays_as_it_is():
    pixels, target = patch()
    before = pixels.copy(), target.copy()
    augment(pixels, target, Augmentation(elastic_share=1), np.random.default_rng(0))
    np.testing.assert_array_equal(pixels, before[0])
    np.testing.assert_array_equal(target, before[1])


@pytest.mark.parametrize(
    ("wrong", "text"),
    [({"elastic": 0.3}, "0 <= elastic <= 0.2, got 0.3"), ({"elastic_share": 2}, "got 2"), ({"stain": -1}, "0 <= stain <= 0.5, got -1")],
)
def test_numbers_outside_their_range_are_refused(wrong, text):
    with pytest.raises(ConfigError, match=text):
        Augmentation(**wrong)
