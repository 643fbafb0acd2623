"""Segments of the image that become objects."""

import numpy as np
import pytest
from skimage.segmentation import felzenszwalb

from cellseg.image import CellImage
from cellseg.perturb import Segments, perturb, perturb_labels
from segcore.errors import ConfigError

BLOCKS = np.arange(100).reshape(10, 10)[np.indices((60, 60))[0] // 6, np.indices((60, 60))[1] // 6]
PLAIN = Segments(0.1, scale=1, sigma=0, min_size=1)


def checkers(dtype=np.uint8, planes=None):
    """100 blocks of 6 x 6 px, each of its own colour; one cell over half a block and another over two."""
    colour = np.random.default_rng(0).permutation(100)[BLOCKS]
    pixels = np.stack([colour, 7 * colour % 100, 13 * colour % 100]).astype(dtype)
    instances = np.zeros((60, 60), dtype=np.int32)
    instances[:6, :3], instances[12:18, 12:24] = 3, 8
    if planes:
        pixels, instances = np.stack([pixels] * planes, axis=1), np.stack([instances] * planes)
    return CellImage(pixels=pixels, instances=instances)


def segments(image):
    low, high = image.pixels.min(), image.pixels.max()
    return felzenszwalb((np.moveaxis(image.pixels, 0, -1).astype(float) - low) / (high - low), scale=1, sigma=0, min_size=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_share_of_the_segments_with_background_becomes_objects(dtype):
    image = checkers(dtype)
    found = segments(image)
    candidates = np.unique(found[image.instances == 0])
    worse = perturb(image, PLAIN, np.random.default_rng(0))
    new = worse.ids[worse.ids > 8]
    assert len(new) == np.floor(len(candidates) * 0.1 + 0.5) > 3
    assert new.tolist() == list(range(9, 9 + len(new)))
    for own in new:
        where = worse.instances == own
        assert len(np.unique(found[where])) == 1
        assert (where == ((found == found[where][0]) & (image.instances == 0))).all()
    assert (worse.instances[image.instances > 0] == image.instances[image.instances > 0]).all()


def test_segments_with_cells_are_wiped():
    image = checkers()
    found = segments(image)
    worse = perturb(image, Segments(0, removed=1, scale=1, sigma=0, min_size=1), np.random.default_rng(0))
    assert worse.ids.tolist() == []
    with_cells = len(np.unique(found[image.instances > 0]))
    half = perturb(image, Segments(0, removed=0.5, scale=1, sigma=0, min_size=1), np.random.default_rng(0))
    gone = (half.instances != image.instances) & (half.instances == 0)
    assert len(np.unique(found[gone])) == np.floor(with_cells * 0.5 + 0.5)
    assert set(half.ids.tolist()) <= {3, 8}


def test_planes_have_segments_of_their_own():
    worse = perturb(checkers(planes=2), PLAIN, np.random.default_rng(0))
    first, second = (set(plane[plane > 8].tolist()) for plane in worse.instances)
    assert first
    assert second
    assert not first & second


def test_an_even_image_and_holes_in_it_pass():
    pixels = np.full((1, 20, 20), np.nan, dtype=np.float32)
    worse, _ = perturb_labels(np.zeros((20, 20), int), Segments(1), np.random.default_rng(0), pixels=pixels)
    assert (worse == 1).all()


def test_pixels_are_needed():
    with pytest.raises(ConfigError, match="segments are found in pixels; the array has labels only"):
        perturb_labels(np.ones((4, 4), int), Segments(), np.random.default_rng(0))
