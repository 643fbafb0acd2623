"""Guided backpropagation against captum, and where captum cannot see (functions), against a network of overridden ReLUs."""

import warnings

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.nn import functional

from segcore._compat import import_timm
from segcore.cam.gradient import grad_cam
from segcore.cam.guided import guided_backprop, guided_grad_cam, guided_gradient, has_relus, smooth_guided_grad_cam
from segcore.cam.layers import default_layer
from segcore.cam.scores import class_score
from segcore.errors import ConfigError

SITE = class_score(1)
ARCHS = ["resnet18", "densenet121"]


def assert_equal(ours, oracle, tolerance=1e-5):
    assert ours.shape == oracle.shape
    assert oracle.abs().max() > 0
    assert (ours - oracle).abs().max() <= tolerance * oracle.abs().max()


def captum(name, *args, **options):
    """An attribution of captum; it warns that it sets hooks, and torch that the images become a leaf."""
    attr = pytest.importorskip("captum.attr")
    model, *layers, images = args
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU", category=UserWarning)
        warnings.filterwarnings("ignore", message="Input Tensor 0 did not already require gradients", category=UserWarning)
        return getattr(attr, name)(model, *layers).attribute(images.clone(), target=1, **options).detach()


@pytest.mark.parametrize("arch", ARCHS)
def test_guided_backprop_equals_captum(arch, lively, images):
    model = lively(arch)
    oracle = captum("GuidedBackprop", model, images)
    assert oracle.min() < 0
    assert_equal(guided_gradient(model, images, SITE), oracle)
    assert_equal(guided_backprop(model, images, SITE), oracle.abs().sum(dim=1))


@pytest.mark.parametrize("arch", ARCHS)
def test_guided_grad_cam_equals_captum(arch, lively, images):
    model = lively(arch)
    layer = default_layer(model)
    oracle = captum("GuidedGradCam", model, model.get_submodule(layer), images, interpolate_mode="bilinear")
    assert_equal(guided_grad_cam(model, images, layer, SITE), oracle.abs().sum(dim=1))


class Reference(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        ctx.save_for_backward(values)
        return values * (values > 0)

    @staticmethod
    def backward(ctx, grad):
        (values,) = ctx.saved_tensors
        return grad * (values > 0) * (grad > 0)


def in_place(values):
    return values.copy_(Reference.apply(values.clone()))


class Functional(nn.Module):
    """Three convolutions, a shortcut that an in-place ReLU changes, and rectify wherever a ReLU stands."""

    def __init__(self, rectify):
        super().__init__()
        self.rectify = rectify
        self.first, self.second, self.third = nn.Conv2d(2, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        shortcut = self.first(images) + 0.1
        maps = self.second(self.rectify(shortcut)) + shortcut
        return self.head(self.rectify(self.third(self.rectify(maps))).mean(dim=(2, 3)))


def twins(rectify, reference):
    networks = []
    for way in (rectify, reference):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            networks.append(Functional(way).eval())
    return networks


MODULE = nn.ReLU()
NEW = {
    "functional": functional.relu,
    "module used three times": MODULE,
    "torch.relu": torch.relu,
    "method": lambda x: x.relu(),
    "clamp_min": lambda x: torch.clamp_min(x, 0),
    "clamp_min method": lambda x: x.clamp_min(0.0),
    "clamp": lambda x: torch.clamp(x, min=0),
    "clamp method": lambda x: x.clamp(0),
    "clip": lambda x: torch.clip(input=x, min=0),
}
IN_PLACE = {
    "functional in place": lambda x: functional.relu(x, inplace=True),
    "positional in place": lambda x: functional.relu(x, True),
    "module in place": nn.ReLU(inplace=True),
    "functional.relu_": functional.relu_,
    "torch.relu_": torch.relu_,
    "method in place": lambda x: x.relu_(),
    "clamp_ method": lambda x: x.clamp_(min=0),
    "clamp_min_ method": lambda x: x.clamp_min_(0),
}


@pytest.mark.parametrize(
    ("way", "reference"), [(way, Reference.apply) for way in NEW.values()] + [(way, in_place) for way in IN_PLACE.values()]
)
def test_every_relu_is_reached_however_it_is_written(way, reference, images):
    images = images.repeat(1, 2, 1, 1)[..., :16, :20]
    ours, overridden = twins(way, reference)
    assert_equal(ours(images), overridden(images))
    leaf = images.clone().requires_grad_()
    (oracle,) = torch.autograd.grad(overridden(leaf)[:, 1].sum(), leaf)
    (plain,) = torch.autograd.grad(ours(leaf)[:, 1].sum(), leaf)
    assert (plain - oracle).abs().max() > 0.1 * oracle.abs().max()  # the case can fail
    assert_equal(guided_gradient(ours, images, SITE), oracle)


def test_the_shortcut_makes_writing_in_place_another_network(images):
    images = images.repeat(1, 2, 1, 1)[..., :16, :20]
    new, same = twins(functional.relu, functional.relu_)
    assert not torch.allclose(guided_gradient(new, images, SITE), guided_gradient(same, images, SITE))


def test_modules_and_a_function_mixed(images, monkeypatch):
    """The densenet of torchvision ends in one functional, in-place ReLU."""
    import_timm()
    from torchvision.models import densenet121

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        model = densenet121(num_classes=2).eval()
    leaf = images.repeat(1, 3, 1, 1).requires_grad_()
    ours = guided_gradient(model, leaf.detach(), SITE)
    monkeypatch.setattr(functional, "relu", lambda values, inplace=False: Reference.apply(values))
    (oracle,) = torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)
    assert_equal(ours, oracle)


@pytest.mark.parametrize("rectify", [torch.tanh, functional.relu6, lambda x: x.clamp(-1), lambda x: torch.clamp(x, 0, 0.5)])
def test_without_relu_it_is_the_plain_gradient(rectify, images):
    leaf = images.repeat(1, 2, 1, 1)[..., :16, :20].clone().requires_grad_()
    model, _ = twins(rectify, rectify)
    (oracle,) = torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)
    assert_equal(guided_gradient(model, leaf, SITE), oracle)


