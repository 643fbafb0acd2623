import pytest

from cellseg.training.held import hold_back, learnable
from segcore.errors import InputError


def test_without_splits_a_share_is_held_back(blobs):
    data = blobs(10)
    found = learnable(data)
    assert (found.names, found.validation, found.left_out) == (data.names, (), ())
    held = hold_back(data, found, data.names, 0.3, seed=0)
    assert (len(held.train), len(held.validation)) == (7, 3)
    assert sorted(held.train + held.validation) == list(data.names)
    assert held == hold_back(data, found, data.names, 0.3, seed=0)
    assert len({hold_back(data, found, data.names, 0.3, seed=seed).validation for seed in range(5)}) > 1


def test_images_of_other_splits_are_left_out(two_classes):
    assert learnable(two_classes).names == ("a", "b")
    assert learnable(two_classes).left_out == ("c", "d")


@pytest.mark.parametrize("others", [("training", "test"), ("val", "test"), ("validation", "validation")])
def test_splits_of_which_none_is_train_are_refused(blobs, others):
    data = blobs(3, splits={"blob-0": (others[0], ""), "blob-2": (others[1], "")})
    listed = ", ".join(sorted(set(others)))
    with pytest.raises(InputError, match=rf"has {listed}\. Name one of them train in splits\.csv\.$"):
        learnable(data)


def test_an_image_without_a_split_is_left_out_where_others_have_one(blobs):
    found = learnable(blobs(3, splits={"blob-1": ("train", "")}))
    assert (found.names, found.left_out) == (("blob-1",), ("blob-0", "blob-2"))


def test_a_group_is_never_split(blobs):
    groups = ["x", "x", "x", "y", "y", "z"]
    data = blobs(6, splits={f"blob-{n}": ("train", group) for n, group in enumerate(groups)})
    for seed in range(10):
        held = hold_back(data, learnable(data), data.names, 0.3, seed)
        sides = [{groups[int(name[-1])] for name in names} for names in (held.train, held.validation)]
        assert not sides[0] & sides[1]


@pytest.mark.parametrize("word", ["validation", "val"])
def test_a_split_for_validation_is_taken_as_it_is(blobs, word):
    data = blobs(4, splits={"blob-0": ("train", ""), "blob-1": (word, ""), "blob-2": ("train", ""), "blob-3": ("test", "")})
    held = hold_back(data, learnable(data), data.names, 0.3, 0)
    assert (held.train, held.validation) == (("blob-0", "blob-2"), ("blob-1",))


def test_both_sides_show_the_target(blobs):
    data = blobs(8)
    for seed in range(10):
        held = hold_back(data, learnable(data), ["blob-2", "blob-5"], 0.3, seed)
        assert len({"blob-2", "blob-5"} & set(held.validation)) == 1


@pytest.mark.parametrize(
    ("groups", "showing", "train"),
    [("xxxxxxxxxxyyyzzw", "yz", "wxz"), ("xxxxxxxyyyzzw", "xz", "x"), ("xxxxxxxyyzw", "yz", None)],
)
def test_groups_of_distinct_sizes_are_parted_although_all_draws_are_alike(blobs, groups, showing, train):
    """By size alone y and z judge in the first case, and x and z are learnt from in the second; in the third the seed decides."""
    data = blobs(len(groups), splits={f"blob-{n}": ("train", group) for n, group in enumerate(groups)})
    held = hold_back(data, learnable(data), [f"blob-{n}" for n, group in enumerate(groups) if group in showing], 0.3, 0)
    sides = [{groups[int(name.removeprefix("blob-"))] for name in names} for names in (held.train, held.validation)]
    assert sides[0] | sides[1] == set(groups)
    assert not sides[0] & sides[1]
    assert all(side & set(showing) for side in sides)
    assert train is None or sides[0] == set(train)


@pytest.mark.parametrize(
    ("count", "splits", "showing", "text"),
    [
        (1, None, ["blob-0"], "an image is held back"),
        (2, {"blob-0": ("train", "v"), "blob-1": ("train", "v")}, ["blob-0"], "a group of images is held back"),
        (3, None, ["blob-1"], "only blob-1 or its group shows it"),
        (3, {f"blob-{n}": ("train", "vvw"[n]) for n in range(3)}, ["blob-0", "blob-1"], "only blob-0 or its group shows it"),
        (2, {"blob-0": ("train", ""), "blob-1": ("val", "")}, ["blob-0"], "has none in validation"),
        (2, {"blob-0": ("train", ""), "blob-1": ("val", "")}, ["blob-1"], "has none in train"),
    ],
)
def test_what_cannot_be_parted_is_refused(blobs, count, splits, showing, text):
    data = blobs(count, splits=splits)
    with pytest.raises(InputError, match=text):
        hold_back(data, learnable(data), showing, 0.3, 0)
