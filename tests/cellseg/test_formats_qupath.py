import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellseg.formats import qupath
from cellseg.formats.imported import ImportOptions, Odd
from cellseg.formats.qupath import read_cells, write_qupath
from cellseg.image import IGNORE, CellImage
from segcore.errors import InputError, ShapeError
from segcore.io.png import write_png

SQUARE = [[[1, 1], [4, 1], [4, 3], [1, 3], [1, 1]]]


def feature(key="a", geometry=None, **facts):
    shape = {"type": "Polygon", "coordinates": SQUARE} if geometry is None else geometry
    return {"type": "Feature", "id": key, "geometry": shape, "properties": {"objectType": "detection"} | facts}


@pytest.fixture
def source(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((6, 8), dtype=np.uint8))

    def write(content):
        (tmp_path / "a.geojson").write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path

    return write


def images_of(source, **options):
    found = qupath.read(source, ImportOptions(**options))
    return list(found.images), found


def test_what_is_written_is_read_again(image, tmp_path):
    instances = image.instances.copy()
    instances[instances == 2] = 70_000
    instances[:3, :] = IGNORE
    classes = {number: name for number, name in image.classes.items() if number != 2} | {70_000: "epithelial"}
    cells = image.with_labels(instances, classes)
    write_png(tmp_path / "one.png", image.pixels[0])
    write_qupath(cells, tmp_path / "one.geojson")
    (again,), found = images_of(tmp_path)
    assert (again.instances == instances).all()
    assert again.classes == classes
    assert found.facts.classes == ("epithelial", "lymphocyte")
    assert found.notes == []


def test_the_same_image_gives_the_same_bytes_and_ids_of_its_own(image, tmp_path):
    for name in ("x.geojson", "y.geojson"):
        write_qupath(image, tmp_path / name)
    assert (tmp_path / "x.geojson").read_bytes() == (tmp_path / "y.geojson").read_bytes()
    features = json.loads((tmp_path / "x.geojson").read_text())["features"]
    assert len({one["id"] for one in features}) == 5
    assert features[0]["properties"]["classification"] == {"name": "epithelial"}
    assert features[0]["geometry"]["coordinates"][0][0] == features[0]["geometry"]["coordinates"][0][-1]


@settings(max_examples=60, deadline=None)
@given(instances=arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.sampled_from([-1, 0, 1, 2, 500])))
def test_any_labels_come_back(tmp_path_factory, instances):
    folder = tmp_path_factory.mktemp("q")
    write_png(folder / "a.png", np.zeros(instances.shape, dtype=np.uint8))
    write_qupath(CellImage(name="a", pixels=np.zeros((1, *instances.shape)), instances=instances), folder / "a.geojson")
    (again,), _ = images_of(folder)
    assert (again.instances == instances).all()


def test_a_volume_is_refused(volume, tmp_path):
    with pytest.raises(ShapeError, match=r"Write each of image.slices\(\)"):
        write_qupath(volume, tmp_path / "v.geojson")
    assert list(tmp_path.iterdir()) == []


def test_classes_holes_parts_and_older_spellings(source):
    hole = {"type": "Polygon", "coordinates": [*SQUARE, [[2, 1], [3, 1], [3, 2], [2, 2]]]}
    parts = {"type": "MultiPolygon", "coordinates": [[[[0, 5], [1, 5], [1, 6], [0, 6]]], [[[7, 5], [8, 5], [8, 6], [7, 6]]]]}
    content = [
        feature("a", hole, classification={"name": "Tumor", "colorRGB": -3670016}),
        feature("b", parts, classification={"names": ["Immune cells", "CD3"]}, measurements=[{"name": "area", "value": 3}]),
        feature("c", {"type": "Polygon", "coordinates": [[[5.0, 0.2, 0], [7.0, 0.2, 0], [6.0, 3.1, 0]]]}, objectType="cell"),
    ]
    (a,), found = images_of(source(content))
    assert [int((a.instances == number).sum()) for number in (1, 2)] == [5, 2]
    assert a.classes == {1: "Tumor", 2: "Immune cells: CD3", 3: "cell"}
    assert found.facts.classes == ("Immune cells: CD3", "Tumor", "cell")
    with pytest.raises(InputError, match=r"class 'Immune cells: CD3', the table of --classes knows Tumor, cell"):
        images_of(source(content), classes={"Tumor": "x", "cell": "y"})


