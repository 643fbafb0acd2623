import math

from segcore.metrics.figures import agreement, jsonable
from segcore.metrics.objects import ObjectScores
from segcore.metrics.pixels import Counts


def test_figures_by_hand():
    found = agreement(Counts(3, 1, 2), ObjectScores(found=4, expected=2, dices=(0.9, 0.7)))
    assert {name: round(value, 6) for name, value in found.items()} == {
        "dice": 0.666667,
        "iou": 0.5,
        "pixel_precision": 0.75,
        "pixel_recall": 0.6,
        "tp": 3,
        "fp": 1,
        "fn": 2,
        "object_precision": 0.5,
        "object_recall": 1,
        "object_f1": 0.666667,
        "median_dice": 0.8,
    }


def test_a_share_of_nothing_is_null_in_json():
    empty = agreement(Counts(0, 0, 0), ObjectScores())
    assert math.isnan(empty["dice"])
    assert jsonable(empty) | {"tp": None, "fp": None, "fn": None} == dict.fromkeys(empty)
    assert jsonable({"found": 0, "dice": 0.5}) == {"found": 0, "dice": 0.5}
