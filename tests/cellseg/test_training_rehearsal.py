import pytest
import torch
from torch import nn

from cellseg.training import rehearsal
from cellseg.training.rehearsal import rehearse
from cellseg.training.settings import SegmenterTraining
from segcore.errors import ConfigError
from segcore.nets.build import NETS
from segcore.train.loop import TrainConfig

LOOP = TrainConfig(device="cpu")


@pytest.mark.parametrize("name", NETS)
def test_it_counts_the_weights_and_leaves_no_trace(name):
    state = torch.get_rng_state()
    training = SegmenterTraining(target="cell", net=NETS[name](depth=2, width=2), batch=4)
    found = rehearse(training, channels=3, patch=17, per_epoch=10, loop=LOOP)
    assert found.weights > 50
    assert found.seconds > 0
    assert torch.equal(torch.get_rng_state(), state)


def test_patches_that_a_network_cannot_learn_from_are_refused_before_the_work():
    """One patch of 8 px is one pixel after three poolings: batch normalisation has nothing to measure."""
    training = SegmenterTraining(target="cell", net=NETS["unet"](depth=3, width=2), batch=4)
    rehearse(training, channels=1, patch=8, per_epoch=8, loop=LOOP)
    with pytest.raises(ConfigError, match=r"learn from 1 patches of 8 px at once; unet on cpu: .*Change --patch or --depth\."):
        rehearse(training, channels=1, patch=8, per_epoch=9, loop=LOOP)


@pytest.mark.parametrize(("precision", "wanted"), [("32", torch.float32), ("bf16", torch.bfloat16)])
def test_it_computes_in_the_precision_of_the_run(monkeypatch, precision, wanted):
    seen = set()

    class Spy(nn.Conv2d):
        def forward(self, images):
            found = super().forward(images)
            seen.add(found.dtype)
            return found

    monkeypatch.setattr(rehearsal, "first_network", lambda *_: Spy(1, 2, 1))
    training, loop = SegmenterTraining(target="cell", batch=2), TrainConfig(device="cpu", precision=precision)
    rehearse(training, channels=1, patch=8, per_epoch=2, loop=loop)
    assert seen == {wanted}
