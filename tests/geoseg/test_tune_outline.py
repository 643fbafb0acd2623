import numpy as np
import pytest

from geoseg.known import OutlineSettings, look
from geoseg.tune_outline import CUTS, PRIORS, RADII, SMOOTHS, Example, best_disc, choose_crf, choose_outline, dice_of, disc_dice
from segcore.cam.choice import MapChoice
from segcore.io.memory import MemoryImage
from segcore.pipeline.refine import Refining, smoothed

WINDOW = 64
START = OutlineSettings(choice=MapChoice("layer-cam", "x"), shift=8, prior=1.0, refining=Refining(smooth=1.0, threshold=0.5))


class Blurred:
    """The true outline, blurred, as map."""

    members, channels = 1, ("blurred",)

    def screen(self, windows):
        return (windows[:, :1] > 130).float().amax(dim=(2, 3))

    def maps(self, windows):
        import torch

        marks = (windows[:, 0] > 130).numpy().astype(np.float32)
        return torch.from_numpy(np.stack([smoothed(own, 2.0) for own in marks]))[:, None]


def ellipse(height, width, size=(128, 128)):
    rows, cols = np.ogrid[: size[0], : size[1]]
    return ((rows - 64) / height) ** 2 + ((cols - 64) / width) ** 2 <= 1


def example(height, width):
    truth = ellipse(height, width)
    reader = MemoryImage(np.where(truth, 200, 60).astype(np.uint8))
    sight = look(reader, (64, 64), [], Blurred(), window=WINDOW, shift=8)
    return Example(sight=sight, truth=truth[sight.region.slices], size=float(truth.sum()))


@pytest.fixture(scope="module")
def seen():
    return [example(6, 18), example(18, 6), example(9, 16), example(14, 7), example(8, 8)]


def test_chosen_settings_beat_discs(seen):
    chosen = choose_outline(seen, START, WINDOW)
    radius, disc = best_disc(seen, WINDOW)
    assert chosen.dice > disc + 0.05
    assert chosen.dice == pytest.approx(np.median(dice_of(seen, chosen.settings)))
    assert disc == pytest.approx(np.median(disc_dice(seen, radius * WINDOW)))
    assert chosen.settings.choice == START.choice
    assert chosen.settings.prior / WINDOW in PRIORS
    assert chosen.settings.refining.smooth / WINDOW in SMOOTHS
    assert chosen.settings.refining.threshold in CUTS


def test_no_other_candidate_is_better(seen):
    from dataclasses import replace
    from itertools import product

    best = choose_outline(seen, START, WINDOW).quality
    for smooth, prior, cut in product(SMOOTHS[::2], PRIORS[::2], CUTS[::2]):
        refining = Refining(smooth=smooth * WINDOW, threshold=cut)
        scores = dice_of(seen, replace(START, prior=prior * WINDOW, refining=refining))
        assert (np.median(scores) + np.mean(scores)) / 2 <= best + 1e-12


def test_the_best_disc_of_discs_has_their_radius():
    radius, disc = best_disc([example(12, 12), example(12, 12)], WINDOW)
    assert radius * WINDOW == pytest.approx(12, abs=0.5)
    assert disc > 0.97
    assert radius in RADII


def test_a_crf_is_kept_only_if_it_is_better(seen):
    chosen = choose_outline(seen, START, WINDOW)
    best, tried = choose_crf(seen, chosen, WINDOW)
    assert tried[0] == {"crf": "none", "dice": chosen.dice, "quality": chosen.quality}
    assert len(tried) == 6
    assert len({own["crf"] for own in tried}) == 6
    assert best.quality == max(own["quality"] for own in tried)
    assert (best.settings.refining.crf is None) == (best.quality == chosen.quality)
    assert best.dice == pytest.approx(np.median(dice_of(seen, best.settings)))


def test_a_site_larger_than_the_sight_costs_what_is_not_seen():
    whole = example(60, 60)
    assert whole.size > whole.truth.sum()
    assert disc_dice([whole], 10.0)[0] == pytest.approx(2 * 317 / (317 + whole.size), rel=1e-3)


def test_no_outline_scores_nothing():
    blank = example(8, 8)
    empty = look(MemoryImage(np.zeros((128, 128), np.uint8)), (64, 64), [], Blurred(), window=WINDOW, shift=8)
    assert dice_of([Example(sight=empty, truth=blank.truth, size=blank.size)], START) == [0.0]
