import numpy as np
import pytest

from cellseg.formats import dsb2018, folder, masks
from cellseg.formats.imported import ImportOptions
from cellseg.image import IGNORE
from segcore.errors import InputError
from segcore.io.png import write_png

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
IDS = np.zeros((6, 8), dtype=np.uint16)
IDS[1:3, 1:3], IDS[4, 4:7], IDS[0, 7] = 3, 300, 65535
NAMES = {"1": "round", "2": "long"}


@pytest.fixture
def source(tmp_path):
    """a and b as X.png beside X_inst.png."""
    for name in "ab":
        write_png(tmp_path / f"{name}.png", GREY)
        write_png(tmp_path / f"{name}_inst.png", IDS)
    return tmp_path


def images_of(read, source, **options):
    found = read(source, ImportOptions(**options))
    return list(found.images), found


def test_images_beside_their_instances(source):
    (a, b), found = images_of(folder.read, source)
    assert (a.name, b.name, found.count, found.facts.classes) == ("a", "b", 2, ("cell",))
    assert a.pixels.tolist() == GREY[None].tolist()
    assert a.instances[1, 1] == 3
    assert a.instances[4, 4] == 300
    assert a.instances[0, 7] == IGNORE
    assert found.notes == ["pixels whose label means unknown (65535 or -1): 2"]


def test_classes_from_a_table_and_from_a_map(source):
    (source / "a_types.csv").write_text("id,x,type\n3,0,2\n300,0,1\n")
    kinds = np.where(IDS == 3, 1, 2).astype(np.uint8)
    kinds[1, 1] = 0
    write_png(source / "b_type.png", kinds)
    (a, b), found = images_of(folder.read, source)
    assert found.facts.classes == ("class_1", "class_2")
    assert a.classes == {3: "class_2", 300: "class_1"}
    assert b.classes == {3: "class_1", 300: "class_2"}
    (a, _), found = images_of(folder.read, source, classes=NAMES)
    assert found.facts.classes == ("round", "long")
    assert a.classes == {3: "long", 300: "round"}


def test_the_table_counts_where_there_is_a_map_too(source):
    for name in "ab":
        (source / f"{name}_types.csv").write_text("instance,class\n3,big\n300,small\n")
        write_png(source / f"{name}_type.png", IDS.astype(np.uint8))
        write_png(source / f"{name}_mask.png", IDS.astype(np.uint8))
    (a, _), found = images_of(folder.read, source)
    assert found.facts.classes == ("big", "small")
    assert a.classes == {3: "big", 300: "small"}


def test_images_and_labels_in_folders_with_one_table(tmp_path):
    for part, array in (("images", GREY), ("labels", IDS)):
        (tmp_path / part).mkdir()
        write_png(tmp_path / part / "a.png", array)
    (tmp_path / "instances.csv").write_text("image,instance,class\na.png,3,x\na.png,300,y\n")
    (a,), found = images_of(folder.read, tmp_path)
    assert found.facts.classes == ("x", "y")
    assert a.classes == {3: "x", 300: "y"}


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("3,1\n300,2\n7,1", r"a has rows for 1 unknown ids \(id 7\). Mend the table, or pass --allow-missing"),
        ("3,1", r"a has 1 objects without class \(id 300\)"),
        ("3,1\n3,2", "line 3 has 3 again"),
        ("x,1", "line 2 has 'x', '1'"),
        ("0,1", "line 2 has '0'"),
        ("-1,1", "line 2 has '-1'"),
        ("99999999999999,1", "line 2 has '99999999999999'"),
        ("3,", "line 2 has '3', ''"),
        ("3,1\n300,7", "class '7', the table of --classes knows 1, 2"),
    ],
)
def test_wrong_class_tables_are_refused(source, rows, text):
    (source / "a_types.csv").write_text(f"id,type\n{rows}\n")
    with pytest.raises(InputError, match=text):
        images_of(folder.read, source, classes=NAMES)


@pytest.mark.parametrize(("content", "text"), [(b"id,area\n1,2\n", "lacks type"), (b"", "lacks id"), (b"id,type\n\xff,1\n", "UTF-8")])
def test_tables_that_are_none_are_refused(source, content, text):
    (source / "a_types.csv").write_bytes(content)
    with pytest.raises(InputError, match=text):
        images_of(folder.read, source)


def test_what_does_not_fit_is_left_out_where_that_is_asked_for(source):
    (source / "a_types.csv").write_text("id,type\n3,1\n7,1\n")
    (source / "b_types.csv").write_text("id,type\n3,2\n300,2\n")
    write_png(source / "lonely.png", GREY)
    (a, b), found = images_of(folder.read, source, allow_missing=True)
    assert a.classes == {3: "class_1", 300: "cell"}
    assert b.classes == {3: "class_2", 300: "class_2"}
    assert found.facts.classes == ("class_1", "class_2", "cell")
    assert "class rows without an object, left out: 1" in found.notes
    assert "objects without a class, called cell: 1" in found.notes
    assert "images without labels or labels without image, left out: 1" in found.notes


