import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from segcore.errors import ConfigError, InputError, OutputError, ShapeError
from segcore.io import tiff_segments
from segcore.io.memory import MemoryImage
from segcore.io.tiff import DTYPES, create_tiff, open_tiff, write_tiff
from segcore.windows import Window

RNG = np.random.default_rng(0)
WINDOWS = [Window(0, 0, 70, 90), Window(13, 31, 20, 17), Window(60, 80, 30, 30), Window(-5, -7, 9, 11), Window(200, 0, 4, 4)]


def noise(*shape, dtype="uint16"):
    return RNG.integers(0, 250, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", ["YX", "CYX", "ZYX", "CZYX"])
def test_round_trip(tmp_path, dtype, axes):
    edges = {"C": 2, "Z": 3, "Y": 7, "X": 9}
    array = noise(*(edges[letter] for letter in axes), dtype=dtype)
    size = (1 / 3, 0.1, 0.2)[-len(axes.replace("C", "")) :]
    write_tiff(tmp_path / "a.tif", array, axes, pixel_size_um=size)
    found = open_tiff(tmp_path / "a.tif")
    assert found.pixel_size_um == size
    assert found.dtype == array.dtype
    assert found.volume_shape == tuple(edges[letter] if letter in axes else 1 for letter in "CZYX")
    assert np.array_equal(found.read_all().reshape(array.shape), array)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
def test_round_trip_of_the_smallest(tmp_path_factory, channels, depth, height, width):
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    array = noise(channels, depth, height, width)
    write_tiff(path, array, "CZYX")
    assert np.array_equal(open_tiff(path).read_all(), array)


def test_same_array_same_bytes(tmp_path):
    for name in "ab":
        write_tiff(tmp_path / f"{name}.tif", np.eye(9, dtype=np.uint8), "YX", pixel_size_um=(0.5, 0.5))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


KINDS = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "strips": {"compression": "zlib", "rowsperstrip": 16},
    "tiles": {"compression": "zlib", "tile": (16, 32), "predictor": True},
    "uncompressed tiles": {"tile": (32, 16)},
    "lzw": {"compression": "lzw", "rowsperstrip": 7},
    "zstd": {"compression": "zstd", "tile": (48, 48)},
}


@pytest.mark.parametrize("shape", [(70, 90), (70, 90, 3), (3, 70, 90)], ids=["grey", "rgb", "planar"])
@pytest.mark.parametrize("kind", KINDS)
def test_windows_equal_the_array(tmp_path, kind, shape):
    array = noise(*shape, dtype="uint8" if kind == "lzw" else "uint16")
    how = {} if len(shape) == 2 else {"photometric": "rgb", "planarconfig": "separate" if shape[0] == 3 else "contig"}
    tifffile.imwrite(tmp_path / "a.tif", array, **how, **KINDS[kind])
    expected = MemoryImage(np.moveaxis(array, 2, 0) if shape[-1] == 3 else array)
    found = open_tiff(tmp_path / "a.tif")
    assert found.shape == expected.shape
    for window in WINDOWS:
        assert np.array_equal(found.read(window), expected.read(window)), window
        assert np.array_equal(found.mask(window), expected.mask(window)), window


def test_planes_of_a_volume(tmp_path):
    array = noise(2, 3, 20, 30)
    write_tiff(tmp_path / "a.tif", array, "CZYX")
    image = open_tiff(tmp_path / "a.tif")
    assert np.array_equal(image.plane(1).read(Window(3, 4, 5, 6)), array[:, 1, 3:8, 4:10])
    with pytest.raises(ConfigError, match="a volume of 3 planes"):
        image.read(Window(0, 0, 2, 2))
    with pytest.raises(ConfigError, match="planes 0 to 2, got 3"):
        image.plane(3)


def test_few_segments_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_segments, "KEPT", 3 * 16 * 16 * 2)
    array = noise(64, 64)
    tifffile.imwrite(tmp_path / "a.tif", array, compression="zlib", tile=(16, 16))
    image = open_tiff(tmp_path / "a.tif")
    assert np.array_equal(image.read_all()[0, 0], array)
    assert len(image.array._kept) == 3


def test_holes_read_as_zero(tmp_path):
    def tiles():
        yield noise(16, 16)
        for _ in range(3):
            yield None

    tifffile.imwrite(tmp_path / "a.tif", tiles(), shape=(32, 32), dtype="uint16", compression="zlib", tile=(16, 16))
    found = open_tiff(tmp_path / "a.tif").read(Window(0, 0, 32, 32))
    assert found[0, :16, :16].any()
    assert not found[0, 16:].any()


def test_imagej_says_axes_and_size(tmp_path):
    array = noise(4, 20, 30)
    facts = {"axes": "ZYX", "unit": "um", "spacing": 2.0}
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, resolution=(4, 4), metadata=facts)
    found = open_tiff(tmp_path / "a.tif")
    assert found.volume_shape == (1, 4, 20, 30)
    assert found.pixel_size_um == (2.0, 0.25, 0.25)


