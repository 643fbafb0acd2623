import numpy as np
from matplotlib.image import imread

from cellseg.evaluate_figure import draw_table
from cellseg.evaluate_scores import Scores
from cellseg.evaluate_table import Row, Table
from segcore.metrics.pixels import Counts


def table(*dices, targets=("round $1$", "lobed")):
    def scores(tp):
        return Scores(pixels=Counts(tp, 100 - tp, 100 - tp), found=3, expected=3, ious=np.array([0.7]))

    rows = [Row(image=str(number), target=target, scores=scores(tp)) for target in targets for number, tp in enumerate(dices)]
    return Table(rows=tuple(rows), targets=targets, thresholds=(0.5, 0.75))


def dots(path):
    """Rows of pixels that have the blue of the first class."""
    image = (imread(path)[..., :3] * 255).round().astype(int)
    return np.flatnonzero((np.abs(image - (0x00, 0x72, 0xB2)).max(axis=2) < 3)[:, image.shape[1] // 2 :].any(axis=1))


def test_the_same_table_makes_the_same_bytes(tmp_path):
    for name in "ab":
        draw_table(tmp_path / name, table(10, 60, 80))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_better_images_are_drawn_higher(tmp_path):
    draw_table(tmp_path / "bad.png", table(10, 20))
    draw_table(tmp_path / "good.png", table(80, 90))
    assert dots(tmp_path / "good.png").max() < dots(tmp_path / "bad.png").min()


def test_images_without_cells_have_no_dot(tmp_path):
    nothing = Table(rows=(Row(image="a", target=None, scores=Scores()),), targets=(None,), thresholds=(0.5,))
    draw_table(tmp_path / "a.png", nothing)
    assert dots(tmp_path / "a.png").size == 0
