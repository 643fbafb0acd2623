import hashlib

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from shapely import box

from geoseg.figures import COLOURS
from geoseg.panel import EDGE, PALETTE, Cell, Column, Row, draw_panel, soften, wrapped
from segcore.errors import ConfigError, ShapeError

SIZE, ZOOM = 60, 4
GREY = 77
MAP = Affine(2.0, 0, 500_000, 0, -2.0, 4_000_000)


def row(*maps, valid=None, size=SIZE, label=("model", "arch"), text="peak", note="", transform=MAP):
    return Row(
        label=label,
        image=np.full((size, size), GREY, np.uint8),
        valid=np.ones((size, size), bool) if valid is None else valid,
        transform=transform,
        metres=2.0,
        cells=tuple(None if values is None else Cell(values=np.asarray(values, np.float32), text=text, note=note) for values in maps),
    )


def flat(value, size=SIZE):
    return np.full((size, size), value, np.float32)


def panel(path, rows, columns=None, **options):
    """(H, W, 3) int of the picture."""
    draw_panel(path, [Column(title="m")] * len(rows[0].cells) if columns is None else columns, rows, **options)
    return np.rint(imread(path)[..., :3] * 255).astype(int)


def image_place(picture):
    """(rows, cols) of the image alone: many pixels of its grey, unlike text."""
    grey = (picture == GREY).all(axis=-1)
    return tuple(np.flatnonzero(grey.sum(axis=axis) > 50) for axis in (1, 0))


def cells(picture, count, edge=SIZE * ZOOM):
    """The cells of a one-row panel: the image is found by its grey, the others follow at a fixed distance."""
    rows, cols = image_place(picture)
    top, left = rows.min(), cols.min()
    return [picture[top : top + edge - 1, x : x + edge - 1] for x in left + (edge + 10) * np.arange(count)]


def blended(value, under):
    *colour, alpha = PALETTE(value)
    return 255 * alpha * np.array(colour) + (1 - alpha) * under


def reddish(picture):
    red = np.array(list(bytes.fromhex(COLOURS["expert"][1:])))
    return (np.abs(picture - red) <= 60).all(axis=-1)


def test_a_blob_is_drawn_where_it_is(tmp_path):
    values = flat(0)
    values[10:20, 30:45] = 1
    image, drawn = cells(panel(tmp_path / "p.png", [row(values)]), 2)
    below = soften(np.array([GREY], np.uint8))[0]
    assert image.shape == drawn.shape
    changed = np.argwhere((drawn != below).any(axis=-1)[4:-4, 4:-4]) + 4
    assert np.abs(changed.min(axis=0) - (10 * ZOOM, 30 * ZOOM)).max() <= 1
    assert np.abs(changed.max(axis=0) - (20 * ZOOM - 1, 45 * ZOOM - 1)).max() <= 1
    assert np.abs(drawn[15 * ZOOM, 37 * ZOOM] - blended(1.0, below)).max() <= 2


@pytest.mark.parametrize("value", [0.0, 0.1, 0.5, 1.0])
def test_a_value_has_one_colour_whatever_stands_beside_it(tmp_path, value):
    below = int(soften(np.array([GREY], np.uint8))[0])
    colours = []
    for other in (0.0, 1.0):
        _, drawn, _ = cells(panel(tmp_path / f"{other}.png", [row(flat(value), flat(other))]), 3)
        colours.append(drawn[100, 100])
    assert (colours[0] == colours[1]).all()
    assert np.abs(colours[0] - blended(value, below)).max() <= 2


def test_an_empty_map_is_the_image_and_a_faint_one_stays_faint(tmp_path):
    below = int(soften(np.array([GREY], np.uint8))[0])
    _, empty, faint, strong = cells(panel(tmp_path / "p.png", [row(flat(0), flat(0.05), flat(1))]), 4)
    assert (empty[5:-5, 5:-5] == below).all()
    assert np.abs(faint[100, 100] - below).max() < 12 < 80 < np.abs(strong[100, 100] - below).max()


def test_the_palette_rises_from_transparent():
    alpha = PALETTE(np.linspace(0, 1, 256))[:, 3]
    assert alpha[0] == 0
    assert (np.diff(alpha) > 0).all()


def test_the_expert_is_red_at_its_place_on_every_cell(tmp_path):
    site = box(500_000 + 2 * 10, 4_000_000 - 2 * 50, 500_000 + 2 * 40, 4_000_000 - 2 * 20)
    far = shapely.transform(site, lambda xy: xy + 10_000)
    for cell in cells(panel(tmp_path / "p.png", [row(flat(0), flat(0.6))], expert=[far, site]), 3):
        ring = np.argwhere(reddish(cell))
        assert np.abs(ring.min(axis=0) - (20 * ZOOM, 10 * ZOOM)).max() <= 2
        assert np.abs(ring.max(axis=0) - (50 * ZOOM, 40 * ZOOM)).max() <= 2
        assert not reddish(cell[25 * ZOOM : 45 * ZOOM, 15 * ZOOM : 35 * ZOOM]).any()


