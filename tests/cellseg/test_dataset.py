from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellseg.dataset import open_dataset, present, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import IGNORE, CellImage
from segcore.errors import ConfigError, InputError, OutputError, ShapeError
from segcore.windows import Window

RNG = np.random.default_rng(0)


def same(one, other):
    assert one.name == other.name
    assert one.pixels.dtype == other.pixels.dtype
    assert np.array_equal(one.pixels, other.pixels)
    assert one.instances.dtype == np.int32
    assert np.array_equal(one.instances, other.instances)
    assert dict(one.classes) == dict(other.classes)
    assert one.pixel_size_um == other.pixel_size_um


def random_image(name="one", shape=(6, 7), channels=1, dtype="uint8", most=9, least=0):
    pixels = RNG.integers(0, 200, (channels, *shape)).astype(dtype)
    if dtype == "float32":
        pixels = pixels * np.float32(1 / 3)
    return CellImage(name=name, pixels=pixels, instances=RNG.integers(least, most, shape, dtype=np.int32, endpoint=True))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int32"])
@pytest.mark.parametrize("shape", [(6, 7), (3, 6, 7), (1, 6, 7), (1, 1)])
def test_round_trip(tmp_path, shape, dtype, channels):
    image = random_image(shape=shape, channels=channels, dtype=dtype, least=IGNORE)
    path = write_dataset(tmp_path / "set", [image], facts=DatasetFacts(axes="CYX" if len(shape) == 2 else "CZYX"))
    same(open_dataset(path)[0], image)


@pytest.mark.parametrize(("most", "suffix"), [(255, ".png"), (65534, ".png"), (65535, ".tif"), (2**31 - 1, ".tif")])
def test_ids_and_ignore_in_both_widths(tmp_path, most, suffix):
    image = random_image(most=most, least=IGNORE)
    image.instances[0, :2] = most, IGNORE
    path = write_dataset(tmp_path / "set", [image], facts=DatasetFacts())
    assert [file.suffix for file in (path / "labels").iterdir()] == [suffix]
    same(open_dataset(path)[0], image)


@settings(max_examples=40)
@given(st.integers(1, 3), st.integers(1, 8), st.integers(1, 8), st.sampled_from(["uint8", "uint16", "float32"]), st.integers(0, 70_000))
def test_any_image_comes_back(tmp_path_factory, channels, height, width, dtype, most):
    image = random_image(shape=(height, width), channels=channels, dtype=dtype, most=most, least=IGNORE)
    folder = tmp_path_factory.mktemp("sets") / "set"
    same(open_dataset(write_dataset(folder, [image], facts=DatasetFacts()))["one"], image)


def test_empty_images_and_one_pixel_cells(tmp_path):
    empty = CellImage(name="empty", pixels=np.zeros((1, 5, 6), np.uint8), instances=np.zeros((5, 6), np.int32))
    dot = empty.instances.copy()
    dot[2, 3] = 1
    images = [empty, replace(empty, name="dot", instances=dot)]
    dataset = open_dataset(write_dataset(tmp_path / "set", images, facts=DatasetFacts()))
    assert dataset.names == ("dot", "empty")
    same(dataset["empty"], empty)
    assert dataset["dot"].ids.tolist() == [1]


def test_same_images_same_bytes(tmp_path, image, volume):
    for folder in ("a", "b"):
        write_dataset(tmp_path / folder / "two", [image], facts=DatasetFacts(classes=("epithelial", "lymphocyte")))
        write_dataset(tmp_path / folder / "volumes", [volume], facts=DatasetFacts(axes="ZYX"))
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 7
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in files)


def test_classes_and_splits_come_back(two_classes):
    assert two_classes.names == ("a", "b", "c", "d")
    assert two_classes["b"].classes == {1: "epithelial", 2: "epithelial", 3: "epithelial", 4: "lymphocyte", 5: "lymphocyte"}
    assert two_classes.splits["c"] == ("test", "slide-2")
    assert two_classes.split("test").names == ("c", "d")
    assert two_classes.facts.licence == "CC0"


def test_the_one_class_is_everyones(tmp_path, image):
    path = write_dataset(tmp_path / "set", [image.with_labels(image.instances, {})], facts=DatasetFacts(classes=("nucleus",)))
    assert not (path / "instances.csv").exists()
    assert open_dataset(path)[0].classes == dict.fromkeys(range(1, 6), "nucleus")
    assert [patch.classes for patch in [open_dataset(path).source(0).read(Window(10, 10, 9, 9))]] == [{1: "nucleus"}]


def test_an_object_without_class_stays_so(tmp_path, image):
    classes = {own: name for own, name in image.classes.items() if own != 2}
    facts = DatasetFacts(classes=("epithelial", "lymphocyte"))
    path = write_dataset(tmp_path / "set", [image.with_labels(image.instances, classes)], facts=facts)
    assert open_dataset(path)[0].classes == classes


