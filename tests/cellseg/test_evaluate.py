import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from cellseg.evaluate import evaluate, evaluate_datasets
from cellseg.image import IGNORE, CellImage
from segcore.errors import ConfigError, InputError, ShapeError

LABELS = arrays(np.int32, (7, 9), elements=st.sampled_from([-1, 0, 0, 1, 2, 3, 5, 9]))
THRESHOLDS = (0.1, 0.3, 0.5, 0.75)


def squares(shape=(30, 30), *boxes):
    """Labels 1, 2, ... of boxes (row, col, height, width)."""
    labels = np.zeros(shape, np.int32)
    for number, (row, col, height, width) in enumerate(boxes, start=1):
        labels[row : row + height, col : col + width] = number
    return labels


def cells(instances, classes=None, name="image"):
    return CellImage(name=name, pixels=np.zeros((1, *instances.shape), np.uint8), instances=instances, classes=classes or {})


def brute(found, expected):
    """IoU of each pair by masks, ignored pixels out of both; objects that lose more than half are gone. (N found, M expected)."""
    known = (found != IGNORE) & (expected != IGNORE)

    def masks(labels):
        every = [labels == own for own in np.unique(labels) if own > 0]
        return [mask & known for mask in every if 2 * (mask & known).sum() >= mask.sum()]

    ours, theirs = masks(found), masks(expected)
    return np.array([[(a & b).sum() / (a | b).sum() for b in theirs] for a in ours]).reshape(len(ours), len(theirs))


def largest_matching(ious, threshold):
    """How StarDist counts: an assignment with most pairs at IoU >= threshold, larger IoUs as a tie-breaker."""
    if not ious.size:
        return 0
    gain = (ious >= threshold) + ious / (2 * min(ious.shape))
    rows, cols = linear_sum_assignment(-gain)
    return int((ious[rows, cols] >= threshold).sum())


def best_first(ious, threshold):
    """IoUs of pairs, best first, each object once."""
    taken = []
    for row, col in sorted(np.ndindex(ious.shape), key=lambda pair: (-ious[pair], pair)):
        if ious[row, col] >= threshold and all(row != r and col != c for r, c in taken):
            taken.append((row, col))
    return sorted(ious[row, col] for row, col in taken)


@settings(deadline=None, max_examples=80)
@given(LABELS, LABELS)
def test_objects_agree_with_brute_force(found, expected):
    scores, ious = evaluate(found, expected, thresholds=THRESHOLDS), brute(found, expected)
    assert (scores.found, scores.expected) == ious.shape
    for threshold in THRESHOLDS:
        assert sorted(scores.ious[scores.ious >= threshold]) == pytest.approx(best_first(ious, threshold))


@settings(deadline=None, max_examples=80)
@given(LABELS, LABELS, st.sampled_from([0.5, 0.6, 0.9]))
def test_from_a_half_on_no_matching_has_more_pairs(found, expected, threshold):
    ious = brute(found, expected)
    assert evaluate(found, expected).at(threshold).matched == largest_matching(ious, threshold)


@settings(deadline=None, max_examples=80)
@given(LABELS, LABELS)
def test_pixels_agree_with_masks(found, expected):
    known = (found != IGNORE) & (expected != IGNORE)
    ours, theirs = (found > 0) & known, (expected > 0) & known
    pixels = evaluate(found, expected).pixels
    assert (pixels.tp, pixels.fp, pixels.fn) == ((ours & theirs).sum(), (ours & ~theirs).sum(), (theirs & ~ours).sum())


@settings(deadline=None, max_examples=40)
@given(LABELS)
def test_a_thing_agrees_with_itself(labels):
    scores = evaluate(labels, labels)
    assert scores.found == scores.expected == scores.at(0.95).matched
    assert scores.pixels.fp == scores.pixels.fn == scores.abstained == 0


