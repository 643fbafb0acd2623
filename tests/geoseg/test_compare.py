"""Judging by hand: maps that are the truth, maps that are empty, and who may judge whom."""

import numpy as np
import pytest
import shapely
import torch

from geoseg.compare import Overheard, Seen, cross_fit, fit, judge, judge_discs, tally
from geoseg.compare_sites import JudgedSites, halves
from geoseg.comparison import Tally
from geoseg.known import OutlineSettings, Sight
from geoseg.tune_outline import Example
from segcore.cam.choice import MapChoice
from segcore.pipeline.refine import Refining
from segcore.windows import Window

EDGE = 40
CHOICE = MapChoice("layer-cam", "layer2")
START = OutlineSettings(choice=CHOICE, shift=0, prior=8.0, refining=Refining(smooth=2.0, threshold=0.3))


def disc(radius, row=20, col=20):
    rows, cols = np.ogrid[:EDGE, :EDGE]
    return (rows - row) ** 2 + (cols - col) ** 2 <= radius**2


def seen(values, truth, *, fresh=(0,), maps=None, size=None):
    sight = Sight(
        place=(20, 20),
        region=Window(0, 0, EDGE, EDGE),
        values=values.astype(np.float32),
        image=np.zeros((1, EDGE, EDGE), np.uint8),
        own=np.ones((EDGE, EDGE), bool),
        scores=np.ones(1, np.float32),
    )
    maps = np.stack([np.rint(255 * values).astype(np.uint8)] * len(fresh)) if maps is None else maps
    return Seen(example=Example(sight=sight, truth=truth, size=size or float(truth.sum())), fresh=fresh, maps=maps)


def sites_of(count):
    xy = np.column_stack([np.arange(count, dtype=float), np.zeros(count)])
    half, rule = halves(xy)
    polygons = shapely.buffer(shapely.points(xy), 1)
    return JudgedSites(polygons=polygons, xy=xy, others=xy, half=half, rule=rule, fresh=[[(0,)] * count], unseen=count, left_out={})


def judged(all_seen, *, members=1):
    sites = sites_of(len(all_seen))
    settings = fit(all_seen, sites, START, EDGE)
    return judge(all_seen, sites, settings, members=members, view=0, column=0)


def test_figures_of_a_tally_by_hand():
    own = Tally(hits=np.array([3.0, 0.0]), found=np.array([4.0, 0.0]), expert=np.array([8.0, 2.0]))
    assert own.dice == pytest.approx(6 / 14)
    assert own.median == pytest.approx((0.5 + 0.0) / 2)


def test_a_tally_of_no_site_is_nan():
    empty = tally([], [])
    assert np.isnan([empty.dice, empty.median]).all()


def test_a_map_that_is_the_truth_is_near_one_and_an_empty_one_is_zero():
    truth = disc(7)
    (right,) = judged([seen(truth * 1.0, truth)] * 8)
    (empty,) = judged([seen(truth * 0.0, truth)] * 8)
    assert right.tally.dice > 0.9
    assert right.tally.median > 0.9
    assert (empty.tally.dice, empty.tally.median) == (0, 0)
    assert empty.tally.found.sum() == 0


def test_what_lies_beyond_the_window_counts_as_missed():
    truth = disc(7)
    (cell,) = judged([seen(truth * 1.0, truth, size=3.0 * truth.sum())] * 8)
    assert cell.tally.dice < 0.55


def test_no_half_is_judged_with_what_it_chose():
    truth = disc(5)
    examples = [seen(truth * 1.0, truth).example for _ in range(9)]
    half = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1])
    chosen_on = cross_fit(examples, half, lambda given: {id(own) for own in given})
    for h in (0, 1):
        assert chosen_on[h] == {id(own) for own, other in zip(examples, half, strict=True) if other != h}


def test_settings_of_one_half_follow_the_sites_of_the_other():
    """Small sites in the west, large ones in the east, on maps that say nothing of their size: each half takes the other's prior."""
    flat = np.ones((EDGE, EDGE))
    all_seen = [seen(flat, disc(3 if i < 4 else 11)) for i in range(8)]
    west, east = fit(all_seen, sites_of(8), START, EDGE)
    reach = [each.prior * np.sqrt(-2 * np.log(each.refining.threshold)) for each in (west, east)]
    assert reach[0] > 9
    assert reach[1] < 6


def test_few_sites_keep_the_models_own_settings_and_have_no_control():
    all_seen = [seen(disc(5) * 1.0, disc(5))] * 5
    assert fit(all_seen, sites_of(5), START, EDGE) == (START, START)


def test_networks_are_judged_only_where_they_did_not_learn():
    truth = disc(6)
    good, bad = (np.rint(255 * values).astype(np.uint8) for values in (truth * 1.0, truth * 0.0))
    both = [seen(truth * 0.5, truth, fresh=(0, 1), maps=np.stack([good, bad]))] * 4
    second = [seen(truth * 0.5, truth, fresh=(1,), maps=bad[None])] * 4
    ensemble, one, two = judged(both + second, members=2)
    assert [cell.network for cell in (ensemble, one, two)] == ["ensemble", "1", "2"]
    assert [len(cell.tally.hits) for cell in (ensemble, one, two)] == [8, 4, 8]
    assert one.tally.dice > 0.9
    assert two.tally.dice == 0


def test_a_network_that_learnt_everywhere_has_no_figure():
    truth = disc(6)
    _, one, two = judged([seen(truth * 1.0, truth, fresh=(1,))] * 8, members=2)
    assert np.isnan(one.tally.dice)
    assert two.tally.dice > 0.9


def test_discs_of_the_right_size_are_found_crosswise(tmp_path):
    class View:
        class model:
            window = EDGE

        class scene:
            class grid:
                pixel_size = 2.0

    truth = disc(8)
    own, radii = judge_discs([seen(truth * 1.0, truth).example] * 8, sites_of(8), View)
    assert own.dice > 0.97
    assert radii == pytest.approx((16, 16), abs=1)
    assert judge_discs([seen(truth * 1.0, truth).example] * 5, sites_of(5), View) == (None, None)


def test_evidence_is_overheard():
    class Pair:
        members, channels, screen = 2, ("bright",), None

        def member_maps(self, windows):
            return torch.stack([windows[:, 0].float(), 0 * windows[:, 0].float()])

    evidence = Overheard(Pair())
    assert torch.equal(evidence.maps(torch.full((1, 1, 2, 2), 3, dtype=torch.uint8)), torch.full((1, 1, 2, 2), 1.5))
    assert evidence.heard[:, 0, 0, 0].tolist() == [3, 0]
