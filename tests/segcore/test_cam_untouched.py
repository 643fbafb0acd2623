"""Every method leaves the network, the images, the random state and the memory as found, and refuses what it cannot explain."""

import gc
import hashlib
import json
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segcore.cam.choice import MapChoice
from segcore.cam.layers import default_layer, stage_layers
from segcore.cam.methods import CAMS, site_score
from segcore.cam.names import DEAR
from segcore.cam.occlusion import occlusion
from segcore.cam.score_cam import score_cam
from segcore.cam.scores import class_probability, class_score
from segcore.errors import ConfigError, SegError, ShapeError

ARCHS = {"vgg16": "features.29", "resnet34": "layer4", "densenet121": "features", "efficientnet_b0": "blocks.5"}
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_forward_hooks_with_kwargs")


def fingerprint(model):
    """Everything of a network and of the random generators that a call might change, as plain values."""
    weights = hashlib.sha256()
    for name, value in model.state_dict().items():
        weights.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return {
        "weights": weights.hexdigest(),
        "identities": [(name, id(value)) for name, value in [*model.named_modules(), *model.named_parameters(), *model.named_buffers()]],
        "training": [module.training for module in model.modules()],
        "hooks": [list(getattr(module, hooks)) for module in model.modules() for hooks in HOOKS],
        "attributes": [sorted(vars(module)) for module in model.modules()],
        "forward": [module.forward.__func__ for module in model.modules()],
        "requires_grad": [weight.requires_grad for weight in model.parameters()],
        "grads": [weight.grad for weight in model.parameters()],
        "random": (torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())),  # noqa: NPY002
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), len(torch.overrides._get_current_function_mode_stack())),
    }


@pytest.fixture
def busy(small):
    """A network in the middle of training: mixed flags, a frozen weight, hooks of every kind."""
    small.train()
    small.norm2.eval()
    small.conv2.weight.requires_grad_(False)
    small.norm1.register_forward_hook(lambda _module, _inputs, _answer: None)
    small.conv1.register_forward_pre_hook(lambda _module, _inputs: None)
    small.head.register_full_backward_hook(lambda _module, _to, _from: None)
    return small


@pytest.mark.parametrize("name", CAMS)
def test_a_busy_network_is_left_as_found(name, busy, scenes):
    before, pixels = fingerprint(busy), scenes.clone()
    assert all(grad is None for grad in before["grads"])
    maps = CAMS[name](busy, scenes, "norm1", site_score(name))
    assert maps.max() > 0
    assert fingerprint(busy) == before
    assert torch.equal(scenes, pixels)
    assert not scenes.requires_grad
    assert scenes.grad is None


def raise_at(call):
    """A score that raises the given time it is asked, after moving every random state of torch."""
    asked = []

    def score(output):
        asked.append(torch.rand(2))
        if len(asked) == call:
            raise KeyError("score")
        return output[:, 1]

    return score


@pytest.mark.parametrize(("name", "call"), [*((name, 1) for name in CAMS), *((name, 3) for name in DEAR)])
def test_a_busy_network_is_left_as_found_when_the_score_raises(name, call, busy, scenes):
    """Those of many forward calls: also in the middle of them."""
    before = fingerprint(busy)
    with pytest.raises(KeyError, match="score"):
        CAMS[name](busy, scenes, "norm1", raise_at(call))
    assert fingerprint(busy) == before


@pytest.mark.parametrize("name", CAMS)
def test_a_network_that_raises_is_left_as_found(name, busy, scenes):
    before = fingerprint(busy)
    with pytest.raises(RuntimeError, match="channels"):
        CAMS[name](busy, scenes[:, :1], "norm1", site_score(name))
    assert fingerprint(busy) == before


@pytest.mark.parametrize("name", [name for name in CAMS if name not in DEAR])
@pytest.mark.parametrize("arch", ARCHS)
def test_the_usual_networks_are_left_as_found(name, arch, lively, images):
    model = lively(arch)
    before = fingerprint(model)
    CAMS[name](model, images[:1], ARCHS[arch], class_score(1))
    assert fingerprint(model) == before


