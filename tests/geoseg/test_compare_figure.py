import numpy as np
import pytest
from matplotlib.image import imread

from geoseg.columns import Column
from geoseg.compare_figure import COLOURS, draw_comparison
from geoseg.comparison import Cell, Comparison, Tally
from segcore.cam.choice import MapChoice

CHOICE = MapChoice("grad-cam", "last$_")


def comparison(values, *, control=None, columns=1):
    def tally(value):
        return Tally(hits=np.array([100.0 * value]), found=np.array([100.0]), expert=np.array([100.0]))

    cells = [
        Cell(view=v, network="ensemble", column=c, choice=CHOICE, tally=tally(value))
        for v, value in enumerate(values)
        for c in range(columns)
    ]
    return Comparison(
        names=tuple(f"model {v}" for v in range(len(values))),
        archs=("net",) * len(values),
        columns=(Column(str(CHOICE), (CHOICE,) * len(values)),) * columns,
        cells=tuple(cells),
        fits=(),
        discs=None if control is None else tally(control),
        radii=None,
        sites=Sites(),
    )


class Sites:
    unseen = 1

    def __len__(self):
        return 1


def rows_coloured(path, colour):
    """Mean row of the pixels of one colour above the legend, as a share of the picture's height from below."""
    picture = (255 * imread(path)[..., :3]).round().astype(int)
    picture = picture[: int(0.8 * len(picture))]
    hit = (picture == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2)
    return np.flatnonzero(hit.any(axis=1)), len(picture)


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.8), (0.4, 0.5)])
def test_a_better_model_stands_higher(tmp_path, low, high):
    draw_comparison(tmp_path / "a.png", comparison([low, high]))
    worse, better = (rows_coloured(tmp_path / "a.png", colour)[0].mean() for colour in COLOURS[:2])
    assert better < worse


def test_the_distance_is_that_of_the_values(tmp_path):
    draw_comparison(tmp_path / "a.png", comparison([0.2, 0.4, 0.8]))
    first, second, third = (rows_coloured(tmp_path / "a.png", colour)[0].mean() for colour in COLOURS[:3])
    assert (first - third) / (first - second) == pytest.approx(3, rel=0.05)


def test_many_columns_make_a_wider_picture(tmp_path):
    draw_comparison(tmp_path / "few.png", comparison([0.5], columns=2))
    draw_comparison(tmp_path / "many.png", comparison([0.5], columns=12))
    assert imread(tmp_path / "many.png").shape[1] > 1.5 * imread(tmp_path / "few.png").shape[1]


def test_the_control_is_a_dashed_line_across(tmp_path):
    draw_comparison(tmp_path / "with.png", comparison([0.5], control=0.3))
    picture = (255 * imread(tmp_path / "with.png")[..., :3]).round().astype(int)
    grey = (picture == 0x99).all(axis=2).sum(axis=1)
    assert grey.max() > 0.3 * picture.shape[1]
