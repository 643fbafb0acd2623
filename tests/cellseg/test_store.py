import tracemalloc

import numpy as np
import pytest

from cellseg.image import IGNORE
from cellseg.store import decode_labels, encode_labels, one_label, read_labels, require_fitting, write_labels, write_pixels
from segcore.errors import InputError
from segcore.io.tiff import write_tiff
from segcore.io.zarr import create_zarr
from segcore.windows import Window


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_minus_one_is_unknown_in_signed_types(dtype):
    assert decode_labels(np.array([[-1, 0, 7]], dtype), "file").tolist() == [[IGNORE, 0, 7]]


@pytest.mark.parametrize(
    ("dtype", "most", "expected"), [("uint8", 255, 255), ("uint16", 65535, IGNORE), ("uint32", 65535, 65535), ("int32", 65535, 65535)]
)
def test_only_sixteen_bits_use_their_largest_number(dtype, most, expected):
    found = decode_labels(np.array([[0, most]], dtype), "file")
    assert found.dtype == np.int32
    assert found.tolist() == [[0, expected]]


def test_encoding_is_undone():
    for most in (0, 254, 65534, 65535, 2**31 - 1):
        instances = np.array([[IGNORE, 0, most]], np.int32)
        stored = encode_labels(instances)
        assert stored.dtype == (np.uint16 if most <= 65534 else np.int32)
        assert np.array_equal(decode_labels(stored, "file"), instances)


def test_encoding_into_a_file_takes_no_memory(tmp_path):
    instances = np.arange(-1, 250_000, dtype=np.int32).reshape(-1, 1) % 65536 - 1
    room = np.memmap(tmp_path / "room", dtype=np.uint16, mode="w+", shape=instances.shape)
    tracemalloc.start()
    stored = encode_labels(instances, out=room)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert stored is room
    assert most < instances.size
    assert np.array_equal(decode_labels(stored, "file"), instances)
    many = np.array([[65535]], np.int32)
    assert encode_labels(many, out=room[:1]) is many


@pytest.mark.parametrize(
    ("pixels", "own", "name"),
    [
        (np.zeros((1, 4, 5), np.uint8), False, "a.png"),
        (np.zeros((3, 4, 5), np.uint8), False, "a.png"),
        (np.zeros((3, 4, 5), np.uint8), True, "a.tif"),
        (np.zeros((2, 4, 5), np.uint8), False, "a.tif"),
        (np.zeros((1, 4, 5), np.uint16), False, "a.tif"),
        (np.zeros((1, 2, 4, 5), np.uint8), False, "a.tif"),
    ],
)
def test_png_for_what_everyone_can_see(tmp_path, pixels, own, name):
    assert write_pixels(tmp_path, "a", pixels, pixel_size_um=None, own_size=own).name == name


def test_labels_of_a_volume_and_of_other_programs(tmp_path):
    labels = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    assert np.array_equal(read_labels(write_labels(tmp_path, "a", labels, pixel_size_um=None), "CZYX"), labels)
    write_tiff(tmp_path / "b.tif", labels[0].astype(np.uint32), "YX")
    assert np.array_equal(read_labels(tmp_path / "b.tif", "YX"), labels[0])


def test_labels_in_a_zarr(tmp_path):
    labels = np.arange(12, dtype=np.int32).reshape(3, 4)
    with create_zarr(tmp_path / "a.zarr", (2, 3, 4), "uint8", label="cells") as sink:
        sink.write_labels(Window(0, 0, 3, 4), labels)
    assert np.array_equal(read_labels(tmp_path / "a.zarr", "CYX"), labels)
    with pytest.raises(InputError, match="one label image; a has x, y"):
        one_label("a", ("x", "y"))


def test_sizes_must_fit():
    require_fitting((3, 1, 4, 5), (1, 1, 4, 5), "a")
    with pytest.raises(InputError, match="a has 2 x 4 x 5 and 4 x 5"):
        require_fitting((3, 2, 4, 5), (1, 1, 4, 5), "a")
