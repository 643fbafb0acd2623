"""A classifier over many windows."""

import numpy as np
import pytest
import torch
from torch import nn

from segcore.data.bands import as_input
from segcore.predict import predict_windows


class Counting(nn.Module):
    """Logits (0, mean of the image); keeps the sizes of its batches."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.sizes = []

    def forward(self, images):
        self.sizes.append(len(images))
        mean = images.mean(dim=(1, 2, 3)) * self.weight
        return torch.stack([torch.zeros_like(mean), mean], dim=1)


@pytest.mark.parametrize("count", [1, 64, 130])
def test_each_window_gets_its_own_probability(count):
    windows = np.random.default_rng(0).integers(0, 256, (count, 2, 5, 4)).astype(np.uint8)
    network = Counting().eval()
    found = predict_windows(network, windows)
    expected = torch.sigmoid(as_input(windows).mean(dim=(1, 2, 3)))
    assert found.shape == (count,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)
    assert max(network.sizes) <= 64  # memory does not grow with the number of windows
    assert sum(network.sizes) == count


def test_equals_the_network_itself(lively):
    network = lively("resnet18")
    windows = np.random.default_rng(1).integers(0, 256, (3, 1, 64, 64)).astype(np.uint8)
    with torch.no_grad():
        expected = network(as_input(windows)).softmax(dim=1)[:, 1].numpy()
    np.testing.assert_allclose(predict_windows(network, windows), expected, atol=1e-6)
    assert not network.training
    assert all(weight.grad is None for weight in network.parameters())