def test_units_are_converted_and_print_resolution_is_not_believed(tmp_path):
    facts = {"axes": "YX", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(tmp_path / "a.tif", noise(8, 9), ome=True, metadata=facts)
    assert open_tiff(tmp_path / "a.tif").pixel_size_um == (0.5, 0.25)
    tifffile.imwrite(tmp_path / "b.tif", noise(8, 9), resolution=(72, 72), resolutionunit="INCH")
    assert open_tiff(tmp_path / "b.tif").pixel_size_um is None


def test_axes_come_from_the_file_or_the_caller(tmp_path):
    array = noise(4, 20, 30)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    with pytest.raises(InputError, match="axes are never guessed"):
        open_tiff(tmp_path / "a.tif")
    assert open_tiff(tmp_path / "a.tif", axes="ZYX").volume_shape == (1, 4, 20, 30)
    assert open_tiff(tmp_path / "a.tif", axes="CYX").shape == (4, 20, 30)


def test_four_axes_without_names_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(2, 4, 20, 30), photometric="minisblack")
    with pytest.raises(InputError, match="axes are never guessed"):
        open_tiff(tmp_path / "a.tif", axes="CYX")


def test_several_images_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(noise(8, 9))
        writer.write(noise(20, 30))
    with pytest.raises(InputError, match="holds 2 of different kinds"):
        open_tiff(tmp_path / "a.tif")


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}], ids=["plain", "packed"])
def test_truncated(tmp_path, how):
    tifffile.imwrite(tmp_path / "a.tif", noise(200, 200), **how)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated"):
        open_tiff(tmp_path / "a.tif").read_all()


@pytest.mark.parametrize(
    "content", [b"", b"II*\0", b"no tiff at all", b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 60, b"II*\0\x08\0\0\0\x01\0" + b"\x00" * 60]
)
def test_no_tiff(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif") as error:
        open_tiff(tmp_path / "a.tif")
    assert "\n" not in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        open_tiff(tmp_path / "a.tif")


def test_damaged_segment(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(200, 200), compression="zlib")
    whole = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        start = file.pages[0].dataoffsets[0]
    whole[start : start + 50] = b"\xff" * 50
    (tmp_path / "a.tif").write_bytes(whole)
    with pytest.raises(InputError, match="is damaged"):
        open_tiff(tmp_path / "a.tif").read_all()


def test_one_large_strip_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_segments, "MOST_SEGMENT", 10_000)
    tifffile.imwrite(tmp_path / "a.tif", noise(100, 100), compression="zlib", rowsperstrip=100)
    with pytest.raises(InputError, match=r"keeps 0\.0 GB in one\. Save it tiled"):
        open_tiff(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", noise(100, 100), rowsperstrip=100)
    assert open_tiff(tmp_path / "b.tif").shape == (1, 100, 100)


def test_a_claim_of_terabytes_is_not_believed(tmp_path):
    empty = (b"" for _ in range(16 * 16))
    tifffile.imwrite(tmp_path / "a.tif", empty, shape=(2**18, 2**18), dtype="uint8", compression="zlib", tile=(2**14, 2**14))
    image = open_tiff(tmp_path / "a.tif")
    assert not image.read(Window(2**17, 2**17, 3, 3)).any()
    with pytest.raises(InputError, match=r"read at once up to 8 GB; a \(1, 1, 262144, 262144\) has 64\.0"):
        image.read_all()


def test_no_other_file_is_followed(tmp_path):
    own, other = noise(8, 9), noise(8, 9)
    write_tiff(tmp_path / "other.tif", other, "YX")
    planes = '<TiffData IFD="0" PlaneCount="1"><UUID FileName="other.tif">urn:uuid:1</UUID></TiffData>'
    text = tifffile.tiffcomment(tmp_path / "other.tif").replace('<TiffData IFD="0" PlaneCount="1"/>', planes)
    assert planes in text
    tifffile.imwrite(tmp_path / "a.tif", own, description=text, metadata=None)
    assert np.array_equal(open_tiff(tmp_path / "a.tif").read_all()[0, 0], own)


def test_complex_pixels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.complex64))
    with pytest.raises(InputError, match="pixels are real numbers"):
        open_tiff(tmp_path / "a.tif")


@pytest.mark.parametrize(("dtype", "axes"), [("float16", "CYX"), ("int64", "CYX"), ("bool", "CYX"), ("uint8", "YX"), ("uint8", "XYC")])
def test_what_is_not_written(tmp_path, dtype, axes):
    with pytest.raises(ShapeError, match=r"TIFF is written of|the axes are"):
        write_tiff(tmp_path / "a.tif", np.zeros((2, 4, 5), dtype), axes)
    assert not list(tmp_path.iterdir())


def test_sink(tmp_path):
    array = noise(2, 40, 50)
    with create_tiff(tmp_path / "a.tif", array.shape, "uint16", pixel_size_um=(0.5, 0.5)) as sink:
        for window in (Window(0, 0, 20, 50), Window(20, 10, 20, 40)):
            sink.write(window, array[:, *window.slices])
    found = open_tiff(tmp_path / "a.tif")
    array[:, 20:, :10] = 0
    assert np.array_equal(found.read(Window(0, 0, 40, 50)), array)
    assert found.pixel_size_um == (0.5, 0.5)


def test_sink_writes_whole_or_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), create_tiff(tmp_path / "a.tif", (1, 4, 5), "uint8"):
        raise RuntimeError("stop")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises((OutputError, OSError)):
        write_tiff(tmp_path / "file" / "a.tif", noise(4, 5), "YX")
