"""Salt and pepper: exact numbers of pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellseg.image import CellImage
from cellseg.perturb import SaltPepper, perturb, perturb_labels
from segcore.errors import ConfigError


@settings(deadline=None)
@given(percent=st.integers(0, 100), seed=st.integers(0, 20))
def test_half_of_the_share_is_salt_and_half_is_pepper(percent, seed):
    rng = np.random.default_rng(seed)
    ground, _ = perturb_labels(np.zeros((10, 10), int), SaltPepper(percent / 100), rng)
    cell, _ = perturb_labels(np.full((10, 10), 5), SaltPepper(percent / 100), rng)
    assert (ground == 1).sum() == (percent + 1) // 2
    assert (cell == 0).sum() == percent // 2
    assert set(np.unique(cell)) <= {0, 5}


def test_salt_is_one_object_of_the_target_in_all_planes():
    instances = np.zeros((3, 20, 20), dtype=np.int32)
    instances[:, :5], instances[:, 15:] = 4, 9
    image = CellImage(pixels=np.zeros((1, 3, 20, 20)), instances=instances, classes={4: "a", 9: "b"})
    worse = perturb(image, SaltPepper(0.5, target="a"), np.random.default_rng(0))
    assert worse.ids.tolist() == [4, 9, 10]
    assert worse.class_of(10) == "a"
    assert ((worse.instances == 9) == (instances == 9)).all()  # pepper on the target only
    assert all((plane == 10).any() and (plane[:5] == 0).any() for plane in worse.instances)


def test_of_several_classes_one_must_be_named():
    with pytest.raises(ConfigError, match=r"new objects need a class; the data have a, b\. Name one as target"):
        perturb_labels(np.array([[1, 2, 0]]), SaltPepper(1), np.random.default_rng(0), classes={1: "a", 2: "b"})
    assert perturb_labels(np.array([[1, 2, 0]]), SaltPepper(0), np.random.default_rng(0), classes={1: "a", 2: "b"})[0].any()


def test_pixels_to_ignore_do_not_count():
    labels = np.full((10, 10), -1)
    labels[:, :4] = 0
    worse, classes = perturb_labels(labels, SaltPepper(0.5), np.random.default_rng(0), classes={7: "a"})
    assert (worse == 8).sum() == 10  # an id above all that were ever there
    assert classes == {8: "a"}