def test_figures_by_hand():
    expected = squares((30, 30), (0, 0, 10, 10), (15, 0, 10, 10), (0, 15, 10, 10))
    found = squares((30, 30), (0, 0, 10, 8), (15, 4, 10, 10), (25, 25, 5, 5))  # IoU 0.8, 60/140, a false alarm
    scores = evaluate(found, expected)
    assert scores.as_dict() | {"dice": 0, "iou": 0, "median_dice": 0, "mean_ap": 0} == {
        **{"dice": 0, "iou": 0, "median_dice": 0, "mean_ap": 0},
        **{"tp": 140, "fp": 65, "fn": 160, "pixel_precision": 140 / 205, "pixel_recall": 140 / 300},
        **{"found": 3, "expected": 3, "matched": 1, "ignored": 0, "abstained": 0},
        **{"object_precision": 1 / 3, "object_recall": 1 / 3, "object_f1": 1 / 3},
        **{f"f1_{share:.2f}": 1 / 3 if share <= 0.8 else 0 for share in scores.thresholds},
        **{f"ap_{share:.2f}": 1 / 5 if share <= 0.8 else 0 for share in scores.thresholds},
    }
    assert (scores.dice, scores.iou) == (2 * 140 / 505, 140 / 365)
    assert scores.at(0.5).median_dice == pytest.approx(2 * 80 / 180)
    assert scores.mean_ap == pytest.approx(7 / 10 / 5)


def test_unknown_pixels_count_for_neither_side():
    expected = squares((10, 20), (0, 0, 10, 5), (0, 10, 10, 5))
    found = squares((10, 20), (0, 0, 10, 5), (0, 8, 10, 5), (0, 16, 10, 4))
    expected[:, 8:20][:, 6:] = IGNORE  # the tail of the second cell and the whole third found one
    scores = evaluate(found, expected)
    assert (scores.found, scores.expected, scores.ignored, scores.abstained) == (2, 2, 60, 0)
    assert scores.pixels.tp == 50 + 30
    assert scores.ious == pytest.approx([1, 30 / 60])


def test_a_cell_mostly_under_ignore_is_no_false_alarm():
    expected, found = np.zeros((10, 10), np.int32), squares((10, 10), (0, 0, 10, 10))
    expected[:, :6] = IGNORE
    assert (evaluate(found, expected).found, evaluate(found, expected).pixels.fp) == (0, 40)
    expected[:, 5] = 0
    assert (evaluate(found, expected).found, evaluate(found, expected).pixels.fp) == (1, 50)


def test_what_the_prediction_calls_unknown_is_told():
    expected = squares((10, 10), (0, 0, 10, 10))
    found = expected.copy()
    found[:3] = IGNORE
    scores = evaluate(found, expected)
    assert (scores.dice, scores.ignored, scores.abstained) == (1, 30, 30)


def test_a_volume_counts_as_a_whole():
    expected = np.zeros((3, 8, 8), np.int32)
    expected[:, 2:6, 2:6] = 7
    found = expected.copy()
    found[0] = 0  # two of three planes: IoU 2/3 as one cell, not one perfect and one missed cell a plane
    scores = evaluate(found, expected)
    assert (scores.found, scores.expected, scores.ious.tolist()) == (1, 1, [2 / 3])
    assert evaluate(np.where(found, 2, 0), expected).ious.tolist() == [2 / 3]


def test_one_class_alone():
    labels = squares((20, 20), (0, 0, 5, 5), (10, 10, 5, 5))
    image = cells(labels, {1: "round", 2: "lobed"})
    swapped = image.with_labels(labels, {1: "lobed", 2: "round"})
    assert evaluate(image, image, target="round").pixels.tp == 25
    assert evaluate(swapped, image, target="round").dice == 0
    assert evaluate(swapped, image).dice == 1


def test_a_prediction_without_classes_is_of_the_target():
    image = cells(squares((20, 20), (0, 0, 5, 5), (10, 10, 5, 5)), {1: "round", 2: "lobed"})
    assert evaluate(squares((20, 20), (0, 0, 5, 5)), image, target="round").dice == 1
    assert evaluate(image.instances, image, target="round").pixels.fp == 25


