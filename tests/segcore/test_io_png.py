import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segcore.errors import InputError, ShapeError
from segcore.io.png import PALETTE, png_header, read_png, write_png


@given(
    st.sampled_from(["uint8", "uint16"]), st.sampled_from([(), (2,), (3,), (4,)]), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99)
)
def test_round_trip(tmp_path_factory, dtype, channels, height, width, seed):
    path = tmp_path_factory.mktemp("png") / "a.png"
    array = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, *channels), dtype=dtype, endpoint=True)
    write_png(path, array)
    found = read_png(path)
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_another_reader_sees_the_same(tmp_path):
    array = np.arange(60, dtype=np.uint16).reshape(6, 10) * 1000
    write_png(tmp_path / "a.png", array)
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image), array)


def test_same_array_same_bytes(tmp_path):
    for name in "ab":
        write_png(tmp_path / f"{name}.png", np.eye(9, dtype=np.uint8))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_header_tells_a_palette(tmp_path):
    Image.fromarray(np.eye(5, dtype=np.uint8)).convert("P").save(tmp_path / "a.png")
    header = png_header(tmp_path / "a.png")
    assert (header.height, header.width, header.colour) == (5, 5, PALETTE)
    assert read_png(tmp_path / "a.png").shape == (5, 5, 3)


def huge(height, width):
    head = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))


def cut(path):
    write_png(path, np.random.default_rng(0).integers(0, 255, (50, 50), dtype=np.uint8))
    return path.read_bytes()[:900]


@pytest.mark.parametrize(
    ("content", "words"), [(b"GIF89a" * 9, "not a PNG"), (b"", "not a PNG"), (huge(10**9, 10**9), "claims"), (cut, "damaged")]
)
def test_bad_files(tmp_path, content, words):
    path = tmp_path / "a.png"
    path.write_bytes(content(path) if callable(content) else content)
    with pytest.raises(InputError, match=words) as error:
        read_png(path)
    assert "\n" not in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_png(tmp_path / "a.png")


@pytest.mark.parametrize("array", [np.zeros((4, 4)), np.zeros((4, 4, 5), np.uint8), np.zeros(4, np.uint8)])
def test_what_png_cannot_hold(tmp_path, array):
    with pytest.raises(ShapeError, match="a PNG is"):
        write_png(tmp_path / "a.png", array)
    assert not list(tmp_path.iterdir())