def test_an_expert_elsewhere_draws_nothing(tmp_path):
    drawn = cells(panel(tmp_path / "p.png", [row(flat(0))], expert=[box(0, 0, 1, 1)]), 2)
    assert not any(reddish(cell).any() for cell in drawn)


def test_a_missing_map_is_a_blank_cell_with_words(tmp_path):
    _, blank, other = cells(panel(tmp_path / "p.png", [row(None, flat(0))], absent="not calibrated"), 3)
    assert (blank[:90, 5:-5] == 0xF0).all()
    assert (blank[90:150] < 200).any()
    assert (other[100, 100] == soften(np.array([GREY], np.uint8))[0]).all()


def test_nodata_is_white_on_every_cell(tmp_path):
    valid = np.ones((SIZE, SIZE), bool)
    valid[:, 40:] = False
    for cell in cells(panel(tmp_path / "p.png", [row(flat(0), valid=valid)]), 2):
        assert (cell[5:-20, 41 * ZOOM : -5] == 255).all()
        assert (cell[5:150, 5 : 39 * ZOOM] < 130).all()


def test_windows_of_other_sizes_share_one_grid(tmp_path):
    rows = [row(flat(0), label=("a",)), row(flat(0.0, 128), size=128, label=("b",)), row(flat(0, 30), size=30, label=("c",))]
    draw_panel(tmp_path / "p.png", [Column(title="m")], rows)
    seen = np.rint(imread(tmp_path / "p.png")[..., :3] * 255)
    across = np.flatnonzero((seen == GREY).all(axis=-1).sum(axis=0) > 600)
    assert 250 <= across.max() - across.min() <= 256


@pytest.mark.parametrize(("size", "edge"), [(30, 240), (32, 256), (128, 256), (240, 240), (400, 400), (1000, 480)])
def test_a_pixel_becomes_a_whole_number_of_pixels_up_to_a_limit(tmp_path, size, edge):
    picture = panel(tmp_path / "p.png", [row(flat(0, size), size=size)])
    _, cols = image_place(picture)
    assert EDGE[0] <= edge <= EDGE[1]
    assert edge - 3 <= cols.max() - cols.min() + 1 <= edge


def test_long_words_stay_in_their_place(tmp_path):
    name = "a_very_long_folder/of_a_model-with-WWWWWWWWWWWWWWWWWWWWWWWWWW.and.more"
    layer = "+".join(f"features.denseblock{number}.denselayer16" for number in range(1, 5))
    long = panel(
        tmp_path / "p.png",
        [row(flat(0), flat(0), label=(name, "densenet121.with_a_long_tag_in1k"), text="peak 0.83 ± 0.10", note=layer)],
        [Column(title="smooth-guided-grad-cam", note=layer)] * 2,
    )
    _, cols = image_place(long)
    left, right = cols.min() - 2, cols.max() + 2
    for x in (left, right + SIZE * ZOOM + 10):
        between = slice(x - 5, x - 1) if x == left else slice(x + 1, x + 6)
        assert (long[40:-60, between] == 255).all()
    assert (long[:, -10:] == 255).all()
    assert (long[:, :8] == 255).all()


@given(st.text(alphabet="abW/+-_. 0", max_size=60), st.integers(40, 300))
@settings(max_examples=40, deadline=None)
def test_wrapping_loses_nothing_but_blanks(text, width):
    lines = wrapped(text, width, 10.0)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_numbers_are_not_broken_at_their_point():
    assert wrapped("site 0.93", 52, 10.0) == ["site", "0.93"]
    assert wrapped("features.block", 80, 10.0) == ["features.", "block"]
    assert wrapped("", 10, 10.0) == []


def test_same_input_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        panel(tmp_path / name, [row(flat(0.3), None)], caption="x", remark="y", expert=[box(500_000, 3_999_900, 500_050, 4_000_000)])
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.png", "b.png")}
    assert len(digests) == 1
    assert b"matplotlib" not in (tmp_path / "a.png").read_bytes()


def test_text_is_not_mathematics(tmp_path):
    bad = r"$\frac{"
    panel(
        tmp_path / "p.png",
        [row(flat(0), None, label=(bad,), text=bad, note=bad)],
        [Column(title=bad, note=bad)] * 2,
        caption=bad,
        absent=bad,
    )


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="at least one row"):
        draw_panel(tmp_path / "p.png", [], [])
    with pytest.raises(ShapeError, match="one cell a column, 2, got 1"):
        draw_panel(tmp_path / "p.png", [Column(title="a")] * 2, [row(flat(0))])
    with pytest.raises(ShapeError, match=r"share one size \(h, w\), got \(60, 60\) and \(9, 9\)"):
        draw_panel(tmp_path / "p.png", [Column(title="a")], [row(flat(0, 9))])
    assert list(tmp_path.iterdir()) == []
