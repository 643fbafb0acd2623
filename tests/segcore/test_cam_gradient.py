"""Grad-CAM and LayerCAM against captum, torchcam where installed, and closed forms."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from segcore._compat import import_timm
from segcore.cam.capture import capture
from segcore.cam.gradient import fuse_stages, grad_cam, layer_cam, layer_cams, weigh_channels, weigh_pixels
from segcore.cam.layers import default_layer, stage_layers
from segcore.cam.scores import class_score
from segcore.errors import ConfigError, ShapeError

SITE = class_score(1)
ARCHS = ["resnet18", "densenet121"]


def assert_equal(ours, oracle, tolerance=1e-5):
    assert ours.shape == oracle.shape
    assert oracle.abs().max() > 0
    assert (ours - oracle).abs().max() <= tolerance * oracle.abs().max()


def captum_grad_cam(model, layer, images, *, relu):
    attr = pytest.importorskip("captum.attr")
    return attr.LayerGradCam(model, layer).attribute(images, target=1, relu_attributions=relu).detach()


@pytest.mark.parametrize("arch", ARCHS)
def test_grad_cam_equals_captum(arch, lively, images):
    model = lively(arch)
    layer = default_layer(model)
    oracle = captum_grad_cam(model, model.get_submodule(layer), images, relu=True)
    oracle = functional.interpolate(oracle, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    assert_equal(grad_cam(model, images, layer, SITE), oracle)


def torchvision_densenet():
    """Its last batch norm is followed by a functional, in-place ReLU."""
    import_timm()
    from torchvision.models import densenet121

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return densenet121(num_classes=2).eval(), "features", 3


def before_in_place_relu():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        layers = nn.Conv2d(1, 8, 3), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3), nn.ReLU(inplace=True)
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)).eval(), "2", 1


@pytest.mark.parametrize("build", [torchvision_densenet, before_in_place_relu])
def test_the_layer_before_an_in_place_relu_equals_captum(build, images):
    model, layer, bands = build()
    images = images.repeat(1, bands, 1, 1)
    seen = capture(model, images, [layer], SITE)
    assert seen.acts[0].min() < 0
    ours = torch.einsum("bc,bchw->bhw", seen.grads[0].mean(dim=(2, 3)), seen.acts[0])
    assert_equal(ours, captum_grad_cam(model, model.get_submodule(layer), images, relu=False)[:, 0])


def test_grad_cam_under_a_pooled_linear_head_is_cam():
    """There the gradient is weight / (h w), so that Grad-CAM equals CAM (Zhou et al. 2016) / (h w)."""
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    images = torch.randn(2, 1, 8, 6, generator=torch.Generator().manual_seed(1))
    cam = torch.einsum("c,bchw->bhw", model[3].weight[1], model[0](images)).relu() / 48
    assert_equal(grad_cam(model, images, "0", SITE), cam.detach())


@pytest.mark.parametrize("arch", ARCHS)
def test_layer_cam_equals_plain_autograd(arch, lively, images):
    model = lively(arch)
    maps = layer_cams(model, images, stage_layers(model)[-4:], SITE)
    for name, ours in zip(stage_layers(model)[-4:], maps, strict=True):
        kept = []
        hook = model.get_submodule(name).register_forward_hook(
            lambda _m, _i, answer, kept=kept: kept.append(answer.clone()) or kept[0].clone()
        )
        (grad,) = torch.autograd.grad(model(images)[:, 1].sum(), kept)
        hook.remove()
        oracle = sum(grad[:, c].clamp(min=0) * kept[0][:, c] for c in range(grad.shape[1])).clamp(min=0).detach()
        assert_equal(ours, functional.interpolate(oracle[:, None], images.shape[-2:], mode="bilinear")[:, 0])
        torch.testing.assert_close(layer_cam(model, images, name, SITE), ours)


def test_layer_cam_equals_torchcam(lively, images):
    methods = pytest.importorskip("torchcam.methods", reason="torchcam is not installed; plain autograd stands in for it above")
    model = lively("resnet18")
    seen = capture(model, images, ["layer2"], SITE)
    with methods.LayerCAM(model, "layer2") as extractor:
        (oracle,) = extractor(1, model(images.clone().requires_grad_()), normalized=False)
    assert_equal(weigh_pixels(seen.acts[0], seen.grads[0]), oracle)


@pytest.mark.parametrize("method", [grad_cam, layer_cam])
@pytest.mark.parametrize("arch", ARCHS)
def test_a_batch_equals_its_images_one_by_one(method, arch, lively, images):
    model = lively(arch)
    layer = default_layer(model)
    single = [method(model, images[i : i + 1], layer, SITE) for i in range(len(images))]
    assert_equal(method(model, images, layer, SITE), torch.cat(single))


def test_maps_are_float32_of_the_images_size_and_not_negative(lively, images):
    maps = grad_cam(lively("resnet18"), images[:, :, :, :48], "layer3", SITE)
    assert maps.shape == (3, 64, 48)
    assert maps.dtype == torch.float32
    assert maps.min() >= 0
    assert not maps.requires_grad


def test_the_other_class_has_another_map(lively, images):
    model = lively("resnet18")
    assert not torch.allclose(grad_cam(model, images, "layer4", class_score(0)), grad_cam(model, images, "layer4", SITE))


def test_weights_by_hand():
    act = torch.tensor([[[[1.0, 2.0]], [[-3.0, 4.0]]]])
    grad = torch.tensor([[[[1.0, 3.0]], [[2.0, -4.0]]]])
    assert weigh_channels(act, grad).tolist() == [[[5.0, 0.0]]]  # 2 * 1 + -1 * -3, 2 * 2 + -1 * 4
    assert weigh_pixels(act, grad).tolist() == [[[0.0, 6.0]]]  # 1 * 1 + 2 * -3 < 0, 3 * 2 + 0 * 4


def test_fusing_by_hand():
    maps = [torch.tensor([[[0.0, 2.0]]]), torch.tensor([[[8.0, 4.0]]])]
    torch.testing.assert_close(fuse_stages(maps, [2.0, 4.0]), torch.tensor([[[4 / 3, 1.0]]]))  # (1 * 0 + 2 * 2) / 3, (1 + 2) / 3
    torch.testing.assert_close(fuse_stages(maps, [2.0, 4.0], "max"), torch.tanh(torch.tensor([[[4.0, 2.0]]])))


def test_fusing_refuses_what_it_cannot_weigh():
    one = torch.ones(1, 2, 2)
    with pytest.raises(ShapeError, match=r"got 1 map\(s\) and 2 scale\(s\)"):
        fuse_stages([one], [1.0, 2.0])
    with pytest.raises(ShapeError, match=r"got 0 map\(s\)"):
        fuse_stages([], [])
    with pytest.raises(ConfigError, match="positive, got 0"):
        fuse_stages([one, one], [1.0, 0.0])
    with pytest.raises(ConfigError, match="got 'mean'"):
        fuse_stages([one], [1.0], "mean")
