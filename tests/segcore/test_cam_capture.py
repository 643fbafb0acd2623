"""One call captured: right values, and nothing left behind."""

import pytest
import torch
from torch import nn

from segcore.cam.capture import capture
from segcore.cam.methods import CAMS
from segcore.cam.scores import class_score
from segcore.errors import ConfigError, ShapeError

SITE = class_score(1)


class Net(nn.Module):
    """conv -> batch norm -> in-place ReLU -> dropout -> mean -> linear; spare never runs, conv2 runs twice."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.relu, self.drop = nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Dropout(0.5)
        self.conv2, self.head, self.spare = nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 2), nn.Conv2d(1, 1, 1)

    def forward(self, images):
        maps = self.drop(self.relu(self.norm(self.conv(images))))
        return self.head(self.conv2(self.conv2(maps)).mean(dim=(2, 3)))


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Net().eval()


@pytest.fixture
def images():
    return torch.randn(3, 2, 12, 10, generator=torch.Generator().manual_seed(3))


def by_hand(model, images):
    """Activation before the in-place ReLU, and its gradient, with nothing done in place."""
    act = model.norm(model.conv(images)).detach().requires_grad_()
    maps = model.conv2(model.conv2(act.relu()))
    return act.detach(), torch.autograd.grad(model.head(maps.mean(dim=(2, 3)))[:, 1].sum(), act)[0]


def test_the_layer_before_an_in_place_relu_keeps_its_own_values(model, images):
    seen = capture(model, images, ["norm"], SITE)
    act, grad = by_hand(model, images)
    assert act.min() < 0
    assert grad.abs().max() > 0
    torch.testing.assert_close(seen.acts[0], act)
    torch.testing.assert_close(seen.grads[0], grad)
    torch.testing.assert_close(seen.output, model(images).detach())


class Aliased(nn.Module):
    """What its layer hands on is changed in place afterwards, by a branch that does not go through the layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, images):
        own = images * 1
        maps = self.layer(own)
        own.mul_(5)
        return (maps * maps).mean(dim=(2, 3))


def test_a_layer_that_hands_on_its_input_keeps_its_own_values(images):
    seen = capture(Aliased(), images, ["layer"], SITE)
    torch.testing.assert_close(seen.acts[0], images)
    torch.testing.assert_close(seen.grads[0][:, 1], 2 * images[:, 1] / 120)


def test_several_layers_at_once_equal_one_at_a_time(model, images):
    names = ["relu", "conv", "norm"]
    together = capture(model, images, names, SITE)
    for name, act, grad in zip(names, together.acts, together.grads, strict=True):
        alone = capture(model, images, [name], SITE)
        torch.testing.assert_close(act, alone.acts[0])
        torch.testing.assert_close(grad, alone.grads[0])


def test_frozen_weights_and_switched_off_gradients_change_nothing(model, images):
    wanted = capture(model, images, ["norm"], SITE).grads[0]
    model.requires_grad_(False)
    with torch.no_grad():
        torch.testing.assert_close(capture(model, images, ["norm"], SITE).grads[0], wanted)
    with torch.inference_mode():
        torch.testing.assert_close(capture(model, images.clone(), ["norm"], SITE).grads[0], wanted)


def test_dropout_is_off_during_the_call(model, images):
    wanted = capture(model, images, ["norm"], SITE).output
    torch.testing.assert_close(capture(model.train(), images, ["norm"], SITE).output, wanted)


def test_nothing_before_the_layer_is_recorded(model, images):
    recorded = []
    spy = model.norm.register_forward_hook(lambda _module, _inputs, answer: recorded.append(answer.requires_grad))
    capture(model, images, ["relu"], SITE)
    spy.remove()
    assert recorded == [False]


def state(model):
    """Everything of a network that a call might leave behind."""
    weights = [(name, id(weight), weight.requires_grad, weight.grad, weight.clone()) for name, weight in model.named_parameters()]
    buffers = [(name, value.clone()) for name, value in model.named_buffers()]
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules = [
        (name, id(module), module.training, module.forward.__func__, *(len(getattr(module, hook)) for hook in hooks))
        for name, module in model.named_modules()
    ]
    return weights, buffers, modules, torch.get_rng_state(), torch.is_grad_enabled()


def assert_same(before, after):
    for left, right in zip(before, after, strict=True):
        if isinstance(left, torch.Tensor):
            assert torch.equal(left, right)
        elif isinstance(left, list | tuple):
            assert_same(left, right)
        else:
            assert left == right


@pytest.fixture
def used(model):
    """A network in the middle of training: mixed flags, one frozen weight, a hook of its own."""
    model.train()
    model.norm.eval()
    model.conv.bias.requires_grad_(False)
    model.relu.register_forward_hook(lambda _module, _inputs, _answer: None)
    return model


@pytest.mark.parametrize("name", CAMS)
def test_the_network_is_left_as_found(name, used, images):
    before, pixels = state(used), images.clone()
    CAMS[name](used, images, "norm", SITE)
    assert_same(before, state(used))
    assert torch.equal(images, pixels)
    assert not images.requires_grad
    assert images.grad is None


@pytest.mark.parametrize("name", CAMS)
def test_the_network_is_left_as_found_when_the_score_raises(name, used, images):
    def score(_output):
        torch.rand(3)  # moves the random state, too
        raise KeyError("score")

    before = state(used)
    with pytest.raises(KeyError, match="score"):
        CAMS[name](used, images, "norm", score)
    assert_same(before, state(used))


def test_the_comparison_above_sees_a_difference(used):
    before = state(used)
    used.drop.training = False
    with pytest.raises(AssertionError):
        assert_same(before, state(used))


def test_a_network_that_changes_its_input_in_place_leaves_the_images(images):
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(2, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    pixels = images.clone()
    for method in CAMS.values():
        method(model, images, "1", SITE)
    assert torch.equal(images, pixels)


@pytest.mark.parametrize(
    ("layers", "error", "text"),
    [
        (["spare"], ConfigError, "'spare' does not run"),
        (["conv2"], ConfigError, "'conv2' runs several times"),
        (["head"], ShapeError, r"'head' answers shape \(3, 2\)"),
        (["nothing"], ConfigError, "no layer 'nothing'"),
        ([], ConfigError, "got none"),
    ],
)
def test_layers_that_cannot_be_mapped(model, images, layers, error, text):
    before = state(model)
    with pytest.raises(error, match=text):
        capture(model, images, layers, SITE)
    assert_same(before, state(model))


def test_scores_that_cannot_be_followed(model, images):
    with pytest.raises(ShapeError, match=r"one number per image, \(3,\), got \(3, 2\)"):
        capture(model, images, ["norm"], lambda output: output)
    with pytest.raises(ConfigError, match="does not depend"):
        capture(model, images, ["norm"], lambda output: torch.zeros(len(output)))
    with pytest.raises(ConfigError, match="does not depend"):
        capture(model, images, ["norm"], lambda output: torch.zeros(len(output), requires_grad=True) * 1)


def test_images_and_networks_of_other_kinds(model, images):
    with pytest.raises(ShapeError, match=r"got torch.float32 of shape \(2, 12, 10\)"):
        capture(model, images[0], ["norm"], SITE)
    with pytest.raises(ShapeError, match=r"images are \(B, C, H, W\) floats, got torch\.uint8"):
        capture(model, images.byte(), ["norm"], SITE)
    model.forward = lambda images: [model.norm(model.conv(images))]
    with pytest.raises(ShapeError, match="got a list"):
        capture(model, images, ["norm"], SITE)
