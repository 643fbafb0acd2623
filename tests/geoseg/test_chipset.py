import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg import chipset
from geoseg.chipset import FLAG_IGNORE, FLAG_SITE, FLAG_VALID, ChipSet, open_chips, training_batches, usable
from segcore.errors import InputError


@pytest.fixture(scope="module")
def crowded() -> ChipSet:
    """Two sites and three negatives whose chips hold sites, ignored ground and nodata beside a clean middle."""
    flags = np.full((5, 80, 80), FLAG_VALID, np.uint8)
    flags[2:, :18] |= FLAG_SITE
    flags[3, :, 66:] |= FLAG_IGNORE
    flags[4, 60:] = 0
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 80, 80), dtype=np.uint8)
    labels = np.array([1, 1, 0, 0, 0])
    facts = {"window": 32, "jitter": 8, "points": [{"id": f"p{i}"} for i in range(5)]}
    return ChipSet(facts=facts, chips=pixels, flags=flags, labels=labels, places=np.zeros((5, 2), np.int64))


@given(seed=st.integers(0, 10_000), index=st.integers(2, 4), augment=st.sampled_from(["rotate", "flip"]))
@settings(max_examples=150, deadline=None)
def test_no_negative_window_shows_a_site(crowded, seed, index, augment):
    cut, drawn = chipset.cut_variant, []

    def spy(array, variant, window, **options):
        drawn.append(variant)
        return cut(array, variant, window, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chipset, "cut_variant", spy)
        window = crowded.draw(index, np.random.default_rng(seed), augment)
    flags = cut(crowded.flags[index][None], drawn[-1], 32, order=0)[0]
    assert window.shape == (1, 32, 32)
    assert not (flags & FLAG_SITE).any()
    assert (flags & FLAG_IGNORE > 0).mean() <= 0.05
    assert (flags & FLAG_VALID > 0).mean() >= 0.5


def test_usable_by_hand():
    flags = np.full((10, 10), FLAG_VALID, np.uint8)
    assert usable(flags)
    flags[0, :5] |= FLAG_IGNORE
    assert usable(flags)
    flags[0, 5] |= FLAG_IGNORE
    assert not usable(flags)
    flags = np.full((10, 10), FLAG_VALID, np.uint8)
    flags[:5] = 0
    assert usable(flags)
    flags[5, 0] = 0
    assert not usable(flags)
    assert not usable(np.full((10, 10), FLAG_VALID | FLAG_SITE, np.uint8))


def test_a_site_is_shown_whatever_its_flags(crowded):
    assert len(list(crowded.crops(0))) == 5
    assert (next(crowded.crops(0)) == crowded.chips[0][:, 24:56, 24:56]).all()
    assert [len(list(crowded.crops(i))) for i in (2, 3, 4)] == [3, 3, 3]


def test_batches_follow_from_seed_member_and_epoch(tell_chips):
    chips = open_chips(tell_chips)
    members = np.array([1, 2, 5, 50, 60, 61])

    def drawn(*seed):
        found = list(training_batches(chips, members, batch=8, count=3, augment="rotate", seed=list(seed)))
        return torch.cat([windows for windows, _ in found]), torch.cat([labels for _, labels in found])

    windows, labels = drawn(0, 1, 2)
    assert windows.shape == (24, 1, 32, 32)
    assert windows.dtype == torch.float32
    assert labels.tolist() == [0, 1] * 12
    assert torch.equal(windows, drawn(0, 1, 2)[0])
    for other in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert not torch.equal(windows, drawn(*other)[0])


def test_batches_take_from_their_members_only(tell_chips, monkeypatch):
    seen = set()
    draw = ChipSet.draw
    monkeypatch.setattr(ChipSet, "draw", lambda self, index, *rest: seen.add(index) or draw(self, index, *rest))
    list(training_batches(open_chips(tell_chips), np.array([1, 2, 60, 61]), batch=8, count=6, augment="flip", seed=[0]))
    assert seen == {1, 2, 60, 61}


def spoil(source, target, change):
    shutil.copytree(source, target)
    facts = json.loads((target / "chips.json").read_text())
    change(facts)
    (target / "chips.json").write_text(json.dumps(facts))
    return target


def test_one_class_is_refused(tell_chips, tmp_path):
    folder = spoil(tell_chips, tmp_path / "C", lambda facts: [point.update(label=1) for point in facts["points"]])
    with pytest.raises(InputError, match="holds one class only"):
        open_chips(folder)


def test_damage_is_refused(tell_chips, tmp_path):
    with pytest.raises(InputError, match="counts differ"):
        open_chips(spoil(tell_chips, tmp_path / "A", lambda facts: facts["points"].pop()))
    with pytest.raises(InputError, match="whole chip set"):
        open_chips(spoil(tell_chips, tmp_path / "B", lambda facts: facts.pop("points")))
    with pytest.raises(InputError, match=r"chips\.json is needed"):
        open_chips(tmp_path)
    folder = spoil(tell_chips, tmp_path / "D", lambda facts: None)
    (folder / "flags.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="whole chip set"):
        open_chips(folder)
