import numpy as np
import pytest

from cellseg.contact import COLOURS, EDGE, IGNORED, draw_contact, make_tile
from cellseg.image import IGNORE, CellImage
from segcore.errors import ConfigError
from segcore.io.png import read_png

TWO = "epithelial", "lymphocyte"


def colour(text):
    return [int(text[at : at + 2], 16) for at in (1, 3, 5)]


def test_outlines_have_the_colour_of_their_class():
    instances = np.zeros((EDGE, EDGE), np.int32)
    instances[10:20, 10:20], instances[10:20, 20:30], instances[-5:] = 1, 2, IGNORE
    image = CellImage(name="a", pixels=np.full((1, EDGE, EDGE), 100, np.uint8), instances=instances, classes={1: TWO[0], 2: TWO[1]})
    tile = make_tile(image, TWO)
    assert tile.picture.shape == (EDGE, EDGE, 3)
    assert tile.picture[10, 10].tolist() == tile.picture[15, 19].tolist() == colour(COLOURS[0])
    assert tile.picture[15, 20].tolist() == colour(COLOURS[1])
    assert tile.picture[15, 15].tolist() == tile.picture[50, 50].tolist() == [100, 100, 100]
    assert tile.picture[-1, 0].tolist() == [int(100 * IGNORED)] * 3
    assert tile.note == f"{EDGE} x {EDGE} px, 2 objects"


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (3000, 40), (64, 80)])
def test_any_size_fits(shape):
    image = CellImage(pixels=np.zeros((1, *shape), np.float32), instances=np.ones(shape, np.int32))
    high, broad, _ = make_tile(image, ("cell",)).picture.shape
    assert 1 <= high <= EDGE
    assert 1 <= broad <= EDGE
    assert max(high, broad) > EDGE // 2


def test_channels_and_volumes(volume):
    assert make_tile(volume, ("cell",)).note == "12 x 40 x 48 px, 4 objects"
    image = CellImage(
        pixels=np.stack([np.full((30, 30), value, np.uint8) for value in (9, 99, 199)]), instances=np.zeros((30, 30), np.int32)
    )
    assert make_tile(image, ("cell",)).picture[3, 3].tolist() == [9, 99, 199]


def test_the_sheet(tmp_path, image):
    tile = make_tile(image, TWO)
    draw_contact(tmp_path / "a.png", [tile] * 8, TWO)
    found = read_png(tmp_path / "a.png")[..., :3]
    height, width = tile.picture.shape[:2]
    assert np.array_equal(found[12 : 12 + height, 12 : 12 + width], tile.picture)
    draw_contact(tmp_path / "b.png", [tile] * 8, TWO)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with pytest.raises(ConfigError, match="shows 1 to 24 images, got 0"):
        draw_contact(tmp_path / "c.png", [], TWO)
