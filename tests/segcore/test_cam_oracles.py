"""Gradient maps of the usual networks against captum, torchcam, and networks whose ReLUs are overridden one by one."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from segcore._compat import import_timm
from segcore.cam.capture import capture
from segcore.cam.choice import MapChoice, draw
from segcore.cam.gradient import fuse_stages, grad_cam, layer_cam, weigh_pixels
from segcore.cam.guided import guided_backprop, guided_grad_cam, guided_gradient, has_relus, smooth_guided_grad_cam
from segcore.cam.layers import default_layer, stage_layers
from segcore.cam.methods import CAMS, site_score
from segcore.cam.names import DEAR
from segcore.cam.scores import class_score
from segcore.errors import ConfigError

SITE = class_score(1)
ARCHS = ["vgg16", "resnet34", "densenet121", "efficientnet_b0"]
BEFORE_IN_PLACE_RELU = {"vgg16": "features.28", "resnet34": "bn1"}


def captum(name, *args, **options):
    """An attribution of captum; it warns that it sets hooks, and torch that the images become a leaf."""
    attr = pytest.importorskip("captum.attr")
    model, *layers, images = args
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU", category=UserWarning)
        warnings.filterwarnings("ignore", message="Input Tensor 0 did not already require gradients", category=UserWarning)
        return getattr(attr, name)(model, *layers).attribute(images.clone(), target=1, **options).detach()


def enlarge(maps, images):
    return functional.interpolate(maps, images.shape[-2:], mode="bilinear", align_corners=False)


@pytest.fixture
def oblong():
    """Two images of one band, 64 x 96 px."""
    noise = torch.randn(2, 1, 64, 96, generator=torch.Generator().manual_seed(11))
    return 4 * functional.avg_pool2d(noise, 5, stride=1, padding=2)


@pytest.mark.parametrize("arch", ARCHS)
def test_the_networks_are_alive(arch, lively, oblong):
    assert 1 < lively(arch)(oblong).abs().max() < 10


@pytest.mark.parametrize("arch", ARCHS)
def test_grad_cam_equals_captum(arch, lively, oblong, close):
    model = lively(arch)
    layer = default_layer(model)
    oracle = captum("LayerGradCam", model, model.get_submodule(layer), oblong, relu_attributions=True)
    close(grad_cam(model, oblong, layer, SITE), enlarge(oracle, oblong)[:, 0])


@pytest.mark.parametrize("arch", BEFORE_IN_PLACE_RELU)
def test_grad_cam_before_an_in_place_relu_equals_captum(arch, lively, oblong, close):
    model, layer = lively(arch), BEFORE_IN_PLACE_RELU[arch]
    assert capture(model, oblong, [layer], SITE).acts[0].min() < 0
    oracle = captum("LayerGradCam", model, model.get_submodule(layer), oblong, relu_attributions=True)
    close(grad_cam(model, oblong, layer, SITE), enlarge(oracle, oblong)[:, 0])


@pytest.mark.parametrize("layer", ["conv1", "norm1", "norm2"])
def test_grad_cam_of_small_networks_equals_captum(layer, small, scenes, close):
    oracle = captum("LayerGradCam", small, small.get_submodule(layer), scenes, relu_attributions=True)
    close(grad_cam(small, scenes, layer, SITE), enlarge(oracle, scenes)[:, 0])


@pytest.mark.parametrize("arch", ["vgg16", "resnet34"])
def test_guided_maps_equal_captum(arch, lively, oblong, close):
    model = lively(arch)
    layer = default_layer(model)
    close(guided_gradient(model, oblong, SITE), captum("GuidedBackprop", model, oblong))
    oracle = captum("GuidedGradCam", model, model.get_submodule(layer), oblong, interpolate_mode="bilinear")
    close(guided_grad_cam(model, oblong, layer, SITE), oracle.abs().sum(dim=1))


def test_without_relus_guided_backprop_is_the_plain_gradient_and_captums(lively, oblong, close):
    model = lively("efficientnet_b0")
    leaf = oblong.clone().requires_grad_()
    (plain,) = torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)
    assert not has_relus(model, oblong[:1])
    close(guided_gradient(model, oblong, SITE), plain)
    close(guided_gradient(model, oblong, SITE), captum("GuidedBackprop", model, oblong))


class Overridden(torch.autograd.Function):
    """A ReLU that lets a gradient pass only where it and the input are positive; written without torch's own ReLU."""

    @staticmethod
    def forward(ctx, values):
        ctx.save_for_backward(values)
        return torch.where(values > 0, values, 0.0)

    @staticmethod
    def backward(ctx, grad):
        (values,) = ctx.saved_tensors
        return torch.where((values > 0) & (grad > 0), grad, 0.0)


def overridden_gradient(model, images, monkeypatch):
    leaf = images.clone().requires_grad_()
    with monkeypatch.context() as patch:
        patch.setattr(functional, "relu", lambda values, inplace=False: Overridden.apply(values))
        return torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)[0]


@pytest.mark.parametrize("arch", ["vgg16", "resnet34", "densenet121"])
def test_guided_backprop_equals_the_network_with_overridden_relus(arch, lively, oblong, monkeypatch, close):
    model = lively(arch)
    close(guided_gradient(model, oblong, SITE), overridden_gradient(model, oblong, monkeypatch))


def test_guided_backprop_of_functional_relus_equals_the_network_with_overridden_relus(small, scenes, monkeypatch, close):
    oracle = overridden_gradient(small, scenes, monkeypatch)
    leaf = scenes.clone().requires_grad_()
    (plain,) = torch.autograd.grad(small(leaf)[:, 1].sum(), leaf)
    assert (plain - oracle).abs().max() > 0.1 * oracle.abs().max()  # captum, which sees modules only, would give this
    close(guided_gradient(small, scenes, SITE), oracle)
    close(guided_backprop(small, scenes, SITE), oracle.abs().sum(dim=1))


