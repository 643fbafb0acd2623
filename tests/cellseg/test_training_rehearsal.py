import pytest
import torch

from cellseg.training.rehearsal import rehearse
from cellseg.training.settings import SegmenterTraining
from segcore.errors import ConfigError
from segcore.nets.build import NETS


@pytest.mark.parametrize("name", NETS)
def test_it_counts_the_weights_and_leaves_no_trace(name):
    state = torch.get_rng_state()
    training = SegmenterTraining(target="cell", net=NETS[name](depth=2, width=2), batch=4)
    found = rehearse(training, channels=3, patch=17, per_epoch=10, device="cpu")
    assert found.weights > 50
    assert found.seconds > 0
    assert torch.equal(torch.get_rng_state(), state)


def test_patches_that_a_network_cannot_learn_from_are_refused_before_the_work():
    """One patch of 8 px is one pixel after three poolings: batch normalisation has nothing to measure."""
    training = SegmenterTraining(target="cell", net=NETS["unet"](depth=3, width=2), batch=4)
    rehearse(training, channels=1, patch=8, per_epoch=8, device="cpu")
    with pytest.raises(ConfigError, match=r"learn from 1 patches of 8 px at once; unet on cpu: .*Change --patch or --depth\."):
        rehearse(training, channels=1, patch=8, per_epoch=9, device="cpu")
