"""Which map, and its name."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segcore.cam.choice import MapChoice, draw
from segcore.cam.gradient import fuse_stages, layer_cams
from segcore.cam.methods import CAMS, site_score
from segcore.errors import ConfigError, ShapeError

LAYERS = st.text("abc.019_", min_size=1)


def test_a_choice_has_a_name_and_knows_its_methods():
    choice = MapChoice("layer-cam", "layer3")
    assert (str(choice), choice.layers, choice.stages) == ("layer-cam@layer3", ("layer3",), ())
    assert hash(MapChoice("layer-cam", "layer3")) == hash(choice)
    with pytest.raises(ConfigError, match=r"is one of occlusion, grad-cam, .*; got 'xray'"):
        MapChoice("xray", "layer3")


@given(st.lists(LAYERS, min_size=1, max_size=4), st.sampled_from(["weighted", "max"]))
def test_a_name_says_all(layers, fuse):
    choice = MapChoice("layer-cam", "+".join(layers), fuse if len(layers) > 1 else "weighted")
    assert MapChoice.parse(str(choice)) == choice
    assert [own.layer for own in choice.stages] == (layers if len(layers) > 1 else [])


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("layer-cam@a+b:mean", "by weighted or max, got 'mean'"),
        ("grad-cam@a+b", "only layer-cam fuses"),
        ("cam@a", "got 'cam'"),
        ("layer-cam", "method@layer"),
        ("layer-cam@a+", "method@layer"),
        ("layer-cam@a:max", "got one, a"),
    ],
)
def test_names_that_mean_nothing(key, text):
    with pytest.raises(ConfigError, match=text):
        MapChoice.parse(key)


@pytest.mark.parametrize("name", CAMS)
def test_drawing_is_the_method(name, lively, images):
    wanted = CAMS[name](lively("resnet18"), images, "layer3", site_score(name))
    torch.testing.assert_close(draw(lively("resnet18"), images, MapChoice(name, "layer3")), wanted)


@pytest.mark.parametrize("fuse", ["weighted", "max"])
def test_several_layers_are_fused(fuse, lively, images):
    model, choice = lively("resnet18"), MapChoice("layer-cam", "layer2+layer3+layer4", fuse)
    stages = layer_cams(model, images, choice.layers, site_score("layer-cam"))
    wanted = fuse_stages(stages, (0.1, 0.2, 0.4), fuse)
    torch.testing.assert_close(draw(model, images, choice, (0.1, 0.2, 0.4)), wanted)
    with pytest.raises(ShapeError, match="one scale per map"):
        draw(model, images, choice)
