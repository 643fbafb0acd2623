"""Shapes of single nuclei."""

from importlib import import_module

import numpy as np
import pytest
from scipy import ndimage

from cellseg.simulate.nucleus import largest, lobed_nucleus, round_nucleus, trim

PIXEL = 0.4, 0.25, 0.25


def drawn(shape, count=12, pixel=PIXEL):
    return [shape(pixel, np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("shape", [round_nucleus, lobed_nucleus])
def test_a_nucleus_is_one_component_cut_to_its_bounds(shape):
    for mask in drawn(shape):
        assert ndimage.label(mask)[1] == 1
        for axis in range(3):
            touched = mask.any(tuple(other for other in range(3) if other != axis))
            assert touched[0]
            assert touched[-1]


@pytest.mark.parametrize("shape", [round_nucleus, lobed_nucleus])
def test_a_box_never_cuts_a_nucleus(shape, monkeypatch):
    """The mask before it is trimmed leaves the faces of its box free."""
    seen = []
    monkeypatch.setattr(import_module("cellseg.simulate.nucleus"), "trim", lambda mask: seen.append(mask) or mask)
    for mask in drawn(shape, 30):
        inner = mask[1:-1, 1:-1, 1:-1]
        assert mask.sum() == inner.sum()
    assert len(seen) == 30


def test_the_same_seed_makes_the_same_shape_and_another_one_another():
    one, again, other = (lobed_nucleus(PIXEL, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert (one == again).all()
    assert one.shape != other.shape or (one != other).any()


def test_round_nuclei_fill_their_bounds_and_lobed_ones_do_not():
    full = np.array([mask.mean() for mask in drawn(round_nucleus)])
    lobed = np.array([mask.mean() for mask in drawn(lobed_nucleus)])
    assert full.min() > 0.42  # an ellipsoid fills 0.52 of its box
    assert lobed.mean() < 0.42
    assert np.mean([mask.sum() for mask in drawn(round_nucleus)]) > 4 * np.mean([mask.sum() for mask in drawn(lobed_nucleus)])


def test_lobed_nuclei_have_narrow_places():
    """An opening by a ball that round nuclei survive in one piece takes some lobed ones apart."""
    ball = np.linalg.norm(np.indices((7, 9, 9)).transpose(1, 2, 3, 0) * PIXEL - (1.2, 1, 1), axis=-1) <= 1.0
    parts = {
        shape: [ndimage.label(ndimage.binary_erosion(np.pad(mask, 4), ball))[1] for mask in drawn(shape)]
        for shape in (round_nucleus, lobed_nucleus)
    }
    assert set(parts[round_nucleus]) == {1}
    assert max(parts[lobed_nucleus]) >= 2


def test_sizes_in_micrometres_do_not_depend_on_the_pixel():
    coarse, fine = (round_nucleus(pixel, np.random.default_rng(3)) for pixel in (PIXEL, (0.2, 0.125, 0.125)))
    volumes = [mask.sum() * np.prod(pixel) for mask, pixel in ((coarse, PIXEL), (fine, (0.2, 0.125, 0.125)))]
    assert 0.6 < volumes[0] / volumes[1] < 1.6  # the dents differ, the ellipsoid does not


def test_largest_and_trim():
    mask = np.zeros((3, 5, 6), bool)
    mask[1, 1, 1:4] = mask[2, 4, 5] = True
    assert largest(mask).sum() == 3
    assert trim(mask).shape == (1, 1, 3)
    assert trim(np.zeros((2, 2, 2), bool)).tolist() == [[[True]]]