def torchcam_maps(model, layers, images):
    methods = pytest.importorskip("torchcam.methods")
    with methods.LayerCAM(model, layers) as extractor:
        return [cam.detach() for cam in extractor(1, model(images.clone().requires_grad_()), normalized=False)]


@pytest.mark.parametrize("arch", ARCHS)
def test_layer_cam_equals_torchcam_at_each_stage(arch, lively, oblong, close):
    model = lively(arch)
    names = stage_layers(model)[-4:]
    seen = capture(model, oblong, names, SITE)
    for name, act, grad, oracle in zip(names, seen.acts, seen.grads, torchcam_maps(model, names, oblong), strict=True):
        close(weigh_pixels(act, grad), oracle)
        close(layer_cam(model, oblong, name, SITE), enlarge(oracle[:, None], oblong)[:, 0])


@pytest.mark.parametrize("arch", ARCHS)
def test_stages_fused_by_max_equal_torchcams_fusion_of_maps_at_input_size(arch, lively, oblong, close):
    """torchcam takes tanh before it resizes: at one size there is nothing to resize, and with peaks of 1 tanh is not yet flat."""
    model = lively(arch)
    names = stage_layers(model)[-4:]
    maps = [enlarge(cam[:, None], oblong)[:, 0] for cam in torchcam_maps(model, names, oblong)]
    peaks = [float(stage.max()) for stage in maps]
    scaled = [stage / peak for stage, peak in zip(maps, peaks, strict=True)]
    oracle = pytest.importorskip("torchcam.methods").LayerCAM.fuse_cams(scaled, tuple(oblong.shape[-2:]))
    close(fuse_stages(scaled, [1.0] * 4, "max"), oracle)
    close(draw(model, oblong, MapChoice("layer-cam", "+".join(names), "max"), peaks), oracle)


@pytest.mark.parametrize("name", [name for name in CAMS if name not in DEAR])
@pytest.mark.parametrize("arch", ARCHS)
def test_a_batch_equals_its_images_one_by_one(name, arch, lively, oblong, close):
    model = lively(arch)
    layer = stage_layers(model)[-2]
    single = [CAMS[name](model, image[None], layer, SITE) for image in oblong]
    assert (single[0] - single[1]).abs().max() > 0
    close(CAMS[name](model, oblong, layer, SITE), torch.cat(single))


@pytest.mark.parametrize("name", CAMS)
def test_a_batch_of_small_images_equals_its_images_one_by_one(name, small, scenes, close):
    single = [CAMS[name](small, image[None], "norm1", site_score(name)) for image in scenes]
    close(CAMS[name](small, scenes, "norm1", site_score(name)), torch.cat(single))


@pytest.mark.parametrize("name", CAMS)
def test_no_images_have_no_maps(name, small, scenes):
    maps = CAMS[name](small, scenes[:0], "norm1", site_score(name))
    assert maps.shape == (0, 20, 28)
    assert maps.dtype == torch.float32


@pytest.mark.parametrize("value", [0.0, -2.0])
@pytest.mark.parametrize("arch", ["vgg16", "efficientnet_b0"])
def test_a_constant_image_gives_numbers(arch, value, lively):
    model = lively(arch)
    images = torch.full((1, 1, 64, 64), value)
    for name in CAMS:
        if name not in DEAR:
            assert CAMS[name](model, images, stage_layers(model)[-1], SITE).isfinite().all()


def test_a_network_that_is_dead_gives_an_empty_map(scenes):
    """Behind a ReLU that lets nothing pass all activations and gradients are 0."""
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    nn.init.zeros_(model[0].weight)
    nn.init.constant_(model[0].bias, -1.0)
    for name in CAMS:
        assert torch.equal(CAMS[name](model, scenes, "1", site_score(name)), torch.zeros(3, 20, 28))


def test_smoothing_follows_the_shorter_edge(small, scenes, close):
    """5 % of 20 rows is a Gaussian of 1 px."""
    close(smooth_guided_grad_cam(small, scenes, "norm2", SITE), smooth_guided_grad_cam(small, scenes, "norm2", SITE, sigma=1.0))


def test_a_network_that_compiled_itself_is_refused(small, scenes):
    """nn.Module.compile leaves the module in its place; its ReLUs are then out of reach, too."""
    small.compile(backend="eager")
    with pytest.raises(ConfigError, match="the network is compiled"):
        guided_gradient(small, scenes, SITE)


@pytest.mark.parametrize("scale", [float("nan"), -1.0])
def test_fusing_refuses_scales_that_are_no_scales(scale):
    one = torch.ones(1, 2, 2)
    with pytest.raises(ConfigError, match=f"positive, got {scale:g}"):
        fuse_stages([one, one], [1.0, scale])


def test_a_network_that_needs_more_than_64_px_has_a_default_layer():
    with torch.device("meta"):
        model = import_timm().create_model("inception_v3", num_classes=2)
    assert default_layer(model) == "Mixed_7c"


class Picky(nn.Module):
    """It reads no image at all."""

    feature_info = ({"module": "conv", "num_chs": 2, "reduction": 1},)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3)

    def forward_features(self, images):
        raise RuntimeError(f"{tuple(images.shape)} will not do")


def test_a_network_that_reads_no_empty_image_is_asked_for_a_layer():
    model = Picky().train()
    with pytest.raises(ConfigError, match=r"Picky cannot read one of \(224, 224\) px\. Name a layer"):
        default_layer(model)
    assert model.conv.training
    assert not model.conv._forward_hooks
