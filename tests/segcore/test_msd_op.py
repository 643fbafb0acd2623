"""The maps without concatenation, beside a loop that concatenates."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from segcore.nets import msd_layout, msd_op
from segcore.nets.msd_layout import Layout
from segcore.nets.msd_op import dense_maps


def case(layout, *, seed=0, dtype=torch.float64):
    """Random images, weights and biases that fit a layout; about half of all pixels survive each ReLU."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    counts = [layout.before(layer) for layer in range(len(layout.dilations))]
    weights = [(draw(layout.growth, count, 3, 3) / (3 * count**0.5)).requires_grad_() for count in counts]
    biases = [(0.1 * draw(layout.growth)).requires_grad_() for _ in counts]
    return draw(layout.batch, layout.channels, layout.height, layout.width).requires_grad_(), weights, biases


def loop(images, weights, biases, layout):
    """The definition: pad, convolve, ReLU, concatenate; (batch, maps, height, width)."""
    maps = images
    for weight, bias, dilation in zip(weights, biases, layout.dilations, strict=True):
        padded = functional.pad(maps, (dilation,) * 4, mode="reflect")
        maps = torch.cat([maps, functional.conv2d(padded, weight, bias, dilation=dilation).relu()], dim=1)
    return maps


def ours(images, weights, biases, layout):
    return layout.inner(dense_maps(images, weights, biases, layout)).transpose(0, 1)


def gradients(method, given, layout, of):
    """Gradients of a weighted sum of the maps."""
    maps = method(*given, layout)
    weighting = torch.randn(maps.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(maps.dtype)
    return torch.autograd.grad((maps * weighting).sum(), of)


def assert_equal(found, expected, tolerance):
    """Nowhere further apart than a share of the largest value of all."""
    scale = max(value.abs().max() for value in expected)
    assert scale > 0
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= tolerance * scale


def cyclic(depth, dilations=10):
    return tuple(layer % dilations + 1 for layer in range(depth))


@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 13), st.integers(1, 3), st.integers(6, 15), st.integers(6, 15),
    st.integers(1, 5), st.integers(1, 6), st.sampled_from([3_000, 20_000, 1_000_000]),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_maps_and_gradients_are_those_of_the_loop(batch, channels, depth, growth, height, width, dilations, block, cache):
    layout = Layout(batch=batch, channels=channels, height=height, width=width, dilations=cyclic(depth, dilations), growth=growth)
    images, weights, biases = given = case(layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(msd_layout, "BLOCK", block)
        patch.setattr(msd_op, "CACHE", cache)
        of = [images, *weights, *biases]
        assert_equal([ours(*given, layout)], [loop(*given, layout)], 1e-13)
        assert_equal(gradients(ours, given, layout, of), gradients(loop, given, layout, of), 1e-12)


def test_a_hundred_layers_in_single_precision():
    layout = Layout(batch=1, channels=1, height=40, width=33, dilations=cyclic(100))
    given, exact = case(layout, dtype=torch.float32), case(layout)
    with torch.no_grad():
        expected = loop(*given, layout)
        assert_equal([ours(*given, layout)], [expected], 1e-6)
        assert_equal([ours(*given, layout).double()], [loop(*exact, layout)], 1e-6)
    of, of_exact = [given[0], *given[1], *given[2]], [exact[0], *exact[1], *exact[2]]
    found = [value.double() for value in gradients(ours, given, layout, of)]
    assert_equal(found, gradients(loop, exact, layout, of_exact), 2e-6)


def test_gradcheck():
    layout = Layout(batch=2, channels=2, height=5, width=7, dilations=(1, 2, 3, 1), growth=2)
    images, weights, biases = case(layout)

    def maps(images, *parameters):
        return ours(images, parameters[:4], parameters[4:], layout)

    assert torch.autograd.gradcheck(maps, (images, *weights, *biases), fast_mode=True)
    assert torch.autograd.gradcheck(lambda *some: maps(images.detach(), *some).mean((2, 3)), (*weights, *biases))


@pytest.mark.parametrize("images_too", [False, True])
@pytest.mark.parametrize("frozen", range(12))
def test_a_frozen_layer_leaves_all_other_gradients_as_they_are(frozen, images_too):
    layout = Layout(batch=1, channels=2, height=12, width=13, dilations=cyclic(12))
    images, weights, biases = given = case(layout)
    images.requires_grad_(images_too)
    weights[frozen].requires_grad_(False)
    biases[frozen].requires_grad_(False)
    of = [tensor for tensor in (images, *weights, *biases) if tensor.requires_grad]
    assert len(of) == 22 + images_too
    assert_equal(gradients(ours, given, layout, of), gradients(loop, given, layout, of), 1e-12)


@pytest.mark.parametrize("trained", [("weight", 7), ("bias", 7), ("weight", 11), ("bias", 0), ("images", 0)])
def test_a_single_trained_tensor(trained):
    kind, layer = trained
    layout = Layout(batch=1, channels=1, height=11, width=14, dilations=cyclic(12))
    images, weights, biases = given = case(layout)
    for tensor in (images, *weights, *biases):
        tensor.requires_grad_(False)
    one = {"weight": weights[layer], "bias": biases[layer], "images": images}[kind].requires_grad_()
    assert_equal(gradients(ours, given, layout, [one]), gradients(loop, given, layout, [one]), 1e-12)


def test_backward_twice_gives_the_same_gradients():
    layout = Layout(batch=1, channels=1, height=12, width=12, dilations=cyclic(4))
    images, weights, biases = case(layout)
    loss = ours(images, weights, biases, layout).square().sum()
    first = torch.autograd.grad(loss, [images, *weights], retain_graph=True)
    second = torch.autograd.grad(loss, [images, *weights])
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_only_the_maps_and_the_weights_are_kept():
    layout = Layout(batch=1, channels=1, height=20, width=20, dilations=cyclic(30))
    given, kept = case(layout), {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        dense_maps(*given, layout)
    assert sum(kept.values()) == layout.maps * layout.size + sum(weight.numel() for weight in given[1])


def test_second_derivatives_are_refused():
    layout = Layout(batch=1, channels=1, height=5, width=5, dilations=(1,))
    images, weights, biases = case(layout)
    (gradient,) = torch.autograd.grad(ours(images, weights, biases, layout).square().sum(), weights, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
