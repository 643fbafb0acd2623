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


@cache
def _lively(arch: str) -> nn.Module:
    from segcore.nets.classifier import build_classifier

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = build_classifier(arch, bands=1)
        return enliven(model, model.get_classifier(), textures(12, seed=9))


@pytest.fixture(scope="session")
def lively() -> Callable[[str], nn.Module]:
    """A timm classifier for one band by name, alive, in evaluation mode; shared, so leave it as it is."""
    return _lively


@pytest.fixture
def images() -> Tensor:
    return textures(3)
