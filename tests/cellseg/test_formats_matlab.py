import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import savemat

from cellseg.formats import consep, lizard
from cellseg.formats.imported import ImportOptions
from segcore.errors import InputError, MissingExtraError
from segcore.io.png import write_png

INST = np.array([[1, 1, 0], [0, 2, 2], [9, 9, 9]])
KINDS = np.array([[3, 3, 0], [0, 5, 3], [7, 7, 7]])


def tile(folder, name, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    write_png(folder / f"{name}.png", np.zeros((3, 3, 3), dtype=np.uint8))
    savemat(folder / f"{name}.mat", arrays)
    return folder


def images_of(read, source, **options):
    found = read(source, ImportOptions(**options))
    return list(found.images), found


def test_consep_takes_the_class_of_most_pixels_and_the_split_of_its_folder(tmp_path):
    tile(tmp_path / "Train/x", "train_1", inst_map=INST.astype(float), type_map=KINDS.astype(float), inst_type=[[3], [5], [6]])
    tile(tmp_path / "Test", "test_1", inst_map=np.zeros((3, 3)), type_map=np.zeros((3, 3)))
    (tmp_path / "Train/Overlay").mkdir()
    write_png(tmp_path / "Train/Overlay/train_1.png", np.zeros((3, 3, 3), dtype=np.uint8))
    (test, train), found = images_of(consep.read, tmp_path)
    assert train.classes == {1: "healthy epithelial", 2: "healthy epithelial", 9: "endothelial"}
    assert train.instances.tolist() == INST.tolist()
    assert test.ids.size == 0
    assert found.splits == {"test_1": ("test", "test_1"), "train_1": ("train", "train_1")}
    assert found.facts.classes[0] == "other"
    assert found.notes == ["objects whose class in inst_type differs from type_map, which counts: 2"]


def test_consep_classes_can_be_joined_and_read_from_the_list_alone(tmp_path):
    source = tile(tmp_path, "a", inst_map=INST, inst_type=[3, 4, 7])
    joined = {"1": "other", "2": "inflammatory"} | dict.fromkeys("34", "epithelial") | dict.fromkeys("567", "spindle")
    (a,), found = images_of(consep.read, source, classes=joined)
    assert a.classes == {1: "epithelial", 2: "epithelial", 9: "spindle"}
    assert found.facts.classes == ("other", "inflammatory", "epithelial", "spindle")
    assert found.splits is None


def test_lizard_finds_the_class_by_id(tmp_path):
    tile(tmp_path / "images1", "a", inst_map=INST, id=[[9], [1], [2], [4]], **{"class": [[6], [1], [3], [2]]})
    (a,), found = images_of(lizard.read, tmp_path)
    assert a.classes == {9: "connective tissue", 1: "neutrophil", 2: "lymphocyte"}
    assert found.notes == ["entries of class without an object, left out: 1"]


@pytest.mark.parametrize(
    ("read", "arrays", "text"),
    [
        (consep.read, {"type_map": KINDS}, "labels of this format are called inst_map"),
        (consep.read, {"inst_map": INST, "inst_type": [1, 2]}, "3 objects and 2 in inst_type"),
        (consep.read, {"inst_map": INST, "type_map": KINDS[:2]}, "labels and classes have one size"),
        (consep.read, {"inst_map": INST[:2], "type_map": KINDS[:2]}, "a is 3 x 3 px and its labels are 2 x 3"),
        (consep.read, {"inst_map": INST, "type_map": KINDS * 3}, "a has class '9', this format knows 1, 2, 3, 4, 5, 6, 7"),
        (consep.read, {"inst_map": INST + 0.5, "type_map": KINDS}, "has fractions"),
        (consep.read, {"inst_map": INST * 1e12, "type_map": KINDS}, "beyond 32 bits"),
        (consep.read, {"inst_map": np.array([[INST]], dtype=object), "type_map": KINDS}, "plain numbers; .*inst_map is cell"),
        (consep.read, {"inst_map": INST, "type_map": "text"}, "type_map is char"),
        (lizard.read, {"inst_map": INST, "id": [1, 2, 9], "class": [1, 2]}, "3 objects, 3 ids and 2 classes"),
        (lizard.read, {"inst_map": INST, "id": [1, 2, 3], "class": [1, 2, 3]}, "do not fit"),
        (lizard.read, {"inst_map": INST, "id": [1, 2, 9], "class": [1, 2, 7]}, "class '7', this format knows 1, 2, 3, 4, 5, 6"),
        (lizard.read, {"inst_map": INST}, "3 objects, 0 ids and 0 classes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, read, arrays, text):
    with pytest.raises(InputError, match=text):
        images_of(read, tile(tmp_path, "a", **arrays))


def test_a_damaged_file_is_refused(tmp_path):
    tile(tmp_path, "a", inst_map=INST)
    for content in (b"", b"no matlab", (tmp_path / "a.mat").read_bytes()[:150]):
        (tmp_path / "a.mat").write_bytes(content)
        with pytest.raises(InputError, match=r"MATLAB file|called inst_map"):
            images_of(consep.read, tmp_path)


def test_version_73_names_the_package_it_needs(tmp_path, monkeypatch):
    tile(tmp_path, "a", inst_map=INST)
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"7\.3 need the package h5py.*save it with -v7"):
        images_of(consep.read, tmp_path)


class Hdf5(dict):
    """What h5py.File is to us; MATLAB stores arrays with their axes turned round."""

    def __init__(self, path, mode):
        super().__init__(inst_map=Turned(INST.T.astype(float)), type_map=Turned(KINDS.T.astype(np.uint8)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Turned:
    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key):
        assert key == ()
        return self.array


def test_version_73_is_read_where_h5py_is_installed(tmp_path, monkeypatch):
    tile(tmp_path, "a", inst_map=INST)
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", SimpleNamespace(File=Hdf5))
    (a,), _ = images_of(consep.read, tmp_path)
    assert a.instances.tolist() == INST.tolist()
    assert a.classes == {1: "healthy epithelial", 2: "healthy epithelial", 9: "endothelial"}


def test_a_folder_without_mat_files_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has none. Is it the folder of the right --format"):
        consep.read(tmp_path, ImportOptions())
