"""Networks worth explaining: untrained ones answer 1e-3 everywhere, and maps of that size prove nothing."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor, nn


def textures(count: int, bands: int = 1, size: int = 64, seed: int = 0) -> Tensor:
    """Smooth random images, (count, bands, size, size), of standard deviation near 1."""
    noise = torch.randn(count, bands, size, size, generator=torch.Generator().manual_seed(seed))
    return 4 * nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)


def enliven(model: nn.Module, head: nn.Linear, images: Tensor) -> nn.Module:
    """Running statistics from images, then a head whose logits have mean 0 and standard deviation 3 on them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # plain average
    with torch.no_grad():
        model.train()(images)
        logits = model.eval()(images)
        head.weight *= 3 / logits.std(dim=0)[:, None]
        head.bias.copy_(-(3 / logits.std(dim=0)) * (logits - head.bias).mean(dim=0))
    return model


SLIM = {"vgg16": {"mlp_ratio": 0.02}}
"""The two wide layers of the head alone are 120 million weights."""

SEEN = {"efficientnet_b0": (24, 1, 128)}
"""Its untrained gates make statistics of fewer pixels too narrow: other images then answer 100."""


def assert_equal(ours: Tensor, oracle: Tensor, tolerance: float = 1e-5) -> None:
    """Same shape, and nowhere further apart than a share of the oracle's largest value, which is not 0."""
    assert ours.shape == oracle.shape
    assert oracle.abs().max() > 0
    assert (ours - oracle).abs().max() <= tolerance * oracle.abs().max()


@cache
def _lively(arch: str) -> nn.Module:
    from segcore._compat import import_timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = import_timm().create_model(arch, in_chans=1, num_classes=2, **SLIM.get(arch, {}))
        return enliven(model, model.get_classifier(), textures(*SEEN.get(arch, (12, 1, 64)), seed=9))


@pytest.fixture(scope="session")
def lively() -> Callable[[str], nn.Module]:
    """A timm classifier for one band by name, alive, in evaluation mode; shared, so leave it as it is."""
    return _lively


@pytest.fixture
def images() -> Tensor:
    return textures(3)


@pytest.fixture(scope="session")
def close() -> Callable[..., None]:
    """assert_equal: ours, oracle, tolerance = 1e-5 of the oracle's largest value."""
    return assert_equal


class Small(nn.Module):
    """Two bands, 8 channels, two batch norms after convolutions of which the first has a bias, in-place or functional ReLUs."""

    def __init__(self, *, in_place: bool = True) -> None:
        super().__init__()
        self.in_place = in_place
        self.conv1, self.norm1 = nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        maps = nn.functional.relu(self.norm1(self.conv1(images)), inplace=self.in_place)
        maps = nn.functional.relu(self.norm2(self.conv2(nn.functional.max_pool2d(maps, 2))), inplace=self.in_place)
        return self.head(maps.mean(dim=(2, 3)))


@pytest.fixture(params=[True, False], ids=["in place", "functional"])
def small(request: pytest.FixtureRequest) -> nn.Module:
    """A small network for two bands, alive, in evaluation mode; a fresh one for each test."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = Small(in_place=request.param)
        return enliven(model, model.head, textures(12, bands=2, size=24, seed=8))


@pytest.fixture
def scenes() -> Tensor:
    """Three images of two bands, 20 x 28 px."""
    return textures(3, bands=2, size=28, seed=7)[:, :, :20]
