"""U-Net: its size by formula, its wiring by hand, sizes that poolings cannot halve, and that it learns."""

import json
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from segcore.errors import ConfigError
from segcore.losses import soft_dice
from segcore.nets.blocks import cut_back, halve, mirror_to_multiple
from segcore.nets.unet import UNet, UNetConfig


def build(*, channels=1, classes=2, **options):
    torch.manual_seed(3)
    return UNet(UNetConfig(**options), channels=channels, classes=classes).eval()


def parameters(width, depth, channels, classes, norm):
    """Counted on paper: two 3 x 3 convolutions per block, an up-convolution of 2 x 2 per level, a last 1 x 1."""
    sizes = [width * 2**level for level in range(depth + 1)]
    blocks = [(before, after) for before, after in pairwise([channels, *sizes])] + [(2 * size, size) for size in sizes[:-1]]
    total = sum(9 * before * after + 9 * after * after + (4 if norm else 2) * after for before, after in blocks)
    return total + sum(4 * 2 * size * size + size for size in sizes[:-1]) + width * classes + classes


@settings(max_examples=12, deadline=None)
@given(width=st.integers(1, 6), depth=st.integers(1, 4), channels=st.integers(1, 4), classes=st.integers(1, 3), norm=st.booleans())
def test_parameters_are_as_many_as_counted_on_paper(width, depth, channels, classes, norm):
    net = build(channels=channels, classes=classes, width=width, depth=depth, norm=norm)
    assert sum(p.numel() for p in net.parameters()) == parameters(width, depth, channels, classes, norm)


def test_the_size_of_the_paper():
    assert parameters(64, 4, 1, 2, norm=False) == 31_030_658


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), multiple=st.sampled_from([1, 2, 4, 8, 16]))
def test_mirroring_is_that_of_numpy(height, width, multiple):
    images = torch.arange(2.0 * height * width).view(1, 2, height, width)
    padded = mirror_to_multiple(images, multiple)
    margins = ((0, 0), (0, 0), (0, -height % multiple), (0, -width % multiple))
    assert np.array_equal(padded.numpy(), np.pad(images.numpy(), margins, mode="symmetric"))
    assert torch.equal(cut_back(padded, images), images)


def test_halving_is_max_pooling_with_and_without_gradients():
    images = torch.randn(2, 3, 6, 8).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        sliced = halve(images)
    assert torch.equal(sliced, halve(images))
    assert torch.equal(sliced, images.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5)))
    assert sliced.is_contiguous(memory_format=torch.channels_last)


def test_odd_sizes_are_mirrored_and_cut_back():
    net, images = build(width=4, depth=3), torch.randn(2, 1, 13, 21)
    larger = torch.from_numpy(np.pad(images.numpy(), ((0, 0), (0, 0), (0, 3), (0, 3)), mode="symmetric"))
    torch.testing.assert_close(net(images), net(larger)[:, :, :13, :21])


def test_whole_strides_move_the_answer():
    """A shift by 2^depth pixels moves the logits with it, away from the edges."""
    net, images = build(width=3, depth=2), torch.randn(1, 1, 64, 64)
    there = net(images.roll((4, 8), dims=(2, 3)))
    back = there.roll((-4, -8), dims=(2, 3))
    inner = (..., slice(28, 36), slice(28, 32))
    torch.testing.assert_close(back[inner], net(images)[inner], rtol=1e-4, atol=1e-5)
    assert net(images)[inner].std() > 1e-3


def test_a_pixel_reaches_as_far_as_it_should():
    """Depth 1: two convolutions, a pooling, two, a doubling, two: a pixel is heard at most 10 pixels away, and that far."""
    net, images = build(width=4, depth=1, norm=False), torch.randn(1, 1, 40, 40)
    other = images.clone()
    other[0, 0, 20, 20] += 5
    heard = (net(other) - net(images)).abs().amax(dim=1)[0] > 0
    rows, columns = torch.nonzero(heard, as_tuple=True)
    assert 20 - 10 <= rows.min() <= 20 - 7
    assert 20 + 7 <= columns.max() <= 20 + 10


