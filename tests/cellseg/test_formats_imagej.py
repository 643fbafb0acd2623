import sys
import zipfile

import numpy as np
import pytest
import roifile
from roifile import ROI_TYPE, ImagejRoi

from cellseg.formats import imagej
from cellseg.formats.imported import ImportOptions
from segcore.errors import InputError, MissingExtraError
from segcore.io.png import write_png


def polygon(*corners, kind=ROI_TYPE.POLYGON, **facts):
    roi = ImagejRoi.frompoints(np.array(corners), name="r")
    roi.roitype = kind
    return changed(roi, **facts)


def changed(roi, **facts):
    for key, value in facts.items():
        setattr(roi, key, value)
    return roi


def box(kind, left, top, right, bottom, **facts):
    return changed(ImagejRoi(), roitype=kind, left=left, top=top, right=right, bottom=bottom, **facts)


@pytest.fixture
def source(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((12, 14), dtype=np.uint8))

    def write(*rois, name="a.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for number, roi in enumerate(rois):
                archive.writestr(f"{number:04}:x.roi", roi if isinstance(roi, bytes) else roi.tobytes())
        return tmp_path

    return write


def images_of(source, **options):
    found = imagej.read(source, ImportOptions(**options))
    return list(found.images), found


def pixels(image, number):
    return np.argwhere(image.instances == number).tolist()


def test_shapes_with_area(source):
    folder = source(
        polygon([1, 1], [4, 1], [4, 3], [1, 3]),
        polygon([6, 1], [8, 1], [8, 2], [6, 2], kind=ROI_TYPE.TRACED),
        polygon([9.2, 1.4], [11.4, 1.4], [11.4, 2.6], [9.2, 2.6], kind=ROI_TYPE.FREEHAND),
        box(ROI_TYPE.RECT, 0, 6, 2, 8),
        box(ROI_TYPE.OVAL, 5, 6, 11, 12),
        box(ROI_TYPE.LINE, 0, 0, 1, 1),
    )
    (a,), found = images_of(folder)
    assert pixels(a, 1) == [[r, c] for r in (1, 2) for c in (1, 2, 3)]
    assert pixels(a, 2) == [[1, 6], [1, 7]]
    assert pixels(a, 3) == [[1, 9], [1, 10], [2, 9], [2, 10]]
    assert pixels(a, 4) == [[6, 0], [6, 1], [7, 0], [7, 1]]
    assert (a.instances == 5)[6:12, 5:11].sum(axis=1).tolist() == [4, 6, 6, 6, 6, 4]
    assert found.facts.classes == ("cell",)
    assert found.notes == ["ImageJ selections that have no area (points, lines, angles) or are text or pictures, left out: 1"]


def test_a_composite_keeps_its_hole(source):
    path = []
    for ring in ([(0, 0), (5, 0), (5, 5), (0, 5)], [(1, 1), (2, 1), (2, 2), (1, 2)]):
        path += [0, *ring[0], *(value for corner in ring[1:] for value in (1, *corner)), 4]
    coordinates = np.array(path, dtype=np.float32)
    facts = {"multi_coordinates": coordinates, "shape_roi_size": len(coordinates)}
    (a,), _ = images_of(source(box(ROI_TYPE.RECT, 0, 0, 5, 5, **facts)))
    assert len(pixels(a, 1)) == 24
    assert a.instances[1, 1] == 0


def test_groups_are_classes(source):
    folder = source(box(ROI_TYPE.RECT, 0, 0, 2, 2, group=3), box(ROI_TYPE.RECT, 4, 4, 6, 6))
    (a,), found = images_of(folder)
    assert (found.facts.classes, a.classes) == (("cell", "class_3"), {1: "class_3", 2: "cell"})
    (a,), found = images_of(folder, classes={"3": "mitosis"})
    assert a.classes == {1: "mitosis", 2: "cell"}
    with pytest.raises(InputError, match="class '3'"):
        images_of(folder, classes={"4": "mitosis"})


def test_overlaps_and_objects_outside_are_counted(source):
    folder = source(box(ROI_TYPE.RECT, 0, 0, 4, 4), box(ROI_TYPE.RECT, 1, 1, 2, 2), box(ROI_TYPE.RECT, 50, 50, 60, 60))
    (a,), found = images_of(folder)
    assert len(pixels(a, 1)) == 15
    assert "objects outside the image, left out: 1" in found.notes


@pytest.mark.parametrize("name", ["a.zip", "a_RoiSet.zip", "a_rois.zip"])
def test_files_find_their_image_by_name(source, name):
    folder = source(box(ROI_TYPE.RECT, 0, 0, 1, 1), name=name)
    write_png(folder / "b.png", np.zeros((3, 3), dtype=np.uint8))
    (folder / "b.roi").write_bytes(box(ROI_TYPE.RECT, 1, 1, 2, 2).tobytes())
    (a, b), _ = images_of(folder)
    assert (len(a.ids), pixels(b, 1)) == (1, [[1, 1]])


def test_the_only_file_belongs_to_the_only_image(source):
    (a,), _ = images_of(source(box(ROI_TYPE.RECT, 0, 0, 1, 1), name="RoiSet.zip"))
    assert len(a.ids) == 1


@pytest.mark.parametrize("data", [b"", b"Iout", b"x" * 100])
def test_a_damaged_region_is_refused(source, data):
    with pytest.raises(InputError, match=r"a.zip, '0000:x.roi' must be a region of ImageJ"):
        images_of(source(data))


def test_a_region_that_claims_more_corners_than_it_has_is_refused(source):
    data = bytearray(polygon([1, 1], [4, 1], [4, 3]).tobytes())
    data[16:18] = b"\xff\xff"
    with pytest.raises(InputError, match="must be a region of ImageJ"):
        images_of(source(bytes(data)))


def test_a_set_that_leads_elsewhere_is_refused(source):
    folder = source(box(ROI_TYPE.RECT, 0, 0, 1, 1))
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("../../x.roi", b"")
    with pytest.raises(InputError, match=r"'../../x.roi', which leads elsewhere"):
        images_of(folder)


def test_a_missing_package_is_named(source, monkeypatch):
    folder = source(box(ROI_TYPE.RECT, 0, 0, 1, 1))
    monkeypatch.setitem(sys.modules, roifile.__name__, None)
    with pytest.raises(MissingExtraError, match="pip install roifile"):
        images_of(folder)
