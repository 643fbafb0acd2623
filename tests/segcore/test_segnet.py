"""SegNet: the paper's size, unpooling to where the maxima were, no skips, odd sizes."""

import numpy as np
import pytest
import torch
from torch import nn

from segcore.errors import ConfigError
from segcore.losses import cross_entropy
from segcore.nets.segnet import SegNet, SegNetConfig


def build(*, channels=1, classes=2, **options):
    torch.manual_seed(4)
    return SegNet(SegNetConfig(**options), channels=channels, classes=classes).eval()


def convolutions(net):
    return [(m.in_channels, m.out_channels) for m in net.modules() if isinstance(m, nn.Conv2d)]


def test_the_convolutions_are_those_of_the_paper():
    """13 of VGG-16 going down, mirrored going up; the last one answers the classes."""
    with torch.device("meta"):
        net = SegNet(SegNetConfig(width=64, depth=5), channels=3, classes=11)
    down = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256)]
    down += [(256, 512), (512, 512), (512, 512), (512, 512), (512, 512), (512, 512)]
    up = [(after, before) for before, after in reversed(down[1:])]
    assert convolutions(net) == [*down, *up, (64, 11)]
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(29.45e6, rel=1e-3)  # its Table 6


@pytest.mark.parametrize(("depth", "layers"), [(1, 4), (2, 8), (3, 14), (4, 20)])
def test_depth_counts_poolings(depth, layers):
    net = build(width=2, depth=depth)
    assert len(convolutions(net)) == layers
    assert max(after for _, after in convolutions(net)) == 2 * 2 ** (depth - 1)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == layers - 1


def identity(net):
    """Every convolution passes its first map on; normalisation does nothing."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.zero_()
                module.weight[0, 0, 1, 1] = 1
            elif isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return net


def test_by_hand_maxima_return_to_their_places():
    net = identity(build(width=1, depth=1, classes=1))
    images = torch.tensor([[[[1.0, 2.0, 0.0, 5.0], [3.0, 4.0, 0.0, 0.0]]]])
    assert torch.equal(net(images), torch.tensor([[[[0.0, 0.0, 0.0, 5.0], [0.0, 4.0, 0.0, 0.0]]]]))


def test_by_hand_two_poolings():
    net = identity(build(width=1, depth=2, classes=1))
    images = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    expected = torch.zeros_like(images)
    for row in (0, 4):
        for column in (0, 4):
            corner = images[0, 0, row : row + 4, column : column + 4]
            place = np.unravel_index(int(corner.argmax()), (4, 4))
            expected[0, 0, row + place[0], column + place[1]] = corner.max()
    assert torch.equal(net(images), expected)


def test_values_below_the_maximum_have_no_say():
    """No skips: after one identity block what is not the maximum of its four pixels is lost."""
    net = identity(build(width=1, depth=1))
    images = torch.full((1, 1, 4, 4), 0.2)
    images[..., ::2, ::2] = 1.0
    assert torch.equal(net(images), net(torch.where(images == 1, images, 0.7)))
    assert not torch.equal(net(images), net(images * 2))


def test_odd_sizes_are_mirrored_and_cut_back():
    net, images = build(width=3, depth=3), torch.randn(2, 1, 11, 18)
    larger = torch.from_numpy(np.pad(images.numpy(), ((0, 0), (0, 0), (0, 5), (0, 6)), mode="symmetric"))
    torch.testing.assert_close(net(images), net(larger)[:, :, :11, :18])


def test_whole_strides_move_the_answer():
    net, images = build(width=3, depth=2), torch.randn(1, 1, 80, 80)
    back = net(images.roll((8, 4), dims=(2, 3))).roll((-8, -4), dims=(2, 3))
    inner = (..., slice(36, 44), slice(36, 44))
    torch.testing.assert_close(back[inner], net(images)[inner], rtol=1e-4, atol=1e-5)
    assert net(images)[inner].std() > 1e-3


def test_gradient_is_that_of_finite_differences():
    net = build(width=2, depth=2).double()
    images = torch.randn(1, 1, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net, (images,))


def test_learns_a_bright_disc():
    rows, columns = torch.meshgrid(torch.arange(24), torch.arange(24), indexing="ij")
    truth = (((rows - 10) ** 2 + (columns - 13) ** 2) < 30).long()[None].repeat(2, 1, 1)
    images = truth[:, None] + 0.3 * torch.randn(2, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    net = build(width=6, depth=2).train()
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(40):
        optimiser.zero_grad()
        loss = cross_entropy(net(images), truth)
        loss.backward()
        optimiser.step()
    assert loss < 0.15


@pytest.mark.parametrize("options", [{"width": 0}, {"depth": 0}, {"depth": 9}, {"width": True}])
def test_refuses_bad_sizes(options):
    with pytest.raises(ConfigError, match="SegNet"):
        SegNetConfig(**options)
