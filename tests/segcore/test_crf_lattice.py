import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segcore.crf.lattice import LEVEL_SPACING, Axis, Lattice, Levels, Spread

CPU = torch.device("cpu")


def grey(*shape, seed=0):
    return 255 * torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def smooth_grey(height, width):
    row, col = np.mgrid[:height, :width]
    return torch.tensor(127 + 100 * np.sin(row / 9) * np.cos(col / 7), dtype=torch.float32)[None]


def dense(guide, sigma, intensity_sigma):
    """D^-1/2 K D^-1/2 of a small image, (N, N)."""
    row, col = np.mgrid[: guide.shape[0], : guide.shape[1]]
    features = np.stack([row / sigma[0], col / sigma[1], guide.numpy() / intensity_sigma]).reshape(3, -1)
    kernel = np.exp(-0.5 * ((features[:, :, None] - features[:, None]) ** 2).sum(0))
    scale = kernel.sum(1) ** -0.5
    return kernel * scale[:, None] * scale


def test_cells_of_the_reference_width_by_hand():
    axis = Axis(sigma=40.0, origin=6, length=7)  # pixels 6..12 in cells 4..7, 8..11, 12..15
    assert (axis.cell, axis.cells) == (4, 3)
    assert axis.cell_of_pixel(CPU).tolist() == [0, 0, 1, 1, 1, 1, 2]
    assert Axis(sigma=40.0, origin=-1, length=2).cell_of_pixel(CPU).tolist() == [0, 1]


@given(st.floats(0.3, 80), st.integers(-500, 500), st.integers(1, 300))
def test_a_cell_is_at_most_a_tenth_of_sigma_and_every_pixel_has_one(sigma, origin, length):
    axis = Axis(sigma=sigma, origin=origin, length=length)
    assert axis.cell == 1 or axis.cell <= sigma / 10
    cell = axis.cell_of_pixel(CPU).numpy()
    assert (cell[0], cell[-1]) == (0, axis.cells - 1)
    np.testing.assert_array_equal(cell + origin // axis.cell, np.arange(origin, origin + length) // axis.cell)


@pytest.mark.parametrize("sigma", [1.0, 9.0, 40.0])
def test_there_and_back_is_the_gaussian(sigma):
    axis = Axis(sigma=sigma, origin=-37, length=900)
    spread = Spread(axis, CPU)
    there = spread.to_nodes(torch.eye(axis.cells)[None])
    kernel = spread.to_cells(there, torch.empty(1, axis.cells, axis.cells))[0]
    cell = np.arange(axis.cells) * axis.cell
    variance = sigma**2 - 2 * (axis.cell**2 - 1) / 12  # two boxes of the cell's width bring it back to sigma^2
    expected = np.exp(-0.5 * (cell[:, None] - cell) ** 2 / variance)
    np.testing.assert_allclose(kernel / kernel.diagonal().mean(), expected, atol=2e-3)


@given(st.floats(0.1, 1000))
def test_levels_hold_every_grey_value(sigma):
    levels = Levels(sigma=sigma)
    assert (levels.count - 1) * levels.spacing >= 255 * (1 - 1e-12)
    assert levels.count >= 2


@pytest.mark.parametrize("sigma", [(40.0, 40.0), (10.0, 25.0), (1.0, 3.0)])
def test_equals_the_dense_kernel(sigma):
    guide = smooth_grey(34, 45)
    values = torch.rand(1, 34, 45, generator=torch.Generator().manual_seed(1)) - 0.5
    filtered = Lattice(guide, sigma, 13.0, (0, 0)).filter(values)
    expected = dense(guide[0], sigma, 13.0) @ values.double().numpy().reshape(-1)
    error = np.abs(filtered.numpy().reshape(-1) - expected)
    assert error.mean() <= 0.02 * np.abs(expected).mean() + 1e-3


@pytest.mark.parametrize("origin", [(0, 0), (3, -7), (1000, 2001)])
def test_is_symmetric_and_keeps_the_mass(origin):
    guide = grey(2, 30, 21)
    lattice = Lattice(guide, (20.0, 11.0), 13.0, origin)
    a, b = torch.rand(2, 2, 30, 21, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close((a * lattice.filter(b)).sum(), (lattice.filter(a) * b).sum())
    expected = dense(guide[0], (20.0, 11.0), 13.0).sum(1).mean()
    assert lattice.filter(torch.ones(2, 30, 21))[0].mean() == pytest.approx(expected, abs=0.01)


def test_a_block_at_its_origin_meets_the_lattice_of_the_scene():
    scene = grey(1, 40, 50) / 4
    scene[:, :, :21] = 255  # so bright that it says nothing to the block beside it
    values = torch.rand(1, 40, 50, generator=torch.Generator().manual_seed(3))
    whole = Lattice(scene, (40.0, 40.0), 13.0, (0, 0)).filter(values)[:, :, 21:]
    block = Lattice(scene[:, :, 21:], (40.0, 40.0), 13.0, (0, 21)).filter(values[:, :, 21:])
    torch.testing.assert_close(block, whole, atol=1e-5, rtol=0)
    misplaced = Lattice(scene[:, :, 21:], (40.0, 40.0), 13.0, (0, 0)).filter(values[:, :, 21:])
    assert not torch.allclose(misplaced, whole, atol=1e-4)


@given(st.floats(1, 60) | st.integers(1, 60).map(lambda levels: 255 / levels / LEVEL_SPACING))
@settings(max_examples=40, deadline=None)
def test_the_ends_of_the_grey_scale_are_inside(sigma):
    guide = torch.tensor([[[0.0, 255.0, 0.0, 255.0]]])
    assert torch.isfinite(Lattice(guide, (3.0, 3.0), sigma, (0, 0)).filter(torch.ones(1, 1, 4))).all()
