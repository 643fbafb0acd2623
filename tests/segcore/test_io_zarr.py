import json
import sys

import numpy as np
import pytest
import zarr

from segcore.errors import ConfigError, InputError, MissingExtraError, OutputError, ShapeError
from segcore.io import zarr as io_zarr
from segcore.io.memory import MemoryImage
from segcore.io.zarr import create_zarr, label_names, open_zarr
from segcore.windows import Window

RNG = np.random.default_rng(0)
WHOLE = Window(0, 0, 30, 40)


def noise(*shape, dtype="uint16"):
    return RNG.integers(0, 250, shape).astype(dtype)


def write(path, array, version="0.5", labels=None, size=(0.5, 0.25)):
    with create_zarr(
        path, array.shape, array.dtype, label=None if labels is None else "cells", pixel_size_um=size, version=version
    ) as sink:
        sink.write(Window(0, 0, *array.shape[-2:]), array)
        if labels is not None:
            sink.write_labels(Window(0, 0, *labels.shape), labels)
    return path


@pytest.fixture(params=["0.4", "0.5"])
def version(request):
    return request.param


@pytest.fixture
def edited(tmp_path):
    """edited(change, version="0.5"): an OME-Zarr whose metadata went through change."""

    def make(change, version="0.5", name=None):
        path = write(tmp_path / "a.zarr", noise(2, 30, 40), version)
        file = path / (name or ("zarr.json" if version == "0.5" else ".zattrs"))
        facts = json.loads(file.read_text())
        change(facts)
        file.write_text(json.dumps(facts))
        return path

    return make


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_round_trip(tmp_path, version, dtype):
    array = noise(2, 30, 40, dtype=dtype)
    found = open_zarr(write(tmp_path / "a.zarr", array, version))
    assert found.shape == array.shape
    assert found.dtype == array.dtype
    assert found.pixel_size_um == (0.5, 0.25)
    assert np.array_equal(found.read_all()[:, 0], array)
    for window in (Window(3, 5, 20, 11), Window(-4, 30, 20, 20)):
        assert np.array_equal(found.read(window), MemoryImage(array).read(window))


def test_the_name_is_that_of_the_folder(tmp_path, version):
    path = write(tmp_path / "dish-7.zarr", noise(1, 30, 40), version, np.zeros((30, 40), np.int32))
    for folder, name in ((path, "dish-7"), (path / "labels/cells", "cells")):
        facts = json.loads((folder / {"0.4": ".zattrs", "0.5": "zarr.json"}[version]).read_text(encoding="utf-8"))
        facts = facts.get("attributes", {}).get("ome", facts)
        assert [own["name"] for own in facts["multiscales"]] == [name]


def test_labels_lie_inside(tmp_path, version):
    labels = RNG.integers(-1, 70_000, (30, 40)).astype(np.int32)
    path = write(tmp_path / "a.zarr", noise(1, 30, 40), version, labels)
    assert label_names(path) == ("cells",)
    found = open_zarr(path, label="cells")
    assert found.dtype == np.int32
    assert np.array_equal(found.read_all()[0, 0], labels)
    with pytest.raises(InputError, match="has the label images cells; got 'nuclei'"):
        open_zarr(path, label="nuclei")


def test_volume(tmp_path, version):
    array, labels = noise(2, 3, 30, 40), noise(3, 30, 40, dtype="int32")
    with create_zarr(tmp_path / "a.zarr", array.shape, "uint16", label="cells", pixel_size_um=(2, 0.5, 0.5), version=version) as sink:
        for z in range(3):
            sink.write(WHOLE, array[:, z], z=z)
            sink.write_labels(WHOLE, labels[z], z=z)
    assert np.array_equal(open_zarr(tmp_path / "a.zarr").read_all(), array)
    assert open_zarr(tmp_path / "a.zarr").pixel_size_um == (2, 0.5, 0.5)
    assert np.array_equal(open_zarr(tmp_path / "a.zarr", label="cells").plane(2).read(WHOLE)[0], labels[2])


def test_another_reader_sees_the_same(tmp_path, version):
    array = noise(2, 30, 40)
    group = zarr.open_group(write(tmp_path / "a.zarr", array, version), mode="r")
    assert np.array_equal(group["0"][:], array)
    facts = group.attrs["ome"] if version == "0.5" else group.attrs
    assert [axis["name"] for axis in facts["multiscales"][0]["axes"]] == ["c", "y", "x"]
    assert (tmp_path / "a.zarr" / ("0/zarr.json" if version == "0.5" else "0/.zarray")).is_file()


def test_without_a_unit_there_is_no_size(edited):
    def change(facts):
        del facts["attributes"]["ome"]["multiscales"][0]["axes"][1]["unit"]

    assert open_zarr(edited(change)).pixel_size_um is None