def test_images_without_cells_are_nan_not_perfect():
    nothing = np.zeros((4, 4), np.int32)
    scores = evaluate(nothing, nothing)
    assert {scores.as_dict()[name] for name in ("dice", "iou", "object_f1", "ap_0.50", "mean_ap", "median_dice")} == {None}
    assert evaluate(nothing, squares((4, 4), (0, 0, 2, 2))).as_dict()["object_recall"] == 0


def test_huge_ids_and_other_integer_types_do():
    labels = np.zeros((4, 4), np.int64)
    labels[:2], labels[2:] = 2**31 - 1, 2**31 - 2
    assert evaluate(labels, labels.astype(np.uint32)).at(0.95).matched == 2


@pytest.mark.parametrize(
    ("found", "error", "text"),
    [
        (np.zeros((4, 4), np.float32), InputError, r"^labels are integer ids, .*; found is float32. Number a mask first"),
        (np.zeros((4, 4), bool), InputError, "found is bool"),
        (np.full((4, 4), -2), InputError, r"found has -2 to -2. Renumber them.$"),
        (np.full((4, 4), 2**31), InputError, "Renumber"),
        (np.zeros((4, 5), int), ShapeError, r"expected is \(4, 5\) where found and \(4, 4\) where expected"),
        (np.zeros(4, int), ShapeError, r"an image is \(C, H, W\)"),
    ],
)
def test_labels_that_are_refused(found, error, text):
    with pytest.raises(error, match=text):
        evaluate(found, np.zeros((4, 4), np.int32))


def test_a_target_that_nobody_knows_is_refused():
    image = cells(squares((9, 9), (0, 0, 5, 5)), {1: "round"})
    with pytest.raises(ConfigError, match=r"got 'rond', there is cell, round. Choose one.$"):
        evaluate(image.instances, image, target="rond")


@pytest.mark.parametrize("thresholds", [(), (0.0, 0.5), (1.5,), (float("nan"),)])
def test_thresholds_that_are_no_iou_are_refused(thresholds):
    with pytest.raises(ConfigError, match="a threshold is an IoU"):
        evaluate(np.zeros((2, 2), int), np.zeros((2, 2), int), thresholds=thresholds)


def test_a_threshold_below_the_matched_ones_is_refused():
    with pytest.raises(ConfigError, match=r"matched at IoU >= 0.5; got 0.3"):
        evaluate(np.zeros((2, 2), int), np.zeros((2, 2), int)).at(0.3)


def test_input_stays_as_it_was():
    found, expected = squares((9, 9), (0, 0, 5, 5)), np.full((9, 9), IGNORE, np.int32)
    found.flags.writeable = expected.flags.writeable = False
    evaluate(found, expected)


def test_counts_pool_before_they_are_divided():
    small, large = squares((20, 20), (0, 0, 2, 2)), squares((20, 20), (0, 0, 10, 10), (12, 12, 4, 4))
    images = [cells(small, name="small"), cells(large, name="large")]
    guesses = [cells(np.zeros_like(small), name="small"), cells(large, name="large")]
    table = evaluate_datasets(guesses, images)
    assert [row.image for row in table.rows] == ["small", "large"]
    assert table.pooled().dice == 2 * 116 / (2 * 116 + 4)
    assert (table.pooled().at(0.5).recall, table.pooled().ap(0.5)) == (2 / 3, 2 / 3)


def test_the_order_of_the_images_does_not_matter():
    images = [cells(squares((9, 9), (0, 0, size, size)), name=f"i{size}") for size in (2, 4, 6)]
    forth, back = evaluate_datasets(images, images), evaluate_datasets(images[::-1], images)
    assert [row.scores.as_dict() for row in forth.rows] == [row.scores.as_dict() for row in back.rows]
