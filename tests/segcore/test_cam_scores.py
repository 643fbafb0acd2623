"""What is explained."""

import pytest
import torch
from torch import nn

from segcore.cam.gradient import grad_cam
from segcore.cam.occlusion import occlusion
from segcore.cam.scores import class_probability, class_score, region_score
from segcore.errors import ConfigError, ShapeError


def test_logit_and_probability():
    logits = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    assert class_score(1)(logits).tolist() == [3.0, 0.0]
    assert class_probability(0)(logits).tolist() == pytest.approx([1 / (1 + torch.e**2), 0.5])


def test_a_region_is_a_mean():
    output = torch.arange(24.0).view(1, 2, 3, 4).repeat(2, 1, 1, 1)
    region = torch.zeros(3, 4, dtype=torch.bool)
    region[1, 1:3] = True
    assert region_score(1, region)(output).tolist() == [17.5, 17.5]
    each = torch.stack([region, ~region])
    assert region_score(0, each)(output)[1] == output[0, 0][~region].mean()


def test_regions_that_cannot_be_scored():
    with pytest.raises(ConfigError, match="at least one pixel of each image"):
        region_score(0, torch.stack([torch.ones(2, 2), torch.zeros(2, 2)]))
    with pytest.raises(ConfigError, match="no negative weight"):
        region_score(0, torch.tensor([[2.0, -1.0]]))
    for region in (torch.ones(3, 5), torch.ones(3, 3, 4)):
        with pytest.raises(ShapeError, match="rows and columns of the answer"):
            region_score(0, region)(torch.zeros(2, 1, 3, 4))
    with pytest.raises(ShapeError, match="rows and columns of the answer"):
        region_score(0, torch.ones(3, 4))(torch.zeros(2, 4))


def test_a_segmenter_is_explained_where_it_looks():
    """Channel 1 repeats its 3 x 3 surroundings: hiding pixels outside the region and its rim changes nothing."""
    model = nn.Conv2d(1, 2, 3, padding=1, bias=False)
    nn.init.ones_(model.weight)
    segmenter = nn.Sequential(nn.Conv2d(1, 1, 1), model)
    nn.init.ones_(segmenter[0].weight)
    nn.init.zeros_(segmenter[0].bias)
    images, region = torch.ones(2, 1, 12, 12), torch.zeros(12, 12)
    region[4:6, 5:8] = 1
    drop = occlusion(segmenter, images, region_score(1, region), window=1, stride=1)
    assert (drop[:, 3:7, 4:9] > 0).all()
    assert drop[:, 3:7, 4:9].sum().item() == pytest.approx(drop.sum().item())
    assert grad_cam(segmenter, images, "0", region_score(1, region)).min() > 0