@pytest.mark.parametrize("arch", ARCHS)
def test_the_usual_networks_are_left_as_found_by_many_calls(arch, lively, images):
    model = lively(arch)
    before = fingerprint(model)
    occlusion(model, images[:1], class_probability(1), window=32, stride=32)
    score_cam(model, images[:1], ARCHS[arch], class_probability(1), channels=[0, 1])
    assert fingerprint(model) == before


@pytest.mark.parametrize("arch", ARCHS)
def test_looking_for_the_default_layer_leaves_the_network_as_found(arch, lively):
    model = lively(arch)
    before = fingerprint(model)
    default_layer(model)
    assert fingerprint(model) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.norm1.eval(),
        lambda model: model.norm1.num_batches_tracked.add_(1),
        lambda model: model.head.register_forward_hook(lambda *_: None),
        lambda model: model.conv2.requires_grad_(True),
        lambda model: setattr(model, "conv2", nn.Conv2d(8, 8, 3)),
        lambda model: setattr(model.head.bias, "grad", torch.zeros(2)),
        lambda model: torch.rand(1),
        lambda model: (random.random(), np.random.rand()),  # noqa: NPY002
    ],
)
def test_the_comparison_sees_a_change(change, busy):
    before, states = fingerprint(busy), (torch.get_rng_state(), random.getstate(), np.random.get_state())  # noqa: NPY002
    try:
        change(busy)
        changed = {name for name, value in fingerprint(busy).items() if name != "grads" and value != before[name]}
        assert changed or busy.head.bias.grad is not None
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])  # noqa: NPY002


@pytest.fixture
def newborn():
    """How many tensors have come to life since the test began and are still there."""
    gc.freeze()  # the collector forgets all that is there now

    def count():
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    yield count
    gc.unfreeze()


@pytest.mark.parametrize("name", CAMS)
def test_no_tensor_outlives_the_call(name, small, scenes, newborn):
    CAMS[name](small, scenes, "norm1", site_score(name))
    assert newborn() == 0
    with pytest.raises(KeyError):
        CAMS[name](small, scenes, "norm1", raise_at(1))
    assert newborn() == 0
    kept = scenes + 1
    assert newborn() == 1, kept.shape


GROWTH = """
import json, os
import psutil, torch
from torch import nn
from segcore.cam.methods import CAMS
from segcore.cam.occlusion import occlusion
from segcore.cam.scores import class_probability, class_score

torch.set_num_threads(1)
torch.manual_seed(3)
body = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)  # 8 channels of 32 x 32 px: 32 KiB an image
model = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)).eval()
images, process, kept = torch.randn(4, 1, 32, 32), psutil.Process(os.getpid()), []
logit, probability = class_score(1), class_probability(1)
methods = {
    "grad-cam": lambda one: CAMS["grad-cam"](model, one, "1", logit),
    "smooth-guided-grad-cam": lambda one: CAMS["smooth-guided-grad-cam"](model, one, "1", logit),
    "score-cam": lambda one: CAMS["score-cam"](model, one, "1", probability),
    "occlusion": lambda one: occlusion(model, one, probability, window=16, stride=16),
    "kept": lambda one: kept.append(model[0](one)),
}
growth = {}
for name, method in methods.items():
    for number in range(1100):
        if number == 100:
            start = process.memory_info().rss
        method(images[number % 4 : number % 4 + 1])
    growth[name] = (process.memory_info().rss - start) / 2**20
print(json.dumps(growth))
"""


def test_a_thousand_images_take_no_more_memory_than_a_hundred():
    """In a process of its own, whose memory is not full of holes; MiB. What keeps an activation an image is seen."""
    pytest.importorskip("psutil")
    growth = json.loads(subprocess.run([sys.executable, "-c", GROWTH], check=True, capture_output=True, text=True).stdout)
    assert growth.pop("kept") > 20
    assert max(growth.values()) < 20, growth


