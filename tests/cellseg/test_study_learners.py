"""Networks and classical methods of a study, by the names of their rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cellseg.dataset import open_dataset
from cellseg.perturb import Omission, perturb_dataset
from cellseg.study.learners import Lesson, learn, settings_of
from cellseg.study.plan import Learning
from cellseg.training.collapse import CollapseError
from segcore.errors import RunError

LEARNING = Learning(epochs=1, patch=32, width=2, depth=3, batch=4, per_epoch=4, validation=0.5, device="cpu")


@pytest.fixture
def lesson(two_classes, tmp_path):
    images = two_classes.split("train")
    return Lesson(net="unet", data=images, labels=images, target="epithelial", learning=LEARNING, seed=5, split_seed=8, folder=tmp_path)


def test_settings_reach_the_training(lesson):
    training, loop = settings_of(lesson)
    assert (training.target, training.name, training.patch, training.batch, training.per_epoch) == ("epithelial", "unet", 32, 4, 4)
    assert (training.net.width, training.validation, training.seed, training.split_seed) == (2, 0.5, 5, 8)
    assert (loop.epochs, loop.patience, loop.device, loop.seed) == (1, 1, "cpu", 5)
    assert settings_of(replace(lesson, net="msd"))[0].net.depth == 3


@pytest.mark.parametrize("net", ["unet", "segnet", "msd"])
def test_a_network_learns_and_judges_images_of_its_channels(lesson, net):
    alone = replace(lesson.data, splits={})
    before = torch.random.get_rng_state()
    learnt = learn(replace(lesson, net=net, data=alone, labels=alone))
    found = learnt.predict(lesson.data[0].pixels)
    assert (found.shape, found.dtype) == ((64, 80), np.bool_)
    assert torch.equal(before, torch.random.get_rng_state())
    assert learnt.epoch in (0, 1)


def test_a_network_that_finds_nothing_is_a_row_too(lesson, monkeypatch):
    def collapsed(*args, **words):
        raise CollapseError("the network calls everything background")

    monkeypatch.setattr("cellseg.training.segmenter.train_segmenter", collapsed)
    learnt = learn(lesson)
    assert not learnt.predict(lesson.data[0].pixels).any()
    assert (learnt.restarts, learnt.epoch, learnt.parameters) == (settings_of(lesson)[0].restarts, 0, 0)


def test_another_failure_is_no_collapse(lesson, monkeypatch):
    def diverged(*args, **words):
        raise RunError("the loss must stay finite")

    monkeypatch.setattr("cellseg.training.segmenter.train_segmenter", diverged)
    with pytest.raises(RunError, match="must stay finite"):
        learn(lesson)


def test_what_is_learnt_from_are_the_labels_of_the_lesson(lesson, tmp_path, monkeypatch):
    seen = {}

    def train(data, out, training, loop, *, labels):
        seen.update(data=data, labels=labels, out=out)
        raise CollapseError("enough")

    worse = open_dataset(perturb_dataset(lesson.data, Omission(0.5, target="epithelial"), tmp_path / "worse"))
    monkeypatch.setattr("cellseg.training.segmenter.train_segmenter", train)
    learn(replace(lesson, labels=worse))
    assert (seen["data"], seen["labels"], seen["out"]) == (lesson.data, worse, tmp_path / "model")


def test_a_baseline_learns_from_the_labels_of_the_lesson(lesson, tmp_path):
    none_of_it = [image.with_labels(image.instances, dict.fromkeys(image.classes, "lymphocyte")) for image in lesson.data]
    assert learn(replace(lesson, net="otsu")).predict(lesson.data[0].pixels).any()
    with pytest.raises(ValueError, match="no cell of class 'epithelial'"):
        learn(replace(lesson, net="otsu", labels=none_of_it))
