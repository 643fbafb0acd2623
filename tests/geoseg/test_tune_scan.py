import numpy as np
import pytest

from geoseg.chipset import FLAG_SITE, open_chips
from geoseg.scanning import ScanSettings
from geoseg.tune_scan import GATES, THRESHOLDS, blend, blend_scores, choose_scan, choose_scan_crf, grounds, scan_dice, score_control
from geoseg.tuning_sites import outlined_sites
from segcore.cam.choice import MapChoice
from segcore.pipeline.refine import Refining

START = ScanSettings(choice=MapChoice("layer-cam", "x"), gate=0.5, refining=Refining(smooth=1.0, threshold=0.5))


@pytest.fixture(scope="module")
def chips(tell_chips):
    return open_chips(tell_chips)


@pytest.fixture(scope="module")
def sites(tells, chips):
    return outlined_sites(chips, tells.experts)


@pytest.fixture
def seen(chips, sites, bright):
    return grounds(chips, sites, sites.fit, lambda _: bright)


def test_outlined_sites_and_as_many_empty_chips(chips, sites, seen, bright):
    assert len(seen) == 16
    assert len({ground.weight for ground in seen[:8]}) == 1
    cells = chips.facts["ground_pixels"] / chips.facts["chip"] ** 2
    far = cells * np.exp(-48 / cells)
    assert sum(ground.weight for ground in seen[:8]) == pytest.approx(cells - far)
    assert sum(ground.weight for ground in seen[8:]) == pytest.approx(far)
    assert all(ground.truth.any() for ground in seen[:8])
    empty = [ground.window for ground in seen[8:]]
    held = [ground.window for ground in grounds(chips, sites, sites.held, lambda _: bright)[8:]]
    assert not set(empty) & set(held)


def test_what_is_judged(tells, sites, seen):
    """Discs around outlined sites are, those around bare sites and those of the other half are not."""
    places = np.array(tells.places)
    own = {site.place for site in sites.fit}
    for ground in seen:
        assert not ground.judged[:8].any()
        assert not ground.judged[:, -8:].any()
        for place in places:
            row, col = place[0] - ground.window.row, place[1] - ground.window.col
            if 20 <= row < 60 and 20 <= col < 60:
                disc = [(row + dr, col + dc) for dr in range(-11, 12, 2) for dc in range(-11, 12, 2) if dr * dr + dc * dc <= 121]
                inside = [ground.judged[r, c] for r, c in disc if 8 <= r < 72 and 8 <= c < 72]
                assert all(inside) if tuple(place) in own else not any(inside)


def test_too_much_around_a_site_counts(seen):
    """A mask that spills over every outline must score worse than one that fits."""
    fits = scan_dice(seen, START)
    spills = scan_dice(seen, ScanSettings(choice=START.choice, gate=0.3, refining=Refining(smooth=5.0, threshold=0.04)))
    assert fits > 0.9
    assert spills < 0.7


def test_the_chosen_settings_are_the_best_of_all(seen):
    chosen = choose_scan(seen, START, 32)
    assert chosen.dice > 0.9
    assert chosen.settings.gate in GATES
    assert chosen.settings.refining.threshold in THRESHOLDS
    assert chosen.dice == pytest.approx(scan_dice(seen, chosen.settings))
    for gate in GATES:
        for threshold in THRESHOLDS[::4]:
            other = ScanSettings(choice=START.choice, gate=gate, refining=Refining(smooth=0.03 * 32, threshold=threshold))
            assert scan_dice(seen, other) <= chosen.dice + 1e-12


def test_maps_beat_the_scores_of_windows(seen):
    threshold, control = score_control(seen)
    assert threshold in THRESHOLDS
    assert control < choose_scan(seen, START, 32).dice


def test_a_crf_is_kept_only_if_it_is_better(seen):
    chosen = choose_scan(seen, START, 32)
    best, tried = choose_scan_crf(seen, chosen, 32)
    assert [own["crf"] for own in tried] == ["none", "intensity, weight 1.5", "contrast, weight 1.5"]
    assert best.dice == max(own["dice"] for own in tried)
    assert (best.settings.refining.crf is None) == (best.dice == chosen.dice)


def test_windows_below_the_gate_count_as_empty(seen):
    ground = seen[0]
    assert (blend(ground, 1.1) == 0).all()
    everything = blend(ground, 0.0)
    assert everything[40, 40] == pytest.approx(1)
    assert (blend(ground, 0.5) <= everything + 1e-6).all()
    scores = blend_scores(ground)
    assert ground.scores.min() <= scores.min() <= scores.max() <= ground.scores.max() + 1e-6


def test_flags_around_bare_sites_stay_unjudged(chips, sites, seen):
    bare = [i for i in range(48) if not sites.drawn[i]]
    assert bare
    for ground, site in zip(seen, sites.fit, strict=False):
        flags = np.asarray(chips.flags[site.index]) & FLAG_SITE > 0
        assert ground.judged[8:-8, 8:-8][~flags[8:-8, 8:-8]].mean() > 0.9


def test_only_fresh_chips_are_used_where_there_are_enough(chips, sites, bright):
    fresh = np.zeros(len(chips.labels), dtype=bool)
    few = [site.index for site in sites.fit[:3]]
    fresh[few] = True
    fresh[np.flatnonzero(chips.labels == 0)[:10]] = True
    used = [ground.window for ground in grounds(chips, sites, sites.fit, lambda _: bright, fresh=fresh)]
    assert len(used) == 6
    places = {(window.row + window.height // 2, window.col + window.width // 2) for window in used[:3]}
    assert places == {tuple(chips.places[index]) for index in few}
    fresh[few[0]] = False
    assert len(grounds(chips, sites, sites.fit, lambda _: bright, fresh=fresh)) == 16
