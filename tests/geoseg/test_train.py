import json

import numpy as np
import pytest
import torch

from geoseg import train as module
from geoseg.chipset import ChipSet, open_chips
from geoseg.folds import make_folds
from geoseg.model import load_model
from geoseg.train import SiteTraining, learning_pools, train_sites
from segcore.errors import ConfigError, InputError, OutputError
from segcore.files import sha256
from segcore.progress import Silent
from segcore.train.loop import TrainConfig

QUICK = TrainConfig(epochs=1, device="cpu")


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture(scope="module")
def facts(tell_model):
    return json.loads((tell_model / "bundle.json").read_text())


def folds_of(chips, split="spatial", seed=0):
    return make_folds(chips.places, chips.labels, split=split, window=chips.window, seed=seed)


def test_the_bundle_says_how_it_was_made(tells, tell_chips, facts):
    own = facts["facts"]
    assert (own["arch"], own["bands"], own["window"], own["pixel_size"]) == ("test_resnet", 1, 32, 2.0)
    assert own["tuned_on"] == sha256(tells.experts)
    fresh = int((folds_of(open_chips(tell_chips))[:48:3] == 0).sum())
    assert 0 < fresh < 16
    assert own["tuning"]["sites"] == {"fit": 8, "held": 8, "fresh": fresh}
    assert own["split"] == {"kind": "spatial", "folds": 5, "seed": 0}
    (judged,) = own["metrics"]["validation"]
    assert judged["auc"] > 0.9
    assert judged["epochs"] == 2
    assert facts["provenance"]["inputs"]["chips"] == sha256(tell_chips / "chips.json")


def test_every_site_is_listed_with_its_fold(tell_chips, facts):
    chips = open_chips(tell_chips)
    folds = folds_of(chips)
    listed = facts["facts"]["sites"]
    assert [site["id"] for site in listed] == chips.ids[:48]
    assert [site["fold"] for site in listed] == folds[:48].tolist()
    (judged,) = facts["facts"]["metrics"]["validation"]
    assert judged["sites"] == int((folds[:48] == 0).sum())
    assert judged["negatives"] == int((folds[48:] == 0).sum())


@pytest.mark.parametrize("split", ["spatial", "random"])
def test_no_member_learns_from_its_own_fold(tell_chips, tmp_path, monkeypatch, split):
    drawn, draw = {0: set(), 1: set()}, ChipSet.draw

    def spy_draw(self, index, rng, augment):
        drawn[rng.bit_generator.seed_seq.entropy[1]].add(index)
        return draw(self, index, rng, augment)

    monkeypatch.setattr(ChipSet, "draw", spy_draw)
    heard = Heard()
    training = SiteTraining(arch="test_resnet", members=2, budget="small", split=split)
    metrics = train_sites(tell_chips, tmp_path / "M", training, QUICK, progress=heard)
    chips = open_chips(tell_chips)
    folds = folds_of(chips, split)
    for member in (0, 1):
        assert drawn[member]
        held = np.flatnonzero(folds == member)
        assert not drawn[member] & set(held.tolist())
        if split == "spatial":
            near = np.abs(chips.places[sorted(drawn[member])][:, None] - chips.places[held]).max(axis=2)
            assert near.min() >= 32 + 2 * 8 + 2
    assert len(metrics["validation"]) == 2
    assert any("figures flatter" in line for line in heard.lines) == (split == "random")
    model = load_model(tmp_path / "M")
    assert model.facts["tuned_on"] == "defaults"
    assert len(model.networks) == 2
    weights = [next(network.parameters()) for network in model.networks]
    assert not torch.equal(*weights)


def test_pools_keep_away_from_what_is_judged(tell_chips):
    chips = open_chips(tell_chips)
    folds = folds_of(chips)
    pools = learning_pools(chips, folds, SiteTraining(members=7))
    assert len(pools) == 7
    assert (pools[5] == pools[0]).all()
    for member, pool in enumerate(pools):
        assert set(chips.labels[pool].tolist()) == {0, 1}
        assert not (folds[pool] == member % 5).any()
    loose = learning_pools(chips, folds, SiteTraining(members=1, split="random"))
    assert len(loose[0]) == (folds != 0).sum() > len(pools[0])


def test_a_pool_without_a_class_is_refused(tell_chips):
    chips = open_chips(tell_chips)
    with pytest.raises(InputError, match="network 1 has none"):
        learning_pools(chips, np.where(chips.labels == 1, 0, 1), SiteTraining(members=1))


def test_the_same_seed_gives_the_same_weights(tell_chips, tmp_path):
    training = SiteTraining(arch="test_resnet", members=1, budget="small")
    before = torch.random.get_rng_state()
    for name in ("a", "b"):
        train_sites(tell_chips, tmp_path / name, training, QUICK)
    assert torch.equal(before, torch.random.get_rng_state())
    assert (tmp_path / "a" / "member-0.safetensors").read_bytes() == (tmp_path / "b" / "member-0.safetensors").read_bytes()


def test_an_existing_model_is_refused_before_any_work(tell_chips, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "open_chips", lambda path: pytest.fail("work was done"))
    (tmp_path / "M").mkdir()
    with pytest.raises(OutputError, match="exists"):
        train_sites(tell_chips, tmp_path / "M", SiteTraining(), QUICK)


def test_budgets():
    assert SiteTraining(budget="small").batches(10_000) == (16, 20)
    assert SiteTraining().batches(600) == (32, 38)
    assert SiteTraining().batches(40) == (32, 20)
    with pytest.raises(ConfigError, match="at least one member"):
        SiteTraining(members=0)
