import hashlib

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import get_backend
from matplotlib.image import imread
from rasterio.crs import CRS
from shapely import Point, box

from geoseg.figures import AGREEMENT, COLOURS, MAX_EDGE, Layer, confusion_overlay, overlay, preview, round_length, thumbnail
from geoseg.grid import GeoGrid
from segcore.errors import ConfigError, ShapeError
from segcore.io.memory import MemoryImage
from segcore.windows import Window

MAP = Affine(2.0, 0, 500_000, 0, -2.0, 4_000_000)
GREY = np.full((400, 800), 128, np.uint8)


def at(col, row, width, height):
    """A rectangle in pixels of GREY."""
    return box(500_000 + 2 * col, 4_000_000 - 2 * (row + height), 500_000 + 2 * (col + width), 4_000_000 - 2 * row)


def pixels(path):
    """(H, W, 3) uint8."""
    return np.rint(imread(path)[..., :3] * 255).astype(np.uint8)


def colour(text):
    return np.array(list(bytes.fromhex(text[1:])), dtype=int)


def near(picture, text, tolerance=12):
    """Where a picture has a colour, (H, W)."""
    return (np.abs(picture.astype(int) - colour(text)) <= tolerance).all(axis=-1)


def test_outlines_lie_on_their_pixels(tmp_path):
    layers = [
        Layer(kind="expert", shapes=[at(100, 100, 50, 50)], label="expert"),
        Layer(kind="found", shapes=[at(300, 200, 80, 40)], label="found"),
        Layer(kind="points", shapes=[Point(500_000 + 2 * 600, 4_000_000 - 2 * 300)], label="points"),
    ]
    overlay(tmp_path / "x.png", GREY, MAP, layers)
    picture = pixels(tmp_path / "x.png")[:400]
    assert picture.shape == (400, 800, 3)
    for kind, rows, cols in (("expert", (100, 150), (100, 150)), ("found", (200, 240), (300, 380)), ("points", (300, 300), (600, 600))):
        drawn = np.argwhere(near(picture, COLOURS[kind], 60))
        low, high = drawn.min(axis=0), drawn.max(axis=0)
        assert np.abs(low - (rows[0], cols[0])).max() <= 4
        assert np.abs(high - (rows[1], cols[1])).max() <= 4
    assert (picture[120:130, 120:130] == 128).all()


def test_agreement_colours(tmp_path):
    confusion_overlay(tmp_path / "x.png", GREY, MAP, [at(100, 100, 100, 100)], [at(150, 100, 100, 100)], ignore=[at(160, 150, 200, 100)])
    picture = pixels(tmp_path / "x.png")
    share = 140 / 255
    for name, row, col in (("found only", 150, 125), ("both", 125, 175), ("expert only", 125, 225)):
        mixed = share * colour(AGREEMENT[name]) + (1 - share) * 128
        assert np.abs(picture[row, col] - mixed).max() <= 2, name
    assert (picture[175, 180] == 128).all()
    assert (picture[300, 300] == 128).all()


def test_same_input_same_bytes(tmp_path):
    layers = [Layer(kind="found", shapes=[at(100, 100, 50, 50)], label="found")]
    for name in ("a", "b"):
        overlay(tmp_path / name, GREY, MAP, layers, title="a scene")
        confusion_overlay(tmp_path / f"{name}c", GREY, MAP, [at(1, 1, 5, 5)], [])
    digests = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a", "b", "ac", "bc")]
    assert digests[0] == digests[1]
    assert digests[2] == digests[3]
    assert b"matplotlib" not in (tmp_path / "a").read_bytes()


def test_large_scenes_are_averaged_down_and_layers_follow(tmp_path):
    image = np.zeros((1000, 4000), np.uint8)
    image[500:, :] = 255
    layers = [Layer(kind="expert", shapes=[at(3000, 600, 300, 300)], label="expert")]
    overlay(tmp_path / "x.png", image, MAP, layers)
    picture = pixels(tmp_path / "x.png")
    assert picture.shape[1] == 4000 // 3 + 1 <= MAX_EDGE
    drawn = np.argwhere(near(picture[:333], COLOURS["expert"], 60))
    assert np.abs(drawn.min(axis=0) - (200, 1000)).max() <= 3
    assert (picture[10, 10], picture[250, 10]) == (pytest.approx([0] * 3), pytest.approx([255] * 3))


