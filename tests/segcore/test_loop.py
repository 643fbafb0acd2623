"""The training loop on a problem of two numbers."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from segcore.errors import ConfigError, RunError
from segcore.train import loop as module
from segcore.train.loop import History, TrainConfig, fit


def net(seed=0, dropout=0.0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 2))


def points(seed, count=32):
    """Points (count, 2) and whether they lie above a line (count,)."""
    xy = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)
    return torch.from_numpy(xy), torch.from_numpy((xy[:, 0] + xy[:, 1] > 0).astype(np.int64))


def batches(member, epoch):
    return [points([member, epoch, i]) for i in range(4)]


def step(network, batch):
    return nn.functional.cross_entropy(network(batch[0]), batch[1])


def accuracy(network, _member):
    xy, labels = points(999, 200)
    return float((network(xy).argmax(dim=1) == labels).float().mean())


def config(**changes):
    return TrainConfig(**{"epochs": 8, "learning_rate": 0.03, "device": "cpu", **changes})


class Heard:
    def __init__(self):
        self.lines, self.steps = [], []

    def say(self, line):
        self.lines.append(line)

    def step(self, task, done, total):
        self.steps.append((task, done, total))


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_separable_problem_is_learnt():
    network = net()
    (history,) = fit([network], batches, step, accuracy, config(epochs=12))
    assert accuracy(network, 0) == max(history.scores) > 0.95
    assert history.losses[-1] < history.losses[0] / 2
    assert len(history.losses) == len(history.scores) <= 12
    assert not network.training
    assert history.seconds > 0


def test_the_weights_of_the_best_epoch_come_back():
    seen = []

    def score(network, _member):
        assert not network.training
        assert not torch.is_grad_enabled()
        seen.append(weights(network))
        return -abs(len(seen) - 3.0)  # the third epoch is the best

    network = net()
    (history,) = fit([network], batches, step, score, config(patience=3))
    assert history.best == 2
    assert len(seen) == 6  # three more without a better one
    kept = weights(network)
    assert list(kept) == list(seen[2])
    assert same(kept, seen[2])
    assert not same(kept, seen[5])
    assert not torch.equal(kept["1.running_mean"], seen[5]["1.running_mean"])  # buffers too


def test_of_equal_epochs_the_first_is_best():
    (history,) = fit([net()], batches, step, lambda *_: 0.5, config(patience=2))
    assert (history.best, len(history.scores)) == (0, 3)


def test_each_network_learns_from_its_own_batches():
    asked = []

    def own(member, epoch):
        asked.append((member, epoch))
        return batches(member, epoch)

    networks, heard = [net(), net(), net()], Heard()
    histories = fit(networks, own, step, accuracy, config(epochs=2), heard)
    assert asked == [(m, e) for m in range(3) for e in range(2)]
    assert len(histories) == 3
    assert len({round(history.losses[-1], 9) for history in histories}) == 3
    assert heard.lines[0].startswith("by the first of 2 epochs: about ")
    assert heard.lines[0].endswith("s at most for 3 networks")
    assert len(heard.lines) == 1
    assert heard.steps == [(f"network {m} of 3", e, 2) for m in (1, 2, 3) for e in (1, 2)]


def test_the_same_seed_gives_the_same_weights_and_torch_is_left_alone():
    first, second, other = net(dropout=0.5), net(dropout=0.5), net(dropout=0.5)
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    fit([first], batches, step, accuracy, config(epochs=2, seed=1))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(5)  # whatever happens elsewhere
    fit([second], batches, step, accuracy, config(epochs=2, seed=1))
    fit([other], batches, step, accuracy, config(epochs=2, seed=2))
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))


def test_the_second_of_two_equals_one_trained_with_the_next_seed():
    pair, single = [net(dropout=0.5), net(dropout=0.5)], net(dropout=0.5)
    fit(pair, lambda _member, epoch: batches(0, epoch), step, accuracy, config(epochs=2, seed=4))
    fit([single], batches, step, accuracy, config(epochs=2, seed=5))
    assert same(weights(pair[1]), weights(single))


def test_torch_is_left_alone_when_training_fails():
    before = torch.random.get_rng_state()
    with pytest.raises(RunError):
        fit([net(dropout=0.5)], batches, lambda network, batch: step(network, batch) * math.nan, accuracy, config())
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_it_spoils_the_weights(value):
    network = net()
    start = weights(network)["0.weight"]
    with pytest.raises(RunError, match="the loss must stay finite"):
        fit([network], batches, lambda own, batch: step(own, batch) * value, accuracy, config())
    assert torch.equal(weights(network)["0.weight"], start)


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(RunError, match="score must be a number"):
        fit([net()], batches, step, lambda *_: math.nan, config())


def test_an_epoch_without_batches_is_refused():
    with pytest.raises(RunError, match="at least one batch"):
        fit([net()], lambda *_: [], step, accuracy, config())


def test_the_learning_rate_falls_along_a_cosine(monkeypatch):
    rates = []
    run = torch.optim.Adam.step

    def spy(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return run(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    fit([net()], lambda *_: [points(0)], step, accuracy, config(epochs=4, learning_rate=0.1, patience=9))
    assert rates == pytest.approx([0.1, 0.1 * (2 + math.sqrt(2)) / 4, 0.05, 0.1 * (2 - math.sqrt(2)) / 4])


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_the_device_is_the_one_that_the_project_chooses(monkeypatch, device):
    """Fabric's own auto also knows of devices that nothing else here knows."""
    asked = []
    monkeypatch.setattr(module, "choose_device", lambda name: asked.append(name) or "cpu")
    fabric = module.open_fabric(config(device=device))
    assert asked[-1] == device
    assert fabric.device == torch.device("cpu")


def test_any_whole_number_is_a_seed_and_generators_go_on_as_if_nothing_had_been():
    before = torch.get_rng_state()
    drawn = []
    for seed in (3, 3, -1, 2**80 + 5):
        with module.seeded(seed):
            drawn.append(torch.rand(4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], torch.rand(4, generator=torch.Generator().manual_seed(3)))
    assert len({tuple(own.tolist()) for own in drawn}) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_generators_of_gpus_go_on_too():
    before = torch.cuda.get_rng_state()
    with module.seeded(3):
        torch.rand(2, device="cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_a_card_that_cannot_be_used_is_left_alone(monkeypatch):
    """A driver that is too old lists cards which CUDA does not take."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: pytest.fail("CUDA is asked"))
    before = torch.get_rng_state()
    with module.seeded(3):
        torch.rand(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_learns_too():
    network = net()
    fit([network], batches, step, accuracy, config(precision="bf16", epochs=12))
    assert accuracy(network, 0) > 0.9
    assert network[0].weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs is a whole number from 1, got 0"),
        ({"patience": 0}, "patience is a whole number from 1, got 0"),
        ({"learning_rate": 0.0}, "positive and finite"),
        ({"learning_rate": math.nan}, "positive and finite"),
        ({"learning_rate": math.inf}, "positive and finite"),
        ({"precision": "16"}, "32 or bf16"),
        ({"device": "tpu"}, "auto, cpu or cuda"),
    ],
)
def test_settings_are_checked_at_birth(changes, message):
    with pytest.raises(ConfigError, match=message):
        config(**changes)


def test_cuda_must_be_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="needs a GPU"):
        config(device="cuda")


def test_the_best_epoch_by_hand():
    assert History(scores=[0.1, 0.7, 0.3, 0.7]).best == 1
