"""Files with anything anywhere: one clear error or a good import, nothing else."""

import copy
import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roifile import ROI_TYPE, ImagejRoi

from cellseg.formats import coco, folder, imagej, qupath
from cellseg.formats.imported import ImportOptions
from segcore.errors import InputError
from segcore.io.png import write_png

FAST = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3], [1, 1]]
COCO = {
    "images": [{"id": 5, "file_name": "a.png"}],
    "annotations": [
        {"image_id": 5, "category_id": 2, "segmentation": [[1, 1, 4, 1, 4, 3]]},
        {"image_id": 5, "category_id": 2, "segmentation": {"size": [6, 8], "counts": [36, 3, 9]}},
        {"image_id": 5, "category_id": 2, "segmentation": {"size": [6, 8], "counts": "T139"}},
    ],
    "categories": [{"id": 2, "name": "cell"}],
}
QUPATH = {
    "features": [
        {
            "id": "a",
            "geometry": {"type": kind, "coordinates": shape},
            "properties": {"objectType": "cell", "classification": {"name": "T"}, "measurements": {"instance": 3}},
        }
        for kind, shape in (("Polygon", [SQUARE]), ("MultiPolygon", [[SQUARE]]))
    ]
}
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -1, 2**31, 2**63, "..", "/", "\0", [], {}, [[]], [[[]]], [{}], float("inf"), float("nan"), 1e308]),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-9, 9), max_size=7),
)


def places(value, path=()):
    """The way to every value of a document."""
    yield path
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*path, key))


def changed(document, path, value):
    if not path:
        return value
    document = copy.deepcopy(document)
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return document


@pytest.fixture
def source(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((6, 8), dtype=np.uint8))
    return tmp_path


def tried(read, source):
    with suppress(InputError):
        for image in read(source, ImportOptions()).images:
            assert image.instances.shape == (6, 8)


@FAST
@given(path=st.sampled_from(list(places(COCO))), value=anything)
def test_coco_with_anything_anywhere(source, path, value):
    (source / "x.json").write_text(json.dumps(changed(COCO, path, value)), errors="surrogatepass")
    tried(coco.read, source)


@FAST
@given(path=st.sampled_from(list(places(QUPATH))), value=anything)
def test_qupath_with_anything_anywhere(source, path, value):
    document = copy.deepcopy(QUPATH)
    document["features"][1]["id"] = "b"
    (source / "a.geojson").write_text(json.dumps(changed(document, path, value)))
    tried(qupath.read, source)


@FAST
@given(kind=st.sampled_from(list(ROI_TYPE)[1:]), place=st.integers(4, 90), value=st.integers(0, 255), cut=st.integers(0, 20))
def test_regions_with_any_byte_anywhere(source, kind, place, value, cut):
    roi = ImagejRoi.frompoints(np.array([[1, 1], [4, 1], [4, 3]]), name="r")
    roi.roitype = kind
    data = bytearray(roi.tobytes())
    data[min(place, len(data) - 1)] = value
    (source / "a.roi").write_bytes(bytes(data[: len(data) - cut]))
    tried(imagej.read, source)


@FAST
@given(content=st.binary(max_size=60))
def test_tables_of_any_bytes(source, content):
    write_png(source / "a_inst.png", np.zeros((6, 8), dtype=np.uint8))
    (source / "a_types.csv").write_bytes(b"id,type\n" + content)
    tried(folder.read, source)
