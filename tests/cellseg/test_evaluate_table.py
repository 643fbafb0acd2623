import csv
import json

import numpy as np
import pytest

from cellseg.evaluate_scores import Scores
from cellseg.evaluate_table import Row, Table, write_csv, write_markdown
from segcore.errors import ConfigError
from segcore.metrics.pixels import Counts


def scores(tp, fp, fn, *ious, found=2, expected=2, **more):
    more = {"thresholds": (0.5, 0.75)} | more
    return Scores(pixels=Counts(tp, fp, fn), ious=np.array(ious, float), found=found, expected=expected, **more)


def table(*rows, targets=(None,)):
    own = tuple(Row(image=name, target=target, scores=scores) for name, target, scores in rows)
    return Table(rows=own, targets=targets, thresholds=(0.5, 0.75))


TWO = table(("a|b", None, scores(8, 2, 2, 0.6, 0.8)), ("c", None, scores(2, 0, 0, 1.0, found=1, expected=1)))
EMPTY = ("nothing", None, scores(0, 0, 0, found=0, expected=0))


def read(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_csv_has_the_pooled_row_first(tmp_path):
    write_csv(tmp_path / "t.csv", TWO)
    rows = read(tmp_path / "t.csv")
    assert [(row["class"], row["image"]) for row in rows] == [("all cells", ""), ("all cells", "a|b"), ("all cells", "c")]
    assert (rows[0]["dice"], rows[0]["matched"], rows[0]["f1_0.75"], rows[0]["ap_0.75"]) == ("0.833333", "3", "0.666667", "0.500000")
    assert rows[1]["median_dice"] == f"{(1.2 / 1.6 + 1.6 / 1.8) / 2:.6f}"


def test_a_share_of_nothing_is_an_empty_field(tmp_path):
    write_csv(tmp_path / "t.csv", table(EMPTY))
    assert read(tmp_path / "t.csv")[1]["dice"] == ""


def test_markdown_by_hand(tmp_path):
    write_markdown(tmp_path / "t.md", TWO)
    text = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert "| all cells | 0.833 | 0.714 | 0.833 | 0.833 | 1.000 | 1.000 | 1.000 | 1.000 | 0.889 | 3 | 3 |\n" in text
    assert "| all cells | F1 | 1.000 | 0.667 | 0.833 |\n| all cells | AP | 1.000 | 0.500 | 0.750 |\n" in text
    assert text.index("| a\\|b |") < text.index("| c |")
    assert "unknown" not in text


def test_markdown_tells_of_ignored_pixels_and_leaves_out_empty_images(tmp_path):
    write_markdown(tmp_path / "t.md", table(("a", None, scores(1, 0, 0, ignored=9, abstained=4)), EMPTY))
    text = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert "9 pixels are unknown and count for neither side; 4 of them only to the prediction." in text
    assert "nothing" not in text


def test_of_many_images_the_worst_are_listed(tmp_path):
    write_markdown(tmp_path / "t.md", table(*((f"i{tp:02d}", None, scores(tp, 9, 0)) for tp in range(1, 31))))
    text = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert "## The 20 images with the lowest Dice" in text
    assert "| i20 |" in text
    assert "| i21 |" not in text


def test_json_has_no_nan():
    assert "NaN" not in json.dumps(table(EMPTY).as_dict(), allow_nan=False)
    assert TWO.as_dict()["pooled"]["all cells"]["matched"] == 3


def test_a_class_that_was_not_scored_is_refused():
    own = table(("a", "round", scores(1, 0, 0)), targets=("round",))
    assert own.pooled().dice == own.pooled("round").dice == 1
    with pytest.raises(ConfigError, match=r"got 'lobed', there is round. Choose one of them.$"):
        own.pooled("lobed")
