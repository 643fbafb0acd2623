"""Blocks of convolutions: when their normalisation is folded, and what a part of one is."""

import pytest
import torch
from torch import nn

from segcore.nets.blocks import ConvBlock


def block(norm=True):
    """Two layers whose normalisation has seen images and is not the identity."""
    torch.manual_seed(0)
    own = ConvBlock(2, 3, 4, norm=norm)
    own(torch.randn(4, 2, 9, 9))
    return own.eval()


def plain(own, images):
    """All layers one after the other."""
    for layer in list(own):
        images = layer(images)
    return images


@pytest.mark.parametrize("at", [1, 4])
@torch.no_grad()
def test_a_normalisation_that_still_learns_is_not_folded(at):
    """In a block that answers, one layer of which was left in training."""
    own, images = block(), torch.randn(2, 2, 8, 8)
    trained = own(images)
    own[at].train()
    before = own[at].running_mean.clone()
    found = own(images)
    assert not torch.equal(own[at].running_mean, before)
    torch.testing.assert_close(found, plain(own, images))
    assert not torch.allclose(found, trained, atol=1e-3)


@torch.no_grad()
def test_frozen_normalisations_of_a_block_in_training_answer_as_they_are():
    own, images = block().train(), torch.randn(2, 2, 8, 8)
    own[1].eval(), own[4].eval()
    torch.testing.assert_close(own(images), plain(own, images))


@pytest.mark.parametrize("norm", [True, False])
@torch.no_grad()
def test_a_part_of_a_block_is_its_layers_in_a_row(norm):
    own, images = block(norm), torch.randn(2, 2, 8, 8)
    part = own[: 3 if norm else 2]
    assert type(part) is nn.Sequential
    assert list(part) == list(own)[: len(part)]
    torch.testing.assert_close(own[len(part) :](part(images)), own(images))
    assert list(own[2:].state_dict()) == [name for name in own.state_dict() if int(name[0]) >= 2]
    assert isinstance(own[0], nn.Conv2d)
    assert isinstance(own[-1], nn.ReLU)
