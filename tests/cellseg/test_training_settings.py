import json

import pytest

from cellseg.training.settings import SegmenterTraining
from segcore.errors import ConfigError
from segcore.nets.build import NETS


@pytest.mark.parametrize("name", NETS)
def test_a_network_knows_its_name_and_settings_are_json(name):
    training = SegmenterTraining(target="cell", net=NETS[name](depth=3))
    assert training.name == name
    written = json.loads(json.dumps(training.as_dict()))
    assert written["net"] == {"name": name, **written["net"]}
    assert written["net"]["depth"] == 3
    assert written["augment"]["turn"] is True


def test_msd_starts_with_cross_entropy_and_others_do_not():
    losses = [SegmenterTraining(target="cell", net=NETS[name]()) for name in ("msd", "unet")]
    assert [[own.loss_at(epoch) for epoch in range(3)] for own in losses] == [
        ["cross-entropy", "cross-entropy", "soft-dice"],
        ["soft-dice"] * 3,
    ]
    assert SegmenterTraining(target="cell", start=1, loss="focal").loss_at(0) == "cross-entropy"
    assert SegmenterTraining(target="cell", net=NETS["msd"](), start=0).loss_at(0) == "soft-dice"


def test_patches_are_256_px_or_what_fits_and_overlap_by_a_quarter():
    training = SegmenterTraining(target="cell")
    assert [training.patch_for(edge) for edge in (1000, 100)] == [256, 100]
    assert SegmenterTraining(target="cell", patch=64).patch_for(32) == 64
    assert training.overlap_of(256) == 0.25
    assert SegmenterTraining(target="cell", stride=64).overlap_of(256) == 0.75
    with pytest.raises(ConfigError, match="stride is at most their edge; got 65 for 64 px"):
        SegmenterTraining(target="cell", stride=65).overlap_of(64)


def test_images_are_parted_by_the_seed_or_by_one_of_their_own():
    assert SegmenterTraining(target="cell", seed=7).parted_by == 7
    apart = SegmenterTraining(target="cell", seed=7, split_seed=0)
    assert (apart.parted_by, apart.as_dict()["split_seed"]) == (0, 0)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"patch": 0}, "patch is at least 1, got 0"),
        ({"batch": 0}, "batch is at least 1, got 0"),
        ({"per_epoch": -1}, "per_epoch is at least 1, got -1"),
        ({"restarts": -1}, "restarts, start and seed are at least 0"),
        ({"split_seed": -1}, "split_seed is at least 0, got -1"),
        ({"validation": 1.0}, "0 < validation < 1, got 1"),
        ({"balance": 1.5}, "0 <= balance <= 1, got 1.5"),
        ({"loss": "dice"}, "a loss is one of soft-dice, cross-entropy, focal, got 'dice'"),
    ],
)
def test_numbers_outside_their_range_are_refused(wrong, text):
    with pytest.raises(ConfigError, match=text):
        SegmenterTraining(target="cell", **wrong)