def test_by_hand_the_skip_goes_first():
    """Width 1, depth 1, identities everywhere: the answer is what the encoder saw plus what came up from half the size."""
    net = build(width=1, depth=1, norm=False)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for layer in (net.down[0][0], net.down[0][2], net.down[1][2], net.up[0][2]):
            layer.weight[range(len(layer.weight)), range(len(layer.weight)), 1, 1] = 1
        net.down[1][0].weight[0, 0, 1, 1] = 1  # 2 maps at half size; the first is the maximum of four pixels
        net.rise[0].weight[0] = 10
        net.up[0][0].weight[0, :, 1, 1] = torch.tensor([1.0, 1.0])  # skip, then what came up
        net.head.weight[:, 0] = torch.tensor([1.0, -1.0])[:, None, None]
        answer = net(torch.tensor([[[[1.0, 2.0, 0.0, 5.0], [3.0, 4.0, 0.0, 0.0]]]]))
    expected = torch.tensor([[41.0, 42.0, 50.0, 55.0], [43.0, 44.0, 50.0, 50.0]])
    assert torch.equal(answer, torch.stack((expected, -expected))[None])


def test_normalised_networks_have_no_idle_biases():
    plain, normal = build(width=2, depth=1, norm=False), build(width=2, depth=1)
    assert [m.bias is None for m in plain.modules() if isinstance(m, nn.Conv2d)] == [False] * 7
    assert sum(m.bias is None for m in normal.modules() if isinstance(m, nn.Conv2d)) == 6
    assert not any(isinstance(m, nn.BatchNorm2d) for m in plain.modules())


def test_activations_keep_their_size_through_the_layers():
    """He's start: without normalisation the last features are neither lost nor huge."""
    features = build(width=16, depth=3, norm=False).features(torch.randn(2, 1, 32, 32))
    assert 0.1 < features.std() < 10


@pytest.mark.parametrize("norm", [True, False])
def test_learns_a_bright_disc(norm):
    rows, columns = torch.meshgrid(torch.arange(24), torch.arange(24), indexing="ij")
    truth = (((rows - 10) ** 2 + (columns - 13) ** 2) < 30).long()[None].repeat(2, 1, 1)
    images = truth[:, None] + 0.3 * torch.randn(2, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    net = build(width=6, depth=2, norm=norm).train()
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(40):
        optimiser.zero_grad()
        loss = soft_dice(net(images), truth)
        loss.backward()
        optimiser.step()
    assert loss < 0.1


def test_one_pixel_deep_down_can_train():
    """Two images of 4 pixels at depth 2 leave one pixel each: normalisation still has two values."""
    net = build(width=2, depth=2).train()
    net(torch.randn(2, 1, 4, 4)).sum().backward()


def test_widths_one_by_one():
    """Doubling spelt out is the same network; other numbers make another, for odd sizes, too."""
    assert UNetConfig(width=3, depth=2).widths == (3, 6, 12)
    plain, spelt = build(width=3, depth=2), build(width=(3, 6, 12), depth=2)
    assert all(torch.equal(one, other) for one, other in zip(plain.state_dict().values(), spelt.state_dict().values(), strict=True))
    other = build(width=(2, 5, 3), depth=2)
    assert other(torch.randn(1, 1, 7, 9)).shape == (1, 2, 7, 9)
    assert [m.out_channels for m in other.modules() if isinstance(m, nn.Conv2d)] == [2, 2, 5, 5, 3, 3, 5, 5, 2, 2, 2]


def test_widths_survive_json():
    config = UNetConfig(width=(2, 5, 3), depth=2)
    assert UNetConfig(**json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize("hooked", [False, True])
def test_trained_layers_answer_alike_with_and_without_gradients(hooked):
    """Without gradients a normalisation is folded into its convolution, unless somebody listens."""
    net, images, heard = build(width=4, depth=2, channels=2), torch.randn(2, 2, 16, 16), []
    net.train()(images)
    with torch.no_grad():
        for module in net.eval().modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 2)
                module.bias.uniform_(-1, 1)
    if hooked:
        net.down[1][1].register_forward_hook(lambda *_: heard.append(1))
    with_gradients = net(images)
    heard.clear()
    with torch.no_grad():
        torch.testing.assert_close(net(images), with_gradients, rtol=1e-4, atol=1e-5)
    assert len(heard) == hooked


@pytest.mark.parametrize("width", [(4, 8), (4, 8, 16, 32), (4, 0, 8), (4, 8, 2.5), ()])
def test_refuses_widths_that_do_not_fit_the_depth(width):
    with pytest.raises(ConfigError, match="width"):
        UNetConfig(width=width, depth=2)


@pytest.mark.parametrize("options", [{"width": 0}, {"depth": 0}, {"depth": 9}, {"width": 2.0}, {"norm": 1}])
def test_refuses_bad_sizes(options):
    with pytest.raises(ConfigError, match="U-Net"):
        UNetConfig(**options)
