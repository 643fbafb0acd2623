"""The best threshold, against trying them all."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellseg.image import CellImage
from cellseg.simulate.threshold import count_greys
from segcore.errors import ShapeError


def picture(seed, shape=(12, 14), top=300):
    rng = np.random.default_rng(seed)
    instances = rng.integers(-1, 4, shape).astype(np.int32)
    pixels = rng.integers(0, top, (1, *shape)).astype(np.uint16)
    return CellImage(pixels=pixels, instances=instances, classes={1: "a", 2: "b", 3: "a"})


def tried(image, target):
    """Dice of each threshold, by hand."""
    seen = image.instances >= 0
    grey, wanted = image.pixels[0][seen].astype(int), image.mask(target)[seen]
    found = {value: grey >= value for value in range(0, 301)}
    return {value: 2 * (hit & wanted).sum() / (hit.sum() + wanted.sum()) for value, hit in found.items()}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), target=st.sampled_from([None, "a", "b"]))
def test_the_best_of_all(seed, target):
    image = picture(seed)
    best = count_greys(image, target).best()
    dice = tried(image, target)
    assert best.dice == pytest.approx(max(dice.values()))
    assert dice[best.value] == pytest.approx(best.dice)


def test_counts_add_up_and_slices_are_the_volume():
    volume = picture(3, (4, 8, 9))
    parts = [count_greys(plane, "a") for plane in volume.slices()]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    whole = count_greys(volume, "a")
    assert (total.inside == whole.inside).all()
    assert (total.outside == whole.outside).all()
    assert whole.inside.sum() + whole.outside.sum() == (volume.instances >= 0).sum()


def test_nothing_to_find():
    assert isnan(count_greys(picture(0), "none").best().dice)


def test_pixels_that_have_no_grey_values():
    with pytest.raises(ShapeError, match=r"has 1 of float32. Choose a channel"):
        count_greys(CellImage(pixels=np.zeros((1, 2, 2), np.float32), instances=np.zeros((2, 2), np.int32)))
