"""Training on patches: what a network is fed, and what happens when it finds nothing."""

import numpy as np
import pytest
import torch
from torch import nn

from cellseg.training import learn as module
from cellseg.training.augment import Augmentation
from cellseg.training.learn import Material, _Feed, first_network, learn
from cellseg.training.segmenter import prepare
from cellseg.training.settings import SegmenterTraining
from segcore.metrics.pixels import Counts
from segcore.nets.build import NETS, build_net
from segcore.nets.unet import UNetConfig
from segcore.progress import Silent
from segcore.train.loop import TrainConfig

TINY = UNetConfig(width=4, depth=2)
LOOP = TrainConfig(epochs=2, learning_rate=1e-2, device="cpu")


def settings(**changed):
    return SegmenterTraining(**{"target": "cell", "net": TINY, "patch": 32, "batch": 4} | changed)


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


class Background(nn.Module):
    """Calls everything background, whatever it learns."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        logits = torch.stack([images[:, 0] * 0 + 5, images[:, 0] * 0 - 5], dim=1)
        return logits + 0 * self.weight


class Everything(Background):
    """Calls everything the target."""

    def forward(self, images):
        return -super().forward(images)


@pytest.fixture
def material(blobs):
    return prepare(blobs(4), settings()).material


@pytest.fixture
def feed(material):
    return lambda **changed: _Feed(material=material, training=settings(**changed), attempt=0, workers=0)


def test_an_epoch_has_each_patch_once_in_batches(feed, material):
    sizes = [len(images) for images, _, _ in feed(batch=8).batches(0, 0)]
    assert sum(sizes) == len(material.train)
    assert sizes[:-1] == [8] * (len(sizes) - 1)
    assert [len(images) for images, _, _ in feed(per_epoch=10).batches(0, 0)] == [4, 4, 2]


def test_batches_are_standardised_images_and_labels(feed):
    for images, labels, loss in feed().batches(0, 0):
        assert (images.dtype, labels.dtype, loss) == (torch.float32, torch.int64, "soft-dice")
        assert images.shape[1:] == (1, 32, 32)
        assert labels.shape[1:] == (32, 32)
    every = torch.cat([images for images, _, _ in feed(augment=Augmentation(elastic=0)).batches(0, 0)])
    assert abs(float(every.mean())) < 0.3
    assert 0.7 < float(every.std()) < 1.3


def test_the_loss_of_an_epoch_comes_with_its_batches(feed):
    assert [next(feed(start=1).batches(0, epoch))[2] for epoch in (0, 1)] == ["cross-entropy", "soft-dice"]


def test_batches_follow_from_seed_epoch_and_attempt_alone(feed, material):
    def first(epoch=0, attempt=0, workers=0, **changed):
        own = _Feed(material=material, training=settings(**changed), attempt=attempt, workers=workers)
        return torch.cat([images for images, _, _ in own.batches(0, epoch)])

    plain = first()
    for same in (first(), first(workers=3)):
        assert torch.equal(plain, same)
    for other in (first(epoch=1), first(attempt=1), first(seed=1)):
        assert not torch.equal(plain, other)


def test_a_patch_that_comes_twice_in_an_epoch_is_changed_twice(material):
    one = Material(images=material.images, normalise=material.normalise, train=material.train[:1], validation=(), bytes=material.bytes)
    own = _Feed(material=one, training=settings(per_epoch=6, batch=6), attempt=0, workers=0)
    ((images, _, _),) = own.batches(0, 0)
    assert len({image.numpy().tobytes() for image in images}) > 3


def test_validation_is_not_augmented(feed, material):
    class Memory(Background):
        seen = ()

        def forward(self, images):
            self.seen = (*self.seen, images)
            return super().forward(images)

    seen = []
    for _ in range(2):
        network = Memory()
        feed().judge(network)
        seen.append(torch.cat(network.seen))
    plain = [material.normalise.apply(material.images.read(own.plane, own.window)[0]) for own in material.validation]
    for found in seen:
        np.testing.assert_array_equal(found.numpy(), np.stack(plain))


def test_pixels_are_counted_against_the_labels_without_unknown_ones(blobs):
    material = prepare(blobs(4, ignore=16), settings(stride=32)).material
    feed = _Feed(material=material, training=settings(), attempt=0, workers=0)
    counts = feed.judge(Everything())
    cells = sum(int((material.images.read(own.plane, own.window)[1] == 1).sum()) for own in material.validation)
    known = sum(int((material.images.read(own.plane, own.window)[1] >= 0).sum()) for own in material.validation)
    assert (counts.tp, counts.fp, counts.fn) == (cells, known - cells, 0)
    assert known < sum(own.window.height * own.window.width for own in material.validation)


@pytest.mark.parametrize(("patch", "ignore"), [(24, 0), (40, 10), (64, 0)])
def test_each_known_pixel_is_counted_once_whatever_the_patch(blobs, patch, ignore):
    material = prepare(blobs(4, ignore=ignore), settings(patch=patch, stride=10)).material
    counts = _Feed(material=material, training=settings(), attempt=0, workers=0).judge(Everything())
    (name,) = {own.plane.name for own in material.validation}
    instances = material.images.data[name].instances
    assert (counts.tp, counts.fp, counts.fn) == (int((instances > 0).sum()), int((instances == 0).sum()), 0)


@pytest.mark.parametrize("loss", ["soft-dice", "cross-entropy", "focal"])
def test_what_is_said_of_unknown_pixels_changes_no_loss(blobs, loss):
    feed = _Feed(material=prepare(blobs(4, ignore=20), settings()).material, training=settings(), attempt=0, workers=0)
    images, labels, _ = next(batch for batch in feed.batches(0, 0) if (batch[1] < 0).any())
    network = first_network(settings(), 1, 0)
    noise = 9 * torch.rand(len(images), 2, 32, 32, generator=torch.Generator().manual_seed(0))
    plain, below, everywhere = (
        module.step(lambda x, at=at: network(x) + noise * at[:, None], (images, labels, loss))
        for at in (labels < -1, labels < 0, labels > -2)
    )
    assert torch.allclose(plain, below)
    assert not torch.allclose(plain, everywhere)


@pytest.mark.parametrize("name", NETS)
def test_first_weights_follow_from_seed_and_attempt(name):
    def weights(seed, attempt):
        net = NETS[name](depth=2, width=2)
        return torch.cat([own.flatten() for own in first_network(settings(net=net, seed=seed), 1, attempt).parameters()])

    state = torch.get_rng_state()
    assert torch.equal(weights(0, 0), weights(0, 0))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(weights(0, 0), weights(0, 1))
    assert not torch.equal(weights(0, 0), weights(1, 0))


@pytest.mark.parametrize("seed", [2**62, 2**70])
def test_any_seed_will_do(seed):
    one, two = (first_network(settings(seed=seed), 1, attempt).down[0][0].weight for attempt in (0, 1))
    assert not torch.equal(one, two)


def test_a_small_seed_begins_where_it_always_did():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3002)
        wanted = build_net(TINY, channels=1, classes=2).down[0][0].weight
    assert torch.equal(first_network(settings(seed=3), 1, 2).down[0][0].weight, wanted)


def test_the_counts_are_those_that_chose_the_epoch(material, monkeypatch):
    """In the precision of the run, too: the network is not asked again."""
    told = [Counts(tp=tp, fp=1, fn=1) for tp in (5, 9, 2)]
    monkeypatch.setattr(_Feed, "judge", lambda self, _: told[len(self.judged)])
    found = learn(material, settings(), TrainConfig(epochs=3, device="cpu"), Silent())
    assert (found.history.best, found.counts) == (1, told[1])


def test_a_network_that_finds_nothing_begins_anew_and_is_counted(material, monkeypatch):
    plain = module.first_network
    starts = []

    def network(training, channels, attempt):
        starts.append(attempt)
        return Background() if attempt < 2 else plain(training, channels, attempt)

    monkeypatch.setattr(module, "first_network", network)
    heard = Heard()
    found = learn(material, settings(), LOOP, heard)
    assert starts == [0, 1, 2]
    assert (found.collapses, found.collapsed) == (2, False)
    said = [line for line in heard.lines if "everything background" in line]
    assert said == [f"the network calls everything background: start {n} failed, {4 - n} more to try" for n in (1, 2)]


def test_the_last_start_may_fail_too(material, monkeypatch):
    monkeypatch.setattr(module, "first_network", lambda *_: Background())
    found = learn(material, settings(restarts=1), LOOP, Silent())
    assert (found.collapses, found.collapsed) == (1, True)
