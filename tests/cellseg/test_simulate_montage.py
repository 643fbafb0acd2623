"""Pictures of slices."""

import numpy as np
import pytest

from cellseg.image import CellImage
from cellseg.simulate.montage import EDGE, montage, outline
from segcore.errors import ConfigError, ShapeError


def image(name="one", shape=(40, 60)):
    instances = np.zeros(shape, np.int32)
    instances[5:15, 5:20], instances[20:30, 30:45] = 1, 2
    pixels = np.where(instances > 0, 3000, 400).astype(np.uint16)[None]
    return CellImage(name=name, pixels=pixels, instances=instances, classes={1: "round", 2: "lobed"})


def read(path):
    from matplotlib.image import imread

    return (255 * imread(path)[..., :3]).round().astype(int)


def painted(picture, colour):
    """Pixels of about a colour (R, G, B)."""
    return (np.abs(picture - colour).max(-1) < 40).sum()


def test_outlines_have_the_colour_of_their_class(tmp_path):
    picture = read(montage(tmp_path / "m.png", [image("a"), image("b"), image("c")], columns=2))
    assert picture.shape[1] > 2 * EDGE
    assert min(painted(picture, colour) for colour in ((0xFF, 0xD6, 0), (0, 0xC8, 0xFF))) > 100
    bare = read(montage(tmp_path / "bare.png", [image("a")], outlines=False))
    assert painted(bare, (0xFF, 0xD6, 0)) == 0


def test_the_same_images_make_the_same_bytes(tmp_path):
    one, two = (montage(tmp_path / f"{name}.png", [image(), image("$x$", (30, 30))]).read_bytes() for name in "ab")
    assert one == two


def test_an_outline_goes_around_all_parts():
    labels = np.zeros((8, 9), np.int32)
    labels[0:2, 0:3] = labels[5, 6] = 4
    lines = list(outline(labels, 4))
    assert len(lines) == 2
    assert np.concatenate(lines).min() == -0.5
    assert np.concatenate(lines).max() == 6.5
    assert list(outline(labels, 3)) == []


def test_what_cannot_be_shown(tmp_path, volume):
    with pytest.raises(ShapeError, match=r"is a volume. Give it some of image.slices"):
        montage(tmp_path / "m.png", [volume])
    with pytest.raises(ConfigError, match="at least one image and one column, got 0 and 3"):
        montage(tmp_path / "m.png", [])
    assert list(tmp_path.iterdir()) == []
