"""What holds for every perturbation."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellseg.image import CellImage
from cellseg.perturb import Bias, Compose, Inclusion, Merge, Omission, SaltPepper, Segments, Shift, perturb, perturb_labels
from segcore.errors import ConfigError, ShapeError

WORST = Compose([Omission(0.5, target="a"), Segments(0.1, target="a"), SaltPepper(0.1, target="a"), Bias(6, unit="image", target="a")])
"""The chain of the thesis, 3.3.4."""
KINDS = {
    "omission": Omission(0.4, target="a"),
    "inclusion": Inclusion(0.6, "a"),
    "bias": Bias(3),
    "bias of images": Bias(3, unit="image"),
    "bias of volumes": Bias(3, unit="volume", target="a"),
    "segments": Segments(0.3, removed=0.3, target="a", min_size=5, scale=10),
    "salt and pepper": SaltPepper(0.2, target="a"),
    "shift": Shift(3),
    "merge": Merge(0.5),
    "worst": WORST,
}
LABELS = arrays(np.int32, st.just((8, 9)), elements=st.sampled_from([-1, 0, 0, 1, 2, 3, 4, 5]))
CLASSES = {1: "a", 2: "b", 3: "a", 4: "b", 5: "c"}
ABC = ("a", "b", "c")


def image_of(labels, repeat=1):
    instances = labels.repeat(repeat, -1).repeat(repeat, -2)
    pixels = np.random.default_rng(0).integers(0, 256, (2, *instances.shape), dtype=np.uint8)
    return CellImage(pixels=pixels, instances=instances, classes=CLASSES)


def run(image, kind, seed=0):
    return perturb(image, kind, np.random.default_rng(seed), known=ABC)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@settings(deadline=None, max_examples=15)
@given(labels=LABELS, seed=st.integers(0, 9))
def test_input_untouched_same_seed_same_result_ignore_kept(kind, labels, seed):
    image = image_of(labels, 2)
    instances, classes, pixels = image.instances.copy(), dict(image.classes), image.pixels.copy()
    for array in (image.instances, image.pixels):
        array.flags.writeable = False
    worse, again = run(image, kind, seed), run(image, kind, seed)
    assert (image.instances == instances).all()
    assert (image.pixels == pixels).all()
    assert image.classes == classes
    assert worse.pixels is image.pixels
    assert not np.shares_memory(worse.instances, image.instances)
    assert (worse.instances == again.instances).all()
    assert worse.classes == again.classes
    assert ((worse.instances == -1) == (instances == -1)).all()
    assert set(worse.classes) <= set(worse.ids.tolist())


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@settings(deadline=None, max_examples=8)
@given(labels=LABELS)
def test_an_image_is_a_volume_of_one_plane(kind, labels):
    flat = image_of(labels, 2)
    volume = CellImage(pixels=flat.pixels[:, None], instances=flat.instances[None], classes=CLASSES)
    one, other = run(flat, kind), run(volume, kind)
    assert (one.instances == other.instances[0]).all()
    assert one.classes == other.classes


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("labels", [np.zeros((1, 12, 9)), np.full((12, 9), -1), np.ones((7, 1)), np.eye(8) * 3, np.zeros((2, 8, 8))])
def test_empty_and_tiny_images_pass(kind, labels):
    worse = run(image_of(labels.astype(np.int32)), kind)
    assert worse.instances.shape == labels.shape
    assert worse.instances.dtype == np.int32


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int64, np.uint64, ">i4"])
def test_plain_arrays_of_any_integer_type(dtype):
    labels = np.zeros((20, 20), dtype=dtype)
    labels[2:9, 2:9], labels[11:18, 5:15] = 1, 2
    before = labels.copy()
    got, classes = perturb_labels(labels, Bias(2), np.random.default_rng(1), classes={1: "a", 2: "b"})
    expected, _ = perturb_labels(before.astype(np.int32), Bias(2), np.random.default_rng(1))
    assert got.dtype == np.int32
    assert (got == expected).all()
    assert (got != before).any()
    assert (labels == before).all()
    assert classes == {1: "a", 2: "b"}


def test_another_value_can_mean_ignore():
    labels = np.full((6, 6), 65535, dtype=np.uint16)
    labels[:, :3] = 1
    got, _ = perturb_labels(labels, Omission(1), np.random.default_rng(0), ignore=65535)
    assert got.tolist() == [[0, 0, 0, -1, -1, -1]] * 6
    assert (perturb_labels(labels, Omission(1), np.random.default_rng(0))[0] == 0).all()


def test_objects_of_no_class_are_cells_and_lost_ones_leave_the_classes():
    labels = np.array([[1, 0, 2]])
    rng = np.random.default_rng(0)
    assert perturb_labels(labels, Omission(1, target="cell"), rng, classes={2: "b"})[0].tolist() == [[0, 0, 2]]
    assert perturb_labels(labels, Omission(1, target="b"), rng, classes={2: "b"})[1] == {}


def test_ids_may_be_far_apart():
    labels = np.zeros((9, 9), dtype=np.int32)
    labels[:4, :4], labels[6:, 6:] = 2_000_000_000, 5
    got, _ = perturb_labels(labels, Compose([Bias(1), Omission(0.5), Shift(1)]), np.random.default_rng(0))
    assert len(np.unique(got)) == 2
    full = np.array([[np.iinfo(np.int32).max] + [0] * 9])
    with pytest.raises(ConfigError, match=r"goes up to 2147483647\. Number its objects from 1"):
        perturb_labels(full, SaltPepper(1), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.zeros((4, 4)), "labels are whole numbers, one per object, got float64"),
        (np.zeros((4, 4), dtype=bool), "got bool. For a mask: skimage.measure.label"),
        (np.zeros(4, dtype=int), r"\(H, W\) or \(D, H, W\) with at least one pixel, got \(4,\)"),
        (np.zeros((0, 4), dtype=int), "at least one pixel"),
        (np.full((4, 4), -2), "got -2 to 0"),
        (np.full((4, 4), 2**31, dtype=np.int64), "got 0 to 2147483648"),
    ],
)
def test_arrays_that_are_no_labels(labels, text):
    with pytest.raises(ShapeError, match=text):
        perturb_labels(labels, Omission(0.5), np.random.default_rng(0))


def test_pixels_must_fit():
    with pytest.raises(ShapeError, match="over the shape of the labels"):
        perturb_labels(np.ones((4, 4), int), Segments(), np.random.default_rng(0), pixels=np.ones((1, 4, 5)))


def test_unknown_targets_and_what_is_no_perturbation():
    image, rng = image_of(np.array([[1, 0, 3]], dtype=np.int32)), np.random.default_rng(0)
    plain = CellImage(pixels=image.pixels, instances=image.instances)
    with pytest.raises(ConfigError, match=r"which are a, b, c; got 'd'\. Choose one"):
        perturb(image, Compose([Compose([Bias(1, target="d")])]), rng)
    with pytest.raises(ConfigError, match="which are cell; got 'a'"):
        perturb(plain, Omission(0.5, target="a"), rng)
    assert perturb(plain, Omission(0.5, target="a"), rng, known=ABC).ids.tolist() == [1, 3]
    for wrong in (None, Omission, 0.3):
        with pytest.raises(ConfigError, match="a perturbation is an Omission"):
            perturb(image, wrong, rng)
    for wrong in (0, None, np.random.RandomState(0)):
        with pytest.raises(ConfigError, match="chance comes from a numpy Generator, got"):
            perturb(image, Omission(0.5), wrong)


def test_anyone_can_write_a_perturbation():
    @dataclass(frozen=True)
    class Crop:
        targets = ()

        def apply(self, draft, rng):
            draft.instances[:, :, :2] = 0

    labels, _ = perturb_labels(np.ones((2, 4), int), Compose([Crop(), Omission(0)]), np.random.default_rng(0))
    assert labels.tolist() == [[0, 0, 1, 1]] * 2
