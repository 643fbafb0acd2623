"""What a network sees."""

import numpy as np
import torch

from segcore.data.bands import as_input
from segcore.data.stretch import GREY


def test_the_scale_by_hand():
    seen = as_input(np.array([0, 51, 255], dtype=np.uint8).reshape(1, 1, 1, 3))
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen.flatten(), torch.tensor([-2.0, -1.2, 2.0]))


def test_missing_ground_is_near_zero():
    assert abs(as_input(np.full((1, 1, 1, 1), GREY, dtype=np.uint8)).item()) < 0.01


def test_turned_and_read_only_pixels_are_taken_as_they_are():
    pixels = np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4)
    pixels.flags.writeable = False
    turned = np.rot90(pixels, 1, axes=(2, 3))
    assert torch.equal(as_input(turned), torch.rot90(as_input(pixels), 1, dims=(2, 3)))
    assert pixels.flat[-1] == 23
