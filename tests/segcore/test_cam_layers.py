"""Layers by name."""

import pytest
import torch
from torch import nn

from segcore._compat import import_timm
from segcore.cam.layers import default_layer, find_layers, stage_layers
from segcore.errors import ConfigError

STAGES = {
    "resnet18": ["act1", "layer1", "layer2", "layer3", "layer4"],
    "densenet121": ["features.norm0", "features.denseblock1", "features.denseblock2", "features.denseblock3", "features.norm5"],
    "vgg16": ["features.3", "features.8", "features.15", "features.22", "features.29", "features.30"],
}


@pytest.mark.parametrize("arch", STAGES)
def test_stages_of_the_usual_networks(arch):
    with torch.device("meta"):
        model = import_timm().create_model(arch, num_classes=2)
    assert stage_layers(model) == STAGES[arch]


@pytest.mark.parametrize(
    ("arch", "layer"), [("resnet18", "layer4"), ("densenet121", "features"), ("vgg16", "features"), ("efficientnet_b0", "bn2")]
)
def test_the_default_layer_is_what_the_head_reads(arch, layer):
    with torch.device("meta"):
        model = import_timm().create_model(arch, num_classes=2, in_chans=2)
    before = [(module, module.training, len(module._forward_hooks)) for module in model.modules()]
    assert default_layer(model) == layer
    assert [(module, module.training, len(module._forward_hooks)) for module in model.modules()] == before


def test_layers_come_in_the_order_asked_for(lively):
    model = lively("resnet18")
    assert find_layers(model, ["layer4.1.conv2", "layer1"]) == [model.layer4[1].conv2, model.layer1]


def test_an_unknown_layer_lists_what_exists(lively):
    with pytest.raises(ConfigError, match=r"no layer 'layer5'\. It has act1, layer1, layer2, layer3, layer4"):
        find_layers(lively("resnet18"), ["layer5"])
    with pytest.raises(ConfigError, match=r"no layer ''\. It has 0, 1\."):
        find_layers(nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU()), [""])


def test_networks_without_stages_are_refused():
    with pytest.raises(ConfigError, match="Sequential lists none"):
        stage_layers(nn.Sequential(nn.Conv2d(1, 1, 3)))
    with torch.device("meta"):
        swin = import_timm().create_model("swin_tiny_patch4_window7_224", num_classes=2)
    with pytest.raises(ConfigError, match="unlike SwinTransformer's"):
        default_layer(swin)
