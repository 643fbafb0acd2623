import numpy as np
import pytest

from cellseg.evaluate import evaluate_datasets
from cellseg.evaluate_names import named
from cellseg.image import CellImage
from segcore.errors import ConfigError, InputError, ShapeError


def image(name, classes=("round", "lobed"), size=9):
    """A cell of each class."""
    instances = np.zeros((size, size), np.int32)
    for number in range(1, len(classes) + 1):
        instances[3 * number - 3 : 3 * number - 1, :4] = number
    return CellImage(name=name, pixels=np.zeros((1, size, size), np.uint8), instances=instances, classes=dict(enumerate(classes, start=1)))


class Folder:
    """What evaluate needs of a dataset; remembers what was read."""

    def __init__(self, images, classes):
        self.images, self.classes, self.read = {own.name: own for own in images}, classes, []

    @property
    def names(self):
        return tuple(self.images)

    def __getitem__(self, key):
        self.read.append(key)
        return self.images[key]


def test_names_that_do_not_pair_are_listed():
    with pytest.raises(InputError, match=r"^images are paired by name; not found: b, c; not expected: d. Give both sides the same names.$"):
        evaluate_datasets([image("a"), image("d")], [image("a"), image("b"), image("c")])


def test_of_many_names_a_few_are_listed():
    with pytest.raises(InputError, match=r"not found: 0, 1, 2, 3, 4 and 15 more. Give"):
        evaluate_datasets([], [image(str(number)) for number in range(20)])


def test_nothing_to_compare_is_refused():
    with pytest.raises(InputError, match="there is none"):
        evaluate_datasets([], [])


def test_a_name_that_comes_twice_is_refused():
    with pytest.raises(InputError, match="a comes twice"):
        evaluate_datasets([image("a"), image("a")], [image("a")])


def test_sizes_that_differ_name_the_image():
    with pytest.raises(ShapeError, match=r"b is \(9, 9\) where found and \(12, 12\) where expected"):
        evaluate_datasets([image("a"), image("b")], [image("a"), image("b", size=12)])


def test_a_dataset_is_read_image_by_image():
    folder = Folder([image("a"), image("b")], ("round", "lobed"))
    assert named(folder) is folder
    table = evaluate_datasets(folder, Folder(folder.images.values(), ("round", "lobed")))
    assert folder.read == ["a", "b"]
    assert table.targets == (None, "round", "lobed")


def test_an_unknown_target_is_refused():
    with pytest.raises(ConfigError, match=r"a class of the reference; got 'flat', there is lobed, round. Choose one.$"):
        evaluate_datasets([image("a")], [image("a")], "flat")
    with pytest.raises(ConfigError, match=r"got 'round', the predictions know nucleus. Rename the class.$"):
        evaluate_datasets(Folder([image("a", ())], ("nucleus",)), [image("a")], "round")


def test_a_class_alone_and_all_of_them():
    wrong = image("a", ("round", "round"))
    table = evaluate_datasets([wrong], [image("a")])
    assert table.targets == (None, "lobed", "round")
    assert [table.pooled(each).dice for each in ("lobed", "round")] == [0, 2 / 3]
    assert table.pooled().dice == 1
    assert evaluate_datasets([wrong], [image("a")], "round").pooled().dice == 2 / 3


def test_predictions_without_classes_are_of_the_target_or_of_all():
    blind = [image("a", ("cell", "cell"))]
    assert evaluate_datasets(blind, [image("a")]).targets == (None,)
    assert evaluate_datasets(blind, [image("a")], "round").pooled().dice == 2 / 3


def test_classes_of_the_whole_set_decide_not_those_of_an_image():
    """An image without cells of the target is no misfit, and its other cells are no false alarms."""
    images = [image("a"), image("b", ("lobed",))]
    table = evaluate_datasets(images, images, "round")
    assert [row.scores.pixels.fp for row in table.rows] == [0, 0]
    assert np.isnan(table.rows[1].scores.dice)


def test_a_prediction_that_lost_all_cells_of_the_target_scores_nought():
    assert evaluate_datasets([image("a", ("lobed",))], [image("a")], "lobed").pooled().dice == 0
