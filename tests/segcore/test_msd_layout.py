"""Mirrored edges, beside numpy.pad."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segcore.nets.msd_layout import EDGES, Layout, fold, mirror


def layout(height, width, *, pad=3, batch=2, **other):
    return Layout(batch=batch, channels=2, height=height, width=width, dilations=(1, pad), **other)


def mirrored(images, place):
    """images (n, batch, height, width) -> planes with their padding, all else filled with what must not stay."""
    rows = torch.full((len(images), place.size), torch.nan, dtype=images.dtype)
    place.inner(rows).copy_(images)
    mirror(rows, place)
    return place.planes(rows)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.sampled_from(sorted(EDGES)))
@settings(max_examples=60, deadline=None)
def test_mirror_is_numpys_pad_for_any_size(height, width, pad, padding):
    images = torch.arange(2.0 * 2 * height * width).view(2, 2, height, width)
    place = layout(height, width, pad=pad, edge=EDGES[padding])
    expected = np.pad(images.numpy(), ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode=padding)
    np.testing.assert_array_equal(mirrored(images, place).numpy(), expected)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.sampled_from(sorted(EDGES)))
@settings(max_examples=60, deadline=None)
def test_fold_is_the_transpose_of_mirror(height, width, pad, padding):
    place = layout(height, width, pad=pad, edge=EDGES[padding])
    generator = torch.Generator().manual_seed(height * 10 + width)
    images = torch.randn(1, 2, height, width, generator=generator, dtype=torch.float64)
    rows = torch.randn(1, place.size, generator=generator, dtype=torch.float64)
    there = (mirrored(images, place) * place.planes(rows)).sum()
    fold(rows, place)
    assert (images * place.inner(rows)).sum() == pytest.approx(there.item(), abs=1e-10)


def test_rows_follow_the_layers():
    place = layout(5, 5, growth=3)
    assert place.maps == 8
    assert place.before(0) == 2
    assert [place.rows(0), place.rows(1), place.rows(0, 2)] == [slice(2, 5), slice(5, 8), slice(2, 8)]
    assert place.dilation_of_maps(range(2)) == [1, 1, 1, 3, 3, 3]


def test_blocks_hold_about_ten_maps_and_every_layer_once():
    place = Layout(batch=1, channels=1, height=4, width=4, dilations=(1,) * 23)
    assert place.blocks() == [range(10), range(10, 20), range(20, 23)]
    assert place.blocks(15) == [range(15, 23)]
    wide = Layout(batch=1, channels=1, height=4, width=4, dilations=(1,) * 3, growth=32)
    assert wide.blocks() == [range(1), range(1, 2), range(2, 3)]
