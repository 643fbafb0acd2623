import numpy as np
from matplotlib.image import imread

from geoseg.contact import contact_sheet


def test_both_classes_are_framed_and_ids_are_no_mathematics(tmp_path):
    chips = np.full((4, 1, 20, 20), 128, np.uint8)
    contact_sheet(chips, [1, 1, 0, 0], [r"$\frac{", "b", "c_{", "d"], tmp_path / "x.png", window=8)
    picture = np.rint(imread(tmp_path / "x.png")[..., :3] * 255).astype(int)
    for colour in ((0x1F, 0x77, 0xB4), (0xFF, 0x7F, 0x0E)):
        assert (np.abs(picture - colour).max(axis=-1) < 40).sum() > 50


def test_at_most_48_of_a_class_are_drawn(tmp_path):
    chips = np.zeros((200, 1, 4, 4), np.uint8)
    contact_sheet(chips, [1] * 100 + [0] * 100, ["a"] * 200, tmp_path / "many.png", window=2)
    contact_sheet(chips[:96], [1] * 48 + [0] * 48, ["a"] * 96, tmp_path / "all.png", window=2)
    assert (tmp_path / "many.png").read_bytes() == (tmp_path / "all.png").read_bytes()