@pytest.mark.parametrize("name", CAMS)
@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda images: images.index_fill(3, torch.tensor([4]), float("nan")), "these hold NaN or infinity"),
        (lambda images: images * float("inf"), "these hold NaN or infinity"),
        (lambda images: images[0], r"got torch.float32 of shape \(2, 20, 28\)"),
        (lambda images: images[None], r"of shape \(1, 3, 2, 20, 28\)"),
        (lambda images: (images * 10).byte(), "got torch.uint8"),
    ],
)
def test_images_that_no_method_explains(name, spoil, text, busy, scenes):
    before = fingerprint(busy)
    with pytest.raises(ShapeError, match=text) as caught:
        CAMS[name](busy, spoil(scenes), "norm1", site_score(name))
    assert "\n" not in str(caught.value)
    assert fingerprint(busy) == before


WITHOUT_LAYER = ("occlusion", "guided-backprop")


@pytest.mark.parametrize("name", [name for name in CAMS if name not in WITHOUT_LAYER])
def test_layers_that_no_method_looks_at(name, busy, scenes):
    busy.spare = nn.Conv2d(2, 8, 3)
    before = fingerprint(busy)
    for layer, text in [
        ("norm9", r"has no layer 'norm9'\. It has norm"),
        ("stem", r"has no layer 'stem'\. It has .*conv1, norm1, conv2, norm2, head"),
        ("", "has no layer ''"),
        ("spare", "'spare' does not run in this network"),
        ("head", r"'head' answers shape"),
    ]:
        with pytest.raises(SegError, match=text) as caught:
            CAMS[name](busy, scenes, layer, site_score(name))
        assert "\n" not in str(caught.value)
        assert fingerprint(busy) == before


@pytest.mark.parametrize("name", WITHOUT_LAYER)
def test_methods_without_a_layer_take_any_name(name, small, scenes):
    score = site_score(name)
    assert torch.equal(CAMS[name](small, scenes, "anything", score), CAMS[name](small, scenes, "", score))


@pytest.mark.parametrize("name", CAMS)
@pytest.mark.parametrize("sigma", [-1.0, float("nan"), float("inf")])
def test_widths_that_no_method_smooths_with(name, sigma, small, scenes):
    with pytest.raises(ConfigError, match="sigma") as caught:
        CAMS[name](small, scenes, "norm1", site_score(name), sigma=sigma)
    assert "\n" not in str(caught.value)


def test_an_unknown_method_lists_those_that_exist():
    with pytest.raises(ConfigError, match=", ".join(CAMS)) as caught:
        MapChoice.parse("grad_cam@layer4")
    assert "'grad_cam'" in str(caught.value)
    assert "\n" not in str(caught.value)


class Dense(nn.Module):
    """It lists its stages as timm's networks do, and has no convolution."""

    feature_info = ({"module": "0", "num_chs": 2, "reduction": 1},)

    def __init__(self):
        super().__init__()
        self.add_module("0", nn.Linear(560, 2))

    def forward_features(self, images):
        return self.get_submodule("0")(images.flatten(2)).mean(dim=1)

    forward = forward_features


def test_a_network_without_convolutions_has_no_map_of_a_layer(scenes):
    with pytest.raises(ConfigError, match="Dense has no convolution"):
        default_layer(Dense())
    with pytest.raises(ConfigError, match="Sequential lists none"):
        stage_layers(nn.Sequential(nn.Flatten(), nn.Linear(1120, 2)))
    for name in CAMS:
        if name not in WITHOUT_LAYER:
            with pytest.raises(ShapeError, match=r"answers shape \(\d, 2, 2\)\. Choose a convolutional layer"):
                CAMS[name](Dense(), scenes, "0", site_score(name))
    assert CAMS["guided-backprop"](Dense(), scenes, "", class_score(1)).max() > 0
