"""What happened, in numbers and as a picture."""

import hashlib

import numpy as np
import pytest
from matplotlib.image import imread

from cellseg.image import CellImage
from cellseg.perturb.changes import Changes, changed_ids, changes
from cellseg.perturb.picture import COLOURS, draw_changes
from segcore.errors import ShapeError

GROUND = 90


def cells():
    """(before, after): cell 1 stays, 2 goes, 3 grows, 4 of class b is included and shrinks, 5 of b goes."""
    before = np.zeros((60, 80), dtype=np.int32)
    for own in range(1, 6):
        before[20:32, 16 * own - 14 : 16 * own - 2] = own
    after = np.where(np.isin(before, [2, 5]), 0, before).astype(np.int32)
    after[18:34, 34:46] = 3
    after[20:24, 50:62] = 0
    classes = {1: "a", 2: "a", 3: "a", 4: "b", 5: "b"}
    image = CellImage(name="tile", pixels=np.full((1, 60, 80), GROUND, np.uint8), instances=before, classes=classes)
    return image, image.with_labels(after, classes | {4: "a"})


def test_changes_of_a_class_and_of_all():
    before, after = cells()
    assert changes(before, after, "a") == Changes(before=3, gone=1, included=1, moved=2)
    assert changes(before, after) == Changes(before=5, gone=2, included=0, moved=2)
    assert changed_ids(before, after).tolist() == [2, 3, 4, 5]
    both = changes(before, after, "a") + changes(before, before, "a")
    assert both.line() == "6 objects: 1 gone, 1 included, 2 with another outline"
    assert both.all == 4


def test_sizes_must_agree():
    before, _ = cells()
    with pytest.raises(ShapeError, match="of one size"):
        changed_ids(before, CellImage(pixels=np.zeros((1, 3, 3)), instances=np.zeros((3, 3), dtype=np.int32)))


def drawn(path, before, after, target="a"):
    """(H, W, 3) of the picture, at the middle of each pixel of the image."""
    draw_changes(path, before, after, target=target)
    factor = -(-900 // max(before.instances.shape[-2:]))
    whole = np.rint(imread(path)[..., :3] * 255).astype(int)[30:, 16:]
    return whole[factor // 2 :: factor, factor // 2 :: factor][: before.instances.shape[-2], : before.instances.shape[-1]]


def near(colour, key, opacity):
    """Whether a colour over the ground is that of a mark."""
    expected = opacity * np.array(COLOURS[key]) + (1 - opacity) * colour_of_ground()
    return np.abs(colour - expected).max() <= 3


def colour_of_ground():
    return np.zeros(3)  # even images are stretched to black


def test_omitted_orange_included_red_bias_magenta_others_plain(tmp_path):
    seen = drawn(tmp_path / "p.png", *cells())
    assert near(seen[26, 24], "omitted", 0.55)
    assert near(seen[28, 56], "included", 0.45)
    assert near(seen[22, 56], "bias", 0.75)
    assert near(seen[18, 40], "kept", 1.0) or near(seen[19, 40], "bias", 0.75)
    for row, col in ((26, 8), (26, 40), (26, 72), (50, 40)):  # unchanged, inside of the grown one, of another class, background
        assert (seen[row, col] == colour_of_ground()).all()


def test_the_same_input_makes_the_same_bytes(tmp_path):
    pair = cells()
    digests = {hashlib.sha256(draw_changes(tmp_path / f"{n}.png", *pair).read_bytes()).hexdigest() for n in range(2)}
    assert len(digests) == 1


def test_of_a_volume_the_plane_with_most_changes_is_drawn(tmp_path):
    before, after = cells()
    still = np.stack([before.instances] * 3)
    moved = still.copy()
    moved[1] = after.instances
    pixels = np.full((1, 3, 60, 80), GROUND, np.uint16)
    whole = CellImage(pixels=pixels, instances=still, classes=before.classes)
    flat = drawn(tmp_path / "flat.png", before, after)
    deep = drawn(tmp_path / "deep.png", whole, whole.with_labels(moved, after.classes))
    assert (flat[15:40, 34:46] == deep[15:40, 34:46]).all()  # the grown cell


@pytest.mark.parametrize("shape", [(3, 5, 9), (1, 300, 40), (2, 1, 1)])
def test_pictures_of_any_size_and_type(tmp_path, shape):
    pixels = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    image = CellImage(name="$x_", pixels=pixels, instances=np.ones(shape[1:], dtype=np.int32))
    picture = imread(draw_changes(tmp_path / "p.png", image, image))
    assert max(picture.shape) < 2600