def test_annotations_are_cells_only_where_there_is_nothing_else(source):
    region, point = feature("r", objectType="annotation"), feature("p", {"type": "Point", "coordinates": [1, 1]})
    (a,), found = images_of(source({"type": "FeatureCollection", "features": [feature("d"), region, point]}))
    assert a.ids.tolist() == [1]
    assert found.notes == ["QuPath objects that are no cells (points, lines, tiles, cores, regions around cells), left out: 2"]
    (a,), found = images_of(source([region]))
    assert a.ids.tolist() == [1]


def test_ids_of_measurements_count_only_where_all_have_one(source):
    far = {"type": "Polygon", "coordinates": [[[6, 4], [7, 4], [7, 5], [6, 5]]]}
    first = feature("a", measurements={"instance": 9.0})
    (a,), _ = images_of(source([first, feature("b", far, measurements={"instance": 4})]))
    assert a.ids.tolist() == [4, 9]
    for odd in ({"instance": 9}, {"instance": -1}, {"instance": 1.5}, {"instance": True}, {"instance": 1e300}, {}, None, 7):
        (a,), _ = images_of(source([first, feature("b", far, measurements=odd)]))
        assert a.ids.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "must be JSON"),
        ("7", "must be a list"),
        ({"type": "FeatureCollection", "features": 3}, "must be a list"),
        ([3], "must be a list"),
        ([feature(None)], "has 1 objects and 0 ids. Export it again, as GeoJSON from QuPath 0.4 or newer"),
        ([feature(""), feature("b")], "has 2 objects and 1 ids"),
        ([feature("PathCellObject"), feature("PathCellObject")], "has 2 objects and 1 ids"),
        ([feature() | {"geometry": None}], "has a geometry and properties"),
        ([feature() | {"properties": [1]}], "has a geometry and properties"),
        ([feature(geometry={"type": "Polygon", "coordinates": []})], "is a list of rings"),
        ([feature(geometry={"type": "MultiPolygon", "coordinates": 7})], "is a list of rings"),
        ([feature(geometry={"type": "Polygon", "coordinates": [[[1, 1], [2, 2]]]})], "at least 3 corners"),
        ([feature(geometry={"type": "Polygon", "coordinates": [[[1, 1], [2], [3, 1]]]})], "at least 3 corners"),
        ([feature(geometry={"type": "Polygon", "coordinates": [[[1, 1], [2, 5e7], [3, 1]]]})], "coordinates are pixels"),
        ([feature(classification="Tumor")], "classification of QuPath has a name"),
        ([feature(classification={"name": "  "})], "a class name has"),
        ([feature(classification={"name": "x" * 500})], "a class name has"),
    ],
)
def test_files_of_another_kind_are_refused(source, content, text):
    with pytest.raises(InputError, match=text):
        images_of(source(content))


def test_one_file_finds_its_image_and_names_may_keep_the_ending_of_the_image(source, tmp_path):
    folder = source([feature()])
    (a,), _ = images_of(folder / "a.geojson")
    assert a.name == "a"
    (folder / "a.geojson").rename(folder / "a.png.geojson")
    (a,), _ = images_of(folder)
    assert a.name == "a"
    write_qupath(a, tmp_path / "b.geojson")
    with pytest.raises(InputError, match="1 labels without image"):
        images_of(tmp_path / "b.geojson")
    assert len(read_cells(tmp_path / "b.geojson", Odd())) == 1