def test_scales_multiply(edited):
    def change(facts):
        facts["attributes"]["ome"]["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1, 2, 4]}]

    assert open_zarr(edited(change)).pixel_size_um == (1.0, 1.0)


def ome(facts):
    return facts["attributes"]["ome"]


def fewer_axes(facts):
    scale = ome(facts)["multiscales"][0]
    scale["axes"].pop()
    scale["datasets"][0]["coordinateTransformations"][0]["scale"].pop()


BAD = {
    "axes": (lambda facts: ome(facts)["multiscales"][0].pop("axes"), "lacks the OME metadata"),
    "no image": (lambda facts: facts["attributes"].clear(), "lacks the OME metadata"),
    "time": (lambda facts: ome(facts)["multiscales"][0]["axes"][0].update(name="t", type="time"), "one point in time"),
    "unknown axis": (lambda facts: ome(facts)["multiscales"][0]["axes"][0].update(name="angle", type="other"), "never guessed"),
    "version": (lambda facts: ome(facts).update(version="0.9"), "versions 0.4 and 0.5"),
    "plate": (lambda facts: ome(facts).update(plate={}), "a plate of wells"),
    "traversal": (lambda facts: ome(facts)["multiscales"][0]["datasets"][0].update(path="../../b"), "inside itself"),
    "absolute": (lambda facts: ome(facts)["multiscales"][0]["datasets"][0].update(path="/etc"), "inside itself"),
    "missing array": (lambda facts: ome(facts)["multiscales"][0]["datasets"][0].update(path="7"), "not there"),
    "fewer axes": (fewer_axes, "and 2 axes"),
    "two images": (lambda facts: ome(facts)["multiscales"].append({}), "holds 2"),
    "scale": (
        lambda facts: ome(facts)["multiscales"][0].update(coordinateTransformations=[{"type": "scale", "scale": [1]}]),
        "lacks the OME",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_metadata(edited, kind):
    change, words = BAD[kind]
    path = edited(change)
    with pytest.raises(InputError, match=words) as error:
        open_zarr(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("version", "name", "change"),
    [
        ("0.4", "0/.zarray", lambda facts: facts.update(compressor={"id": "pickle", "protocol": 5})),
        ("0.4", "0/.zarray", lambda facts: facts.update(filters=[{"id": "pickle", "protocol": 5}])),
        ("0.5", "0/zarr.json", lambda facts: facts["codecs"].append({"name": "numcodecs.pickle", "configuration": {}})),
        ("0.5", "0/zarr.json", lambda facts: facts.update(codecs=[{"name": "sharding_indexed", "configuration": {"codecs": ["pickle"]}}])),
    ],
)
def test_no_pickle_is_unpacked(edited, version, name, change):
    path = edited(change, version, name)
    with pytest.raises(InputError, match="is packed with"):
        open_zarr(path)


def test_objects_are_refused(edited):
    with pytest.raises(InputError, match="pixels are real numbers"):
        open_zarr(edited(lambda facts: facts.update(dtype="|O"), "0.4", "0/.zarray"))


def test_label_names_stay_inside(tmp_path):
    path = write(tmp_path / "a.zarr", noise(1, 30, 40), labels=np.zeros((30, 40), np.int32))
    file = path / "labels" / "zarr.json"
    file.write_text(file.read_text().replace('"cells"', '"../../b.zarr"'))
    with pytest.raises(InputError, match="inside itself"):
        label_names(path)


def test_large_chunks_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(io_zarr, "MOST_CHUNK", 100)
    with pytest.raises(InputError, match=r"has chunks \(1, 30, 40\)"):
        open_zarr(write(tmp_path / "a.zarr", noise(1, 30, 40)))


def test_damaged_chunk(tmp_path, version):
    path = write(tmp_path / "a.zarr", noise(1, 30, 40), version)
    (path / ("0/c/0/0/0" if version == "0.5" else "0/0/0/0")).write_bytes(b"\xff" * 50)
    with pytest.raises(InputError, match="is damaged"):
        open_zarr(path).read_all()


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_no_json(tmp_path, content):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(content)
    with pytest.raises(InputError, match=r"JSON|OME metadata"):
        open_zarr(tmp_path / "a.zarr")


def test_missing_folder(tmp_path):
    with pytest.raises(InputError, match="has neither"):
        open_zarr(tmp_path / "a.zarr")


def test_missing_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match="pip install zarr"):
        open_zarr(tmp_path / "a.zarr")


def test_bad_requests(tmp_path):
    path = tmp_path / "a.zarr"
    with pytest.raises(ConfigError, match=r"0\.4 or 0\.5"), create_zarr(path, (1, 4, 5), "uint8", version="0.3"):
        pass
    with pytest.raises(ShapeError, match=r"\(C, H, W\) or"), create_zarr(path, (4, 5), "uint8"):
        pass
    with create_zarr(path, (1, 4, 5), "uint8") as sink, pytest.raises(ConfigError, match="given their name"):
        sink.write_labels(Window(0, 0, 1, 1), np.zeros((1, 1), np.int32))
    with pytest.raises(OutputError, match="exists"), create_zarr(path, (1, 4, 5), "uint8"):
        pass
    with create_zarr(path, (1, 4, 6), "uint8", overwrite=True):
        pass
    assert open_zarr(path).shape == (1, 4, 6)


def test_whole_or_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), create_zarr(tmp_path / "a.zarr", (1, 4, 5), "uint8"):
        raise RuntimeError("stop")
    assert not list(tmp_path.iterdir())
