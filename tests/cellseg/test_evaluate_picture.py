import numpy as np
import pytest
from matplotlib.image import imread

from cellseg.evaluate_picture import AGREEMENT, draw_agreement
from cellseg.image import IGNORE, CellImage
from segcore.errors import ShapeError

SIZE = 12
ZOOM = 40
"""480 pixels wide at least, so 40 dots a pixel."""


def image(instances, classes=None, pixels=None):
    pixels = np.zeros((1, *instances.shape), np.uint8) if pixels is None else pixels
    return CellImage(name="$x_1$", pixels=pixels, instances=instances, classes=classes or {})


def labels(*boxes):
    found = np.zeros((SIZE, SIZE), np.int32)
    for number, (row, col) in enumerate(boxes, start=1):
        found[row : row + 3, col : col + 3] = number
    return found


def colours(path, size=SIZE):
    """What each pixel of the image was painted, (size, size): "", or the colour of AGREEMENT that it is nearest to."""
    dots = imread(path)[..., :3][24 + ZOOM // 2 :: ZOOM, ZOOM // 2 :: ZOOM][:size, :size]
    names = ["", *AGREEMENT]
    wanted = np.array([(0, 0, 0), *(tuple(bytes.fromhex(own[1:])) for own in AGREEMENT.values())]) / 255
    rims = np.abs(dots[:, :, None] - wanted * 0.9).sum(axis=3)
    fills = np.abs(dots[:, :, None] - wanted * 0.45).sum(axis=3)
    return np.array(names, dtype=object)[np.minimum(rims, fills).argmin(axis=2)]


def test_each_pixel_has_the_colour_of_its_agreement(tmp_path):
    found, expected = labels((0, 0), (4, 4)), labels((0, 0), (8, 8))
    draw_agreement(tmp_path / "a.png", image(found), image(expected))
    seen = colours(tmp_path / "a.png")
    assert (seen == "both").nonzero()[0].tolist() == np.nonzero((found > 0) & (expected > 0))[0].tolist()
    assert np.array_equal(seen == "too many", (found > 0) & (expected == 0))
    assert np.array_equal(seen == "missed", (found == 0) & (expected > 0))


def test_unknown_pixels_stay_bare(tmp_path):
    found, expected = labels((0, 0), (4, 4)), np.full((SIZE, SIZE), IGNORE, np.int32)
    draw_agreement(tmp_path / "a.png", image(found), image(expected))
    assert set(colours(tmp_path / "a.png").ravel()) == {""}


def test_one_class_alone(tmp_path):
    both = image(labels((0, 0), (4, 4)), {1: "round", 2: "lobed"})
    draw_agreement(tmp_path / "a.png", both, both, target="round")
    assert (colours(tmp_path / "a.png") == "both").sum() == 9
    draw_agreement(tmp_path / "b.png", image(both.instances), both, target="round", all_found=True)
    assert (colours(tmp_path / "b.png") == "too many").sum() == 9


def test_of_a_volume_the_fullest_plane_is_drawn(tmp_path):
    volume = np.stack([labels((0, 0)), labels((0, 0), (4, 4)), labels()])
    draw_agreement(tmp_path / "a.png", image(volume), image(volume))
    assert (colours(tmp_path / "a.png") == "both").sum() == 18


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32, bool])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_pixels_make_the_same_bytes_twice(tmp_path, kind, channels):
    pixels = np.random.default_rng(0).integers(0, 200, (channels, SIZE, 20)).astype(kind)
    if kind is np.float32:
        pixels[0, 0, 0] = np.nan
    instances = np.zeros((SIZE, 20), np.int32)
    for name in "ab":
        draw_agreement(tmp_path / name, image(instances), image(instances, pixels=pixels))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_shapes_that_differ_are_refused(tmp_path):
    with pytest.raises(ShapeError, match="one shape"):
        draw_agreement(tmp_path / "a.png", image(np.zeros((3, 3), np.int32)), image(np.zeros((4, 3), np.int32)))
    assert list(tmp_path.iterdir()) == []