def test_a_sequence(two_classes):
    assert len(two_classes) == 4
    assert [image.name for image in two_classes] == list(two_classes.names)
    assert two_classes[-1].name == "d"
    assert two_classes[1:3].names == ("b", "c")
    assert "c" in two_classes
    assert two_classes.only(["d", "a"]).names == ("a", "d")
    with pytest.raises(IndexError):
        two_classes[4]
    with pytest.raises(ConfigError, match="has 4 images, none of them named 'e'"):
        two_classes["e"]
    with pytest.raises(ConfigError, match="the splits test, train; got 'valid'"):
        two_classes.split("valid")


def test_pixel_size_of_an_image_outlives_the_facts(tmp_path, image):
    sizes = {"same": (0.5, 0.5), "own": (0.1, 1 / 3), "none": None}
    others = [replace(image, name=name, pixel_size_um=size) for name, size in sizes.items()]
    facts = DatasetFacts(pixel_size_um=(0.5, 0.5), classes=("epithelial", "lymphocyte"))
    found = open_dataset(write_dataset(tmp_path / "set", others, facts=facts))
    assert [found[name].pixel_size_um for name in ("same", "own", "none")] == [(0.5, 0.5), (0.1, 1 / 3), (0.5, 0.5)]


def test_opening_reads_no_image(tmp_path, monkeypatch):
    path = write_dataset(tmp_path / "set", [random_image()], facts=DatasetFacts())
    entries = [SimpleNamespace(name=f"i{number:05d}.png") for number in range(10_000)]
    monkeypatch.setattr("cellseg.listing.os.scandir", lambda folder: entries)  # listed, but not there
    found = open_dataset(path)
    assert len(found) == 10_000
    assert found.only(found.names[::2]).names[1] == "i00002"
    with pytest.raises(InputError, match=r"i09999\.png is needed"):
        found[-1]


def test_images_are_written_one_at_a_time(tmp_path):
    alive = []

    def images():
        for number in range(4):
            assert len(list(tmp_path.glob(".set*/labels/*"))) == number
            alive.append(number)
            yield random_image(f"i{number}")

    write_dataset(tmp_path / "set", images(), facts=DatasetFacts())
    assert alive == [0, 1, 2, 3]


def test_whole_or_nothing(tmp_path):
    def images():
        yield random_image("a")
        raise InputError("the source ended")

    with pytest.raises(InputError, match="the source ended"):
        write_dataset(tmp_path / "set", images(), facts=DatasetFacts())
    assert not list(tmp_path.iterdir())


def test_a_dataset_can_be_written_over_itself(tmp_path):
    path = write_dataset(tmp_path / "set", [random_image("a"), random_image("b")], facts=DatasetFacts())
    with pytest.raises(OutputError, match="never replaced silently"):
        write_dataset(path, [random_image()], facts=DatasetFacts())
    write_dataset(path, open_dataset(path).only("a"), facts=DatasetFacts(), overwrite=True)
    assert open_dataset(path).names == ("a",)
    (tmp_path / "other").mkdir()
    with pytest.raises(OutputError, match="is something else"):
        write_dataset(tmp_path / "other", [random_image()], facts=DatasetFacts(), overwrite=True)


FACTS = DatasetFacts()


@pytest.mark.parametrize(
    ("images", "facts", "splits", "kind", "words"),
    [
        (["../a"], FACTS, None, ConfigError, "plain file name"),
        (["a", "A"], FACTS, None, ConfigError, "'A' comes twice"),
        (["a"], FACTS, {"b": ("train", "")}, ConfigError, "'b' is none of the 1"),
        (["a", "b"], FACTS, {"a": ("train", "g"), "b": ("test", "g")}, ConfigError, "never split; 'g'"),
        (["a"], DatasetFacts(axes="ZYX"), None, ShapeError, r"axes ZYX .* \(1, 6, 7\)"),
    ],
)
def test_what_is_not_written(tmp_path, images, facts, splits, kind, words):
    with pytest.raises(kind, match=words):
        write_dataset(tmp_path / "set", map(random_image, images), facts=facts, splits=splits)
    assert not list(tmp_path.iterdir())


def test_a_flat_volume_keeps_its_size(tmp_path):
    flat = replace(random_image(shape=(1, 6, 7)), pixel_size_um=(2.0, 0.5, 0.25))
    same(open_dataset(write_dataset(tmp_path / "set", [flat], facts=DatasetFacts(axes="CZYX")))[0], flat)


def test_channels_need_their_axis(tmp_path):
    with pytest.raises(ShapeError, match="axes YX"):
        write_dataset(tmp_path / "set", [random_image(channels=3)], facts=DatasetFacts(axes="YX"))


def test_unknown_classes_are_not_written(tmp_path, image):
    with pytest.raises(ConfigError, match="has objects of class 'lymphocyte'"):
        write_dataset(tmp_path / "set", [image], facts=DatasetFacts(classes=("epithelial",)))


def test_unsupported_pixels_are_not_written(tmp_path):
    with pytest.raises(ShapeError, match=r"got float16"):
        write_dataset(tmp_path / "set", [random_image(dtype="float16")], facts=DatasetFacts())


def test_present_equals_unique():
    for most in (5, 3000, 2**31 - 1):
        instances = RNG.integers(IGNORE, most, (20, 20), dtype=np.int32, endpoint=True)
        assert np.array_equal(present(instances), np.unique(instances[instances > 0]))