def test_relus_are_themselves_again_after_the_call(images):
    images = images.repeat(1, 2, 1, 1)[..., :16, :20]
    model, _ = twins(functional.relu, functional.relu)
    leaf = images.clone().requires_grad_()
    before = torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)[0]
    guided_gradient(model, images, SITE)
    assert torch.equal(torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)[0], before)


def test_the_product_uses_the_plain_grad_cam(lively, images):
    """Grad-CAM of an early layer: ReLUs lie behind it, and they must not be guided for its weights."""
    model = lively("resnet18")
    oracle = grad_cam(model, images, "layer2", SITE) * guided_backprop(model, images, SITE)
    assert_equal(guided_grad_cam(model, images, "layer2", SITE), oracle)


@pytest.mark.parametrize("arch", ARCHS)
def test_a_batch_equals_its_images_one_by_one(arch, lively, images):
    model = lively(arch)
    layer = default_layer(model)
    single = [smooth_guided_grad_cam(model, images[i : i + 1], layer, SITE) for i in range(len(images))]
    assert_equal(smooth_guided_grad_cam(model, images, layer, SITE), torch.cat(single))


@pytest.mark.parametrize(("sigma", "pixels"), [(2.5, 2.5), (None, 3.2)])
def test_smoothing_is_a_gaussian_of_the_product(sigma, pixels, lively, images):
    model = lively("resnet18")
    raw = guided_grad_cam(model, images, "layer4", SITE)
    oracle = torch.from_numpy(gaussian_filter(raw.numpy(), (0, pixels, pixels), mode="nearest"))
    assert_equal(smooth_guided_grad_cam(model, images, "layer4", SITE, sigma=sigma), oracle)


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan")])
def test_smoothing_without_a_width_is_refused(sigma, lively, images):
    with pytest.raises(ConfigError, match="sigma above 0 px, got"):
        smooth_guided_grad_cam(lively("resnet18"), images, "layer4", SITE, sigma=sigma)


def test_networks_without_a_relu_are_told_apart(lively, images):
    assert has_relus(lively("resnet18"), images[:1])
    assert not has_relus(nn.Sequential(nn.Conv2d(1, 2, 3), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), images[:1])


def test_networks_whose_relus_cannot_be_reached_are_refused(images):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model[1].grad_checkpointing = True
    with pytest.raises(ConfigError, match="1 is compiled or checkpointed"):
        guided_gradient(model, images, SITE)
    with pytest.raises(ConfigError, match="the network is compiled"):
        guided_gradient(torch.compile(nn.ReLU(), backend="eager"), images, SITE)
