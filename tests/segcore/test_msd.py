"""The mixed-scale dense network: its size, its start, its maps."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from segcore.errors import ConfigError, ShapeError
from segcore.nets.msd import MSDConfig, MSDNet, joined_features


def net(channels=1, classes=2, *, seed=0, **options):
    """A network with a last layer and biases that are not 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = MSDNet(MSDConfig(**options), channels=channels, classes=classes)
        with torch.no_grad():
            for values in (*made.biases, made.last.weight, made.last.bias):
                values.normal_(0, 0.1)
    return made


def images(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def layers(made, pixels):
    """The definition, one layer after the other, mirrored by numpy: (B, maps, H, W)."""
    maps, mode = pixels, made.config.padding
    for index, (weight, bias) in enumerate(zip(made.weights, made.biases, strict=True)):
        reach = index % made.config.dilations + 1
        padded = np.pad(maps.numpy(), ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode=mode)
        maps = torch.cat([maps, functional.conv2d(torch.from_numpy(padded), weight, bias, dilation=reach).relu()], dim=1)
    return maps


@pytest.mark.parametrize("padding", ["reflect", "symmetric"])
@pytest.mark.parametrize("shape", [(2, 3, 24, 31), (1, 3, 11, 11), (1, 3, 4, 17), (2, 3, 1, 1)])
@torch.no_grad()
def test_features_and_logits_are_those_of_the_definition(shape, padding):
    made, pixels = net(3, 4, depth=12, width=2, padding=padding).double(), images(*shape).double()
    expected = layers(made, pixels)
    logits = functional.conv2d(expected, made.last.weight[:, :, None, None], made.last.bias)
    torch.testing.assert_close(made.features(pixels), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(made(pixels), logits, rtol=0, atol=1e-12)


def test_by_hand_one_layer_mirrors_without_the_edge():
    made = net(depth=1)
    with torch.no_grad():
        made.weights[0].zero_()[0, 0, 1, 0] = 1  # the left neighbour
        made.biases[0].fill_(0.5)
    row = torch.tensor([1.0, 2.0, -3.0, 4.0]).expand(1, 1, 4, 4)
    assert made.features(row)[0, 1, 2].tolist() == [2.5, 1.5, 2.5, 0]


@pytest.mark.parametrize(("options", "channels", "classes", "count"), [
    ({}, 1, 2, 45_754),
    ({"depth": 2, "width": 3}, 4, 2, 9 * 3 * (4 + 7) + 6 + 2 * 10 + 2),
])  # fmt: skip
def test_number_of_parameters(options, channels, classes, count):
    made = MSDNet(MSDConfig(**options), channels=channels, classes=classes)
    assert sum(parameter.numel() for parameter in made.parameters()) == count


def test_the_start_is_the_authors():
    made = MSDNet(MSDConfig(), channels=3, classes=2)
    expected = math.sqrt(2 / (9 * (3 + 99) + 2))
    for part in (range(50), range(50, 80), range(80, 100)):
        drawn = torch.cat([made.weights[index].detach().flatten() for index in part])
        assert drawn.std().item() == pytest.approx(expected, rel=0.05)
        assert abs(drawn.mean().item()) < 0.05 * expected
    assert not any(bias.any() for bias in made.biases)
    assert not made.last.weight.any()
    assert not made.last.bias.any()


def test_a_fresh_network_answers_0_and_moves_its_last_layer_first():
    made = MSDNet(MSDConfig(depth=5), channels=1, classes=2)
    logits = made(images(1, 1, 16, 16))
    assert not logits.any()
    functional.cross_entropy(logits, torch.ones(1, 16, 16, dtype=torch.int64)).backward()
    assert made.last.weight.grad.any()
    assert not made.weights[0].grad.any()


def test_it_learns_to_tell_where_a_blurred_image_is_bright():
    pixels = images(2, 1, 24, 24)
    target = (functional.avg_pool2d(pixels, 5, stride=1, padding=2)[:, 0] > 0).long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = MSDNet(MSDConfig(depth=12), channels=1, classes=2)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        functional.cross_entropy(made(pixels), target).backward()
        optimizer.step()
    assert (made(pixels).argmax(dim=1) == target).float().mean() > 0.95


def test_every_image_of_a_batch_is_answered_as_if_alone():
    made, pixels = net(2, depth=12), images(3, 2, 14, 19)
    alone = torch.cat([made(one[None]) for one in pixels])
    torch.testing.assert_close(made(pixels), alone, rtol=1e-5, atol=1e-6)


def test_logits_lie_in_plain_order():
    assert net(depth=2)(images(2, 1, 12, 12)).is_contiguous()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_features_of_several_networks_stand_side_by_side(dtype):
    first, second, pixels = net(2, depth=3), net(2, depth=4, width=2, seed=5), images(2, 2, 13, 12)
    joined = joined_features([first, second], pixels, dtype=dtype)
    assert joined.dtype == dtype
    assert not joined.requires_grad
    assert torch.equal(joined, torch.cat([one.features(pixels, dtype=dtype) for one in (first, second)], dim=1))
    assert joined.shape == (2, 5 + 10, 13, 12)


def test_features_carry_gradients():
    made, pixels = net(depth=3), images(1, 1, 8, 8).requires_grad_()
    made.features(pixels).sum().backward()
    assert made.weights[0].grad.any()
    assert pixels.grad.any()


def test_autocast_changes_nothing():
    made, pixels = net(depth=6), images(1, 1, 16, 16)
    expected = made(pixels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = made(pixels)
        found.sum().backward()
    assert torch.equal(found, expected)
    assert made.weights[0].grad.dtype == torch.float32


def test_a_state_can_be_saved_and_loaded():
    first, second, pixels = net(depth=3), net(depth=3, seed=8), images(1, 1, 9, 9)
    assert not torch.equal(first(pixels), second(pixels))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(pixels), second(pixels))


@pytest.mark.parametrize("options", [{"depth": 0}, {"width": 0}, {"dilations": 0}, {"depth": 2.0}, {"width": True}])
def test_sizes_are_whole_numbers_from_1(options):
    with pytest.raises(ConfigError, match=f"the {next(iter(options))} of a mixed-scale dense network is a whole number, at least 1"):
        MSDConfig(**options)


def test_other_paddings_are_refused():
    with pytest.raises(ConfigError, match="one of reflect, symmetric, got 'zeros'"):
        MSDConfig(padding="zeros")


@pytest.mark.parametrize("shape", [(1, 3, 9, 9), (1, 9, 9), (1, 1, 0, 9)])
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(ShapeError, match=r"reads images \(B, 1, H, W\)"):
        net(depth=1)(torch.zeros(shape))


def test_no_network_has_no_features():
    with pytest.raises(ShapeError, match="at least one network, got none"):
        joined_features([], images(1, 1, 9, 9))


def test_networks_without_input_or_answer_are_refused():
    with pytest.raises(ConfigError, match="at least one channel"):
        MSDNet(MSDConfig(depth=1), channels=0, classes=2)
