import numpy as np
import pytest

from segcore.errors import InputError
from segcore.io.axes import resolve


@pytest.mark.parametrize(
    ("axes", "shape", "given", "czyx"),
    [
        ("YX", (4, 5), None, (1, 1, 4, 5)),
        ("YXS", (4, 5, 3), None, (3, 1, 4, 5)),
        ("CYX", (2, 4, 5), None, (2, 1, 4, 5)),
        ("ZCYX", (7, 2, 4, 5), None, (2, 7, 4, 5)),
        ("TCYX", (1, 2, 4, 5), None, (2, 1, 4, 5)),
        ("QYX", (1, 4, 5), None, (1, 1, 4, 5)),
        ("IYX", (6, 4, 5), "CYX", (6, 1, 4, 5)),
        ("IYX", (6, 4, 5), "ZYX", (1, 6, 4, 5)),
        ("QQYX", (2, 6, 4, 5), "CZYX", (2, 6, 4, 5)),
        ("IYXS", (6, 4, 5, 3), "CZYX", (3, 6, 4, 5)),
        ("ZYX", (6, 4, 5), "CYX", (1, 6, 4, 5)),
    ],
)
def test_axes_find_their_place(axes, shape, given, czyx):
    assert resolve(axes, shape, given=given, name="file").czyx == czyx


def test_ordered_moves_each_axis_to_its_place():
    array = np.arange(2 * 3 * 4 * 5).reshape(3, 4, 5, 2)
    layout = resolve("ZYXS", array.shape, name="file")
    assert np.array_equal(layout.ordered(array[layout.key(Z=slice(1, 2))]), np.moveaxis(array[1:2], 3, 0))


@pytest.mark.parametrize(
    ("axes", "shape", "given", "words"),
    [
        ("IYX", (6, 4, 5), None, "axes are never guessed; file is an array"),
        ("QQYX", (2, 6, 4, 5), None, "axes are never guessed"),
        ("QQYX", (2, 6, 4, 5), "CYX", "CYX does not settle it"),
        ("IYX", (6, 4, 5), "CZYX", "CZYX does not settle it"),
        ("TYX", (6, 4, 5), None, "one point in time; file has 6"),
        ("CYXS", (6, 4, 5, 3), None, "C and Z at most once"),
        ("ZX", (6, 4), None, "has the axes Y and X"),
        ("YX", (0, 4), None, "has the axes Y and X"),
    ],
)
def test_doubt_is_refused(axes, shape, given, words):
    with pytest.raises(InputError, match=words):
        resolve(axes, shape, given=given, name="file")