def test_small_scenes_are_enlarged_by_whole_pixels(tmp_path):
    image = np.zeros((40, 50), np.uint8)
    image[20, 30] = 255
    overlay(tmp_path / "x.png", image, MAP, [])
    picture = pixels(tmp_path / "x.png")
    zoom = 13
    white = np.argwhere((picture[: 40 * zoom] == 255).all(axis=-1))
    block = white[(white[:, 0] >= 20 * zoom) & (white[:, 0] < 21 * zoom) & (white[:, 1] >= 30 * zoom) & (white[:, 1] < 31 * zoom)]
    assert len(block) == zoom**2


def test_text_is_not_mathematics(tmp_path):
    layers = [Layer(kind="ignore", shapes=[None, shapely.Polygon(), at(5, 5, 9, 9)], label=r"$\frac{")]
    overlay(tmp_path / "x.png", GREY, MAP, layers, title=r"scene $_{ of $\alpha")
    assert (tmp_path / "x.png").stat().st_size > 0


def test_no_state_of_pyplot_is_touched(tmp_path):
    import matplotlib.pyplot as plt

    before = get_backend(), plt.get_fignums()
    overlay(tmp_path / "x.png", GREY, MAP, [])
    assert (get_backend(), plt.get_fignums()) == before


def test_images_that_cannot_be_drawn_are_refused(tmp_path):
    for image in (np.zeros((3, 4, 5), np.uint8), np.zeros((4, 5), np.uint16)):
        with pytest.raises(ShapeError, match=r"\(H, W\) uint8"):
            overlay(tmp_path / "x.png", image, MAP, [])
    assert list(tmp_path.iterdir()) == []


def test_thumbnail_averages():
    image = np.arange(5 * 7, dtype=np.uint8).reshape(1, 5, 7)
    small, factor = thumbnail(MemoryImage(image), limit=4)
    assert factor == 2
    assert small.shape == (3, 4)
    assert small[0, 0] == round((0 + 1 + 7 + 8) / 4)
    assert small[2, 3] == 34
    assert small[0, 3] == round((6 + 13) / 2)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_thumbnails_fit_and_constants_stay(height, width, limit):
    small, factor = thumbnail(MemoryImage(np.full((1, height, width), 77, np.uint8)), limit=limit)
    assert max(small.shape) <= limit
    assert small.shape == (-(-height // factor), -(-width // factor))
    assert (small == 77).all()


def test_thumbnail_refuses():
    with pytest.raises(ShapeError, match="got uint16"):
        thumbnail(MemoryImage(np.zeros((1, 4, 4), np.uint16)))
    with pytest.raises(ConfigError, match="at least 1 pixel"):
        thumbnail(MemoryImage(np.zeros((1, 4, 4), np.uint8)), limit=0)


@pytest.mark.parametrize(("limit", "length"), [(1000, 1000), (999, 500), (4.9, 2), (0.7, 0.5), (20, 20)])
def test_scale_bars_have_round_lengths(limit, length):
    assert round_length(limit) == pytest.approx(length)


def test_a_preview_shows_a_region_with_what_is_in_it(tmp_path):
    grid = GeoGrid(crs=CRS.from_epsg(32638), transform=MAP, height=400, width=800)
    image = np.full((1, 400, 800), 128, np.uint8)
    region = Window(100, 200, 200, 400)
    point = Point(500_000 + 2 * 500, 4_000_000 - 2 * 250)
    preview(
        MemoryImage(image), grid, region, tmp_path / "x.png", found=[at(250, 150, 60, 60)], points=[point], expert=[at(400, 150, 50, 50)]
    )
    picture = pixels(tmp_path / "x.png")
    scale = picture.shape[1] / 400
    for kind, rows, cols in (("found", (50, 110), (50, 110)), ("expert", (50, 100), (200, 250)), ("points", (150, 150), (300, 300))):
        drawn = np.argwhere(near(picture[: int(200 * scale)], COLOURS[kind], 60)) / scale
        assert np.abs(drawn.min(axis=0) - (rows[0], cols[0])).max() <= 4
        assert np.abs(drawn.max(axis=0) - (rows[1], cols[1])).max() <= 4


def test_a_preview_without_finds_is_the_scene(tmp_path):
    grid = GeoGrid(crs=CRS.from_epsg(32638), transform=MAP, height=400, width=800)
    preview(MemoryImage(np.full((1, 400, 800), 77, np.uint8)), grid, grid.extent, tmp_path / "x.png", found=[])
    assert (pixels(tmp_path / "x.png")[:200] == 77).all()