@pytest.mark.parametrize(
    ("extra", "text"),
    [("c.png", r"1 images without labels \(c.png\)"), ("c_inst.png", r"1 labels without image \(c_inst.png\)"), ("a.tif", "are both a")],
)
def test_files_without_partner_or_with_one_name_are_refused(source, extra, text):
    write_png(source / extra, GREY)
    with pytest.raises(InputError, match=text):
        images_of(folder.read, source)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.zeros((6, 9), dtype=np.uint16), "a is 6 x 8 px and its labels are 6 x 9"),
        (np.zeros((6, 8, 3), dtype=np.uint8), "a_inst.png has 3 channels"),
        (np.zeros((6, 8, 4), dtype=np.uint8), "a_inst.png has 4 channels"),
    ],
)
def test_labels_of_another_size_or_in_colour_are_refused(source, labels, text):
    write_png(source / "a_inst.png", labels)
    with pytest.raises(InputError, match=text):
        images_of(folder.read, source)


def test_a_type_map_of_another_size_and_a_table_of_no_image_are_refused(source):
    write_png(source / "a_type.png", np.ones((3, 3), dtype=np.uint8))
    with pytest.raises(InputError, match="labels and classes have one size"):
        images_of(folder.read, source)
    (source / "z_types.csv").write_text("id,type\n1,1\n")
    with pytest.raises(InputError, match="classes of 'z', which has none"):
        images_of(folder.read, source)


@pytest.mark.parametrize("read", [folder.read, masks.read, dsb2018.read])
def test_an_empty_or_missing_folder_is_refused(tmp_path, read):
    with pytest.raises(InputError):
        read(tmp_path, ImportOptions())
    with pytest.raises(InputError, match="is not there"):
        read(tmp_path / "nowhere", ImportOptions())


def test_binary_masks_are_split_into_parts(tmp_path):
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]], dtype=np.uint8)
    write_png(tmp_path / "x.png", mask)
    write_png(tmp_path / "x_mask.png", mask * 255)
    (x,), found = images_of(masks.read, tmp_path, classes={"1": "nucleus"})
    assert x.instances.tolist() == [[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 0, 0], [3, 3, 0, 0]]
    assert x.classes == {1: "nucleus", 2: "nucleus", 3: "nucleus"}
    assert found.facts.classes == ("nucleus",)
    assert len(found.notes) == 1
    assert found.notes[0].endswith("(touching cells are one): 3")


@pytest.mark.parametrize(("array", "text"), [(IDS, "0, 3, 300, 65535. For object ids use --format folder"), (GREY % 2 + 1, "has 1, 2")])
def test_a_mask_of_more_values_is_refused(tmp_path, array, text):
    for part, content in (("images", GREY), ("masks", array)):
        (tmp_path / part).mkdir()
        write_png(tmp_path / part / "a.png", content)
    with pytest.raises(InputError, match=text):
        images_of(masks.read, tmp_path)


def dsb(tmp_path, *boxes):
    for part in ("images", "masks"):
        (tmp_path / "id1" / part).mkdir(parents=True)
    write_png(tmp_path / "id1/images/id1.png", np.dstack([GREY] * 3 + [np.full_like(GREY, 255)]))
    for number, box in enumerate(boxes):
        mask = np.zeros((6, 8), dtype=np.uint8)
        mask[box] = 255
        write_png(tmp_path / f"id1/masks/{number}.png", mask)
    return tmp_path


def test_one_mask_file_per_object(tmp_path):
    source = dsb(tmp_path, np.s_[0:4, 0:4], np.s_[1:2, 1:3], np.s_[5:6, 5:6], np.s_[0:0, 0:0])
    (one,), found = images_of(dsb2018.read, source)
    assert one.pixels.shape == (3, 6, 8)
    assert [(one.instances == number).sum() for number in (1, 2, 3)] == [14, 2, 1]
    assert set(found.notes) == {
        "images whose transparency was dropped: 1",
        "mask files without a single pixel, left out: 1",
        "pixels claimed by more than one object (the smaller one keeps them): 2",
    }


def test_a_folder_without_masks_is_refused_or_left_out(tmp_path):
    source = dsb(tmp_path, np.s_[0:2, 0:2])
    (source / "id2/images").mkdir(parents=True)
    write_png(source / "id2/images/id2.png", GREY)
    with pytest.raises(InputError, match="id2 has 1 images and 0 masks"):
        images_of(dsb2018.read, source)
    images, _ = images_of(dsb2018.read, source, allow_missing=True)
    assert [image.name for image in images] == ["id1"]
