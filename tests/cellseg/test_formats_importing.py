import json
import shutil

import numpy as np
import pytest

import cellseg.formats.names as names
from cellseg.dataset import open_dataset
from cellseg.formats.classes import read_class_table
from cellseg.formats.importing import import_dataset
from cellseg.formats.registry import FORMATS
from cellseg.formats.tables import LONGEST_ID
from segcore.errors import ConfigError, InputError, OutputError
from segcore.io.png import write_png


class Heard:
    def __init__(self):
        self.lines, self.steps = [], []

    def say(self, line):
        self.lines.append(line)

    def step(self, task, done, total):
        self.steps.append((task, done, total))


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "src"
    folder.mkdir()
    for name, ids in (("a", [[0, 1], [2, 2]]), ("b", [[0, 0], [0, 3]])):
        write_png(folder / f"{name}.png", np.full((2, 2), 9, dtype=np.uint8))
        write_png(folder / f"{name}_inst.png", np.array(ids, dtype=np.uint16))
    (folder / "a_types.csv").write_text("id,type\n1,1\n2,2\n")
    (folder / "b_types.csv").write_text("id,type\n3,1\n")
    return folder


def test_the_names_are_the_formats():
    assert tuple(FORMATS) == names.FORMAT_NAMES
    with pytest.raises(TypeError):
        FORMATS["x"] = None


def test_a_folder_becomes_a_dataset(source, tmp_path):
    heard = Heard()
    report = import_dataset(source, tmp_path / "out", "folder", classes={"1": "x", "2": "y"}, pixel_size_um=0.25, progress=heard)
    found = open_dataset(tmp_path / "out")
    assert (found.names, found.classes, found.pixel_size_um) == (("a", "b"), ("x", "y"), (0.25, 0.25))
    assert found["a"].instances.tolist() == [[0, 1], [2, 2]]
    assert found["a"].classes == {1: "x", 2: "y"}
    assert report.line == "2 images, 3 objects (x 2, y 1)"
    assert (report.notes, heard.lines) == ((), [])
    assert heard.steps == [("import", 1, 2), ("import", 2, 2)]
    assert found.facts.source == "src"


def test_a_zip_of_it_gives_the_same(source, tmp_path):
    import_dataset(source, tmp_path / "one", "folder")
    import_dataset(shutil.make_archive(str(tmp_path / "src"), "zip", tmp_path, "src"), tmp_path / "two", "folder")
    files = [{path.relative_to(top): path.read_bytes() for path in top.rglob("*.*")} for top in (tmp_path / "one", tmp_path / "two")]
    assert len(files[0]) == 6
    assert files[0] == files[1]


def test_a_dataset_of_ours_is_a_folder_too(two_classes, tmp_path):
    import_dataset(two_classes.path, tmp_path / "again", "folder")
    again = open_dataset(tmp_path / "again")
    for image in two_classes:
        assert (again[image.name].instances == image.instances).all()
        assert (again[image.name].pixels == image.pixels).all()
        assert again[image.name].classes == image.classes


def test_notes_are_said_and_reported(source, tmp_path):
    write_png(source / "c.png", np.zeros((2, 2), dtype=np.uint8))
    heard = Heard()
    report = import_dataset(source, tmp_path / "out", "folder", allow_missing=True, progress=heard)
    assert heard.lines == list(report.notes) == ["images without labels or labels without image, left out: 1"]


def test_nothing_is_left_behind_where_an_import_fails(source, tmp_path):
    (source / "b_types.csv").write_text("id,type\n7,1\n")
    with pytest.raises(InputError, match="unknown ids"):
        import_dataset(source, tmp_path / "out", "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["src"]


def test_outputs_are_not_replaced_silently(source, tmp_path):
    import_dataset(source, tmp_path / "out", "folder")
    with pytest.raises(OutputError, match="--overwrite"):
        import_dataset(source, tmp_path / "out", "folder")
    import_dataset(source, tmp_path / "out", "folder", overwrite=True)
    for out in (source, tmp_path):
        with pytest.raises(OutputError, match="does not replace its own source"):
            import_dataset(source, out, "folder", overwrite=True)


def test_options_out_of_range_are_refused(source, tmp_path):
    with pytest.raises(ConfigError, match="a format is one of folder, masks"):
        import_dataset(source, tmp_path / "out", "czi")
    for size in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="a pixel size is a length"):
            import_dataset(source, tmp_path / "out", "folder", pixel_size_um=size)
    with pytest.raises(ConfigError, match="axes are one of"):
        import_dataset(source, tmp_path / "out", "folder", axes="XYC")
    with pytest.raises(InputError, match="is not there"):
        import_dataset(tmp_path / "nowhere", tmp_path / "out", "folder")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_file_of_no_kind_is_refused_by_every_format(tmp_path, name):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError):
        import_dataset(tmp_path / "notes.txt", tmp_path / "out", name)


@pytest.mark.parametrize("table", [[], {}, {"1": 2}, {"1": ""}, {"1": "a\nb"}, {"1": "x" * 101}, "x"])
def test_class_tables_that_are_none_are_refused(tmp_path, table):
    (tmp_path / "t.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match=r"t\.json"):
        read_class_table(tmp_path / "t.json")


def test_ids_of_tables_fit_32_bits():
    assert 10**LONGEST_ID <= 2**31
