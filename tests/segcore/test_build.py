"""Networks by name: every one answers logits of the images' size, starts the same from a seed, and survives a file."""

from dataclasses import FrozenInstanceError, fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from segcore.errors import ConfigError, ShapeError
from segcore.nets.build import NETS, build_net, config_from
from segcore.nets.names import NET_NAMES

SMALL = {"unet": {"width": 3, "depth": 2}, "segnet": {"width": 3, "depth": 2}, "msd": {"depth": 6, "dilations": 3}}


def small(name, seed=0, channels=2, classes=3):
    torch.manual_seed(seed)
    return build_net(config_from(name, SMALL[name]), channels=channels, classes=classes).eval()


def moved(net):
    """The same network with weights that no layer starts with."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return net


def test_names_are_those_of_the_registry():
    assert tuple(NETS) == NET_NAMES
    assert set(SMALL) == set(NETS)


def test_registry_is_read_only():
    with pytest.raises(TypeError):
        NETS["other"] = NETS["unet"]
    with pytest.raises(FrozenInstanceError):
        config_from("unet", {}).width = 5


@pytest.mark.parametrize("name", NETS)
def test_options_make_the_config(name):
    config = config_from(name, SMALL[name])
    assert isinstance(config, NETS[name])
    assert {key: getattr(config, key) for key in SMALL[name]} == SMALL[name]
    assert config_from(name, {field.name: getattr(config, field.name) for field in fields(config)}) == config
    assert config_from(name, {}) == NETS[name]()


@pytest.mark.parametrize("name", NETS)
@settings(max_examples=15, deadline=None)
@given(batch=st.integers(1, 2), channels=st.integers(1, 4), classes=st.integers(1, 3), height=st.integers(1, 19), width=st.integers(1, 19))
def test_logits_have_the_size_of_the_images(name, batch, channels, classes, height, width):
    net = small(name, channels=channels, classes=classes)
    logits = net(torch.randn(batch, channels, height, width))
    assert logits.shape == (batch, classes, height, width)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("name", NETS)
def test_a_seed_settles_the_network(name):
    one, same, other = (moved(small(name, seed=seed)).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", NETS)
def test_answers_repeat_and_images_do_not_mix(name):
    net, images = moved(small(name)), torch.randn(3, 2, 13, 10)
    logits = net(images)
    assert torch.equal(net(images), logits)
    torch.testing.assert_close(net(images[1:2]), logits[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_memory_order_of_images_does_not_matter(name):
    net, images = moved(small(name)), torch.randn(2, 2, 12, 8)
    torch.testing.assert_close(net(images.contiguous(memory_format=torch.channels_last)), net(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_weights_survive_a_file(name):
    net, images = moved(small(name)), torch.randn(2, 2, 9, 11)
    net.train()(images)  # running statistics, too
    net.eval()
    again = small(name, seed=7)
    again.load_state_dict(load(save(net.state_dict())))
    assert torch.equal(again(images), net(images))


@pytest.mark.parametrize("name", NETS)
def test_every_parameter_learns(name):
    net = moved(small(name)).train()
    net(torch.randn(2, 2, 11, 13)).square().sum().backward()
    assert [key for key, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()] == []


@pytest.mark.parametrize("name", NETS)
def test_mixed_precision_answers_much_the_same(name):
    net, images = moved(small(name)), torch.randn(2, 2, 11, 13)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = net(images)
        half.float().square().mean().backward()
    assert (half.float() - net(images)).abs().max() < 0.1 * net(images).abs().max()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


@pytest.mark.parametrize("name", ["unet", "segnet"])
def test_the_last_layer_reads_the_features(name):
    net, images = moved(small(name)), torch.randn(2, 2, 16, 12)
    features = net.features(images)
    assert features.shape == (2, 3, 16, 12)
    torch.testing.assert_close(net.head(features), net(images))
    assert net.features(images[:, :, :11, :9]).shape == (2, 3, 11, 9)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 8, 8), (2, 2, 0, 8)])
def test_refuses_other_images(name, shape):
    with pytest.raises(ShapeError, match=r"images \(B, 2, H, W\), got"):
        small(name)(torch.zeros(shape))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("channels", "classes"), [(0, 2), (1, 0), (-1, 2)])
def test_refuses_networks_without_ends(name, channels, classes):
    with pytest.raises(ConfigError, match=f"at least one channel and one class, got {channels} and {classes}"):
        build_net(config_from(name, SMALL[name]), channels=channels, classes=classes)


def test_an_unknown_network_gets_the_list():
    with pytest.raises(ConfigError, match="one of unet, segnet, msd, got 'resnet'"):
        config_from("resnet", {})


def test_an_unknown_option_gets_the_list():
    with pytest.raises(ConfigError, match="unet has the options width, depth, norm, got dilations"):
        config_from("unet", {"dilations": 3})


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("option", ["width", "depth"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "8", True, None])
def test_refuses_sizes_that_no_network_has(name, option, value):
    with pytest.raises(ConfigError, match=f"{option} of a"):
        config_from(name, {option: value})
