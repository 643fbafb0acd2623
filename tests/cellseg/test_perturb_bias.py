"""Bias: what shares a draw, and which draws there are."""

import numpy as np
import pytest
from skimage.morphology import dilation, erosion

from cellseg.image import CellImage
from cellseg.perturb import Bias, Compose, Omission, perturb
from segcore.errors import ConfigError

EDGE, SIDE = 20, 12


def squares(count, depth=None, target=None):
    """Cells of 12 x 12 px in a row, 28 px apart."""
    plane = np.zeros((28 + EDGE, 32 * count + EDGE), dtype=np.int32)
    for number in range(count):
        plane[EDGE : EDGE + SIDE, EDGE + 32 * number : EDGE + 32 * number + SIDE] = number + 1
    instances = plane if depth is None else np.stack([plane] * depth)
    return CellImage(pixels=np.zeros((1, *instances.shape), np.uint8), instances=instances, classes=target or {})


def moved(image):
    """Pixels that each cell's outline has moved, (planes, cells); -6 may be a cell that is gone."""
    planes = image.instances.reshape(-1, *image.instances.shape[-2:])
    count = (planes.shape[2] - EDGE) // 32
    return np.array([[(int((plane == own).any(0).sum()) - SIDE) / 2 for own in range(1, count + 1)] for plane in planes])


@pytest.mark.parametrize("q_max", [1, 2, 4, 6])
def test_steps_are_uniform_in_1_to_q_max_and_grow_as_often_as_they_shrink(q_max):
    found = np.concatenate([moved(perturb(squares(40), Bias(q_max), np.random.default_rng(seed))).ravel() for seed in range(10)])
    assert set(found) == {step for step in range(-q_max, q_max + 1) if step}
    assert abs((found > 0).mean() - 0.5) < 0.1
    counts = np.unique(np.abs(found), return_counts=True)[1]
    assert counts.min() > 0.6 * counts.max()


def test_a_draw_for_each_cell_is_the_same_in_all_planes():
    found = moved(perturb(squares(12, depth=3), Bias(4), np.random.default_rng(0)))
    assert (found == found[0]).all()
    assert len(set(found[0])) > 2


def test_a_draw_for_each_image_is_one_for_each_plane():
    found = moved(perturb(squares(3, depth=12), Bias(4, unit="image"), np.random.default_rng(0)))
    assert (found == found[:, :1]).all()
    assert len(set(found[:, 0])) > 2


def test_a_draw_for_the_volume_is_one_for_all():
    found = {
        tuple(set(moved(perturb(squares(3, depth=4), Bias(4, unit="volume"), np.random.default_rng(seed))).ravel())) for seed in range(20)
    }
    assert all(len(values) == 1 for values in found)
    assert len(found) > 4


def test_one_draw_for_all_equals_scikit_image_on_the_mask():
    square, image = np.ones((3, 3), np.uint8), squares(3)
    for seed in range(6):
        result = perturb(image, Bias(3, unit="image"), np.random.default_rng(seed)).mask()
        step = int(moved(perturb(image, Bias(3, unit="image"), np.random.default_rng(seed)))[0, 0])
        expected = image.mask().astype(np.uint8)
        for _ in range(abs(step)):
            expected = (dilation if step > 0 else erosion)(expected, square)
        assert (result == expected).all()


def test_only_the_target_moves():
    image = squares(8, target={own: "a" if own < 5 else "b" for own in range(1, 9)})
    found = moved(perturb(image, Bias(4, target="a"), np.random.default_rng(0)))[0]
    assert (found[:4] != 0).all()
    assert (found[4:] == 0).all()


def test_cells_of_one_pixel_and_at_the_frame():
    instances = np.zeros((9, 9), dtype=np.int32)
    instances[0, 0], instances[4:, 4:] = 1, 2
    image = CellImage(pixels=np.zeros((1, 9, 9)), instances=instances)
    results = [perturb(image, Bias(1, unit="image"), np.random.default_rng(seed)) for seed in range(12)]
    grown, shrunk = (next(r for r in results if (r.instances > 0).sum() * sign > 26 * sign) for sign in (1, -1))
    assert (grown.instances[:2, :2] == 1).all()
    assert (grown.instances[3:, 3:] == 2).sum() == 36
    assert shrunk.ids.tolist() == [2]
    assert (shrunk.instances[5:, 5:] == 2).sum() == 16  # the frame is no outline


@pytest.mark.parametrize("shape", [(20, 30), (3, 20, 30)])
def test_a_bias_larger_than_the_image_is_refused(shape):
    image = CellImage(pixels=np.zeros((1, *shape)), instances=np.ones(shape, dtype=np.int32))
    perturb(image, Bias(30), np.random.default_rng(0))
    with pytest.raises(ConfigError, match="at most the longer edge of the image, got 31 for 20 x 30 pixels"):
        perturb(image, Bias(31), np.random.default_rng(0))


def test_after_an_omission_only_the_rest_moves():
    worse = perturb(squares(10), Compose([Omission(0.5), Bias(2)]), np.random.default_rng(0))
    assert len(worse.ids) == 5
