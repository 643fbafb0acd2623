import numpy as np
import pytest
import tifffile
from PIL import Image

from cellseg.formats import folder
from cellseg.formats.imported import ImportOptions, Odd
from cellseg.formats.pictures import majority, read_labels, read_mask, read_pixels
from segcore.errors import InputError
from segcore.io.png import write_png
from segcore.io.tiff import write_tiff
from segcore.io.zarr import create_zarr
from segcore.windows import Window

STACK = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)


def test_jpeg_grey_and_colour(tmp_path):
    Image.new("RGB", (8, 6), (10, 200, 30)).save(tmp_path / "c.jpg", quality=95)
    Image.new("L", (8, 6), 90).save(tmp_path / "g.jpeg")
    Image.new("CMYK", (8, 6)).save(tmp_path / "k.jpg")
    assert read_pixels(tmp_path / "c.jpg", None, Odd())[0].shape == (3, 6, 8)
    assert read_pixels(tmp_path / "g.jpeg", None, Odd())[0].tolist() == [[[90] * 8] * 6]
    with pytest.raises(InputError, match="grey or RGB"):
        read_pixels(tmp_path / "k.jpg", None, Odd())
    with pytest.raises(InputError, match=r"is a JPEG, whose numbers are blurred"):
        read_labels(tmp_path / "c.jpg", None, Odd())


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif"])
def test_damaged_images_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no image at all, and long enough to hold a header")
    with pytest.raises(InputError, match=name):
        read_pixels(tmp_path / name, None, Odd())


def test_deep_colour_keeps_its_bits(tmp_path):
    pixels = np.arange(36, dtype=np.uint16).reshape(3, 4, 3) * 1500
    write_png(tmp_path / "x.png", pixels)
    assert (read_pixels(tmp_path / "x.png", None, Odd())[0] == pixels.transpose(2, 0, 1)).all()


def test_a_palette_gives_its_numbers_as_labels(tmp_path):
    picture = Image.fromarray(np.array([[0, 1], [2, 2]], dtype=np.uint8), mode="P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "x.png")
    assert read_labels(tmp_path / "x.png", None, Odd()).tolist() == [[0, 1], [2, 2]]


def test_ome_tiff_tells_axes_and_pixel_size(tmp_path):
    write_tiff(tmp_path / "v.ome.tif", STACK, "CZYX", pixel_size_um=(1.0, 0.5, 0.5))
    pixels, size = read_pixels(tmp_path / "v.ome.tif", None, Odd())
    assert (pixels == STACK).all()
    assert size == (1.0, 0.5, 0.5)


def test_unknown_axes_are_an_error_until_they_are_said(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", STACK[0], photometric="minisblack")
    with pytest.raises(InputError, match="axes are never guessed"):
        read_pixels(tmp_path / "x.tif", None, Odd())
    assert read_pixels(tmp_path / "x.tif", "CYX", Odd())[0].shape == (3, 4, 5)
    assert read_pixels(tmp_path / "x.tif", "ZYX", Odd())[0].shape == (1, 3, 4, 5)


def test_volumes_are_imported_whole(tmp_path):
    labels = np.zeros((3, 4, 5), dtype=np.uint16)
    labels[1:, 1:3, 2] = 4
    write_tiff(tmp_path / "v.tif", STACK, "CZYX", pixel_size_um=(1.0, 0.5, 0.5))
    write_tiff(tmp_path / "v_inst.tif", labels, "ZYX")
    found = folder.read(tmp_path, ImportOptions())
    (v,) = found.images
    assert (found.facts.axes, found.facts.pixel_size_um, v.ids.tolist()) == ("CZYX", (1.0, 0.5, 0.5), [4])
    assert folder.read(tmp_path, ImportOptions(pixel_size_um=0.2)).facts.pixel_size_um == (0.2, 0.2, 0.2)
    write_png(tmp_path / "w.png", np.zeros((4, 5), dtype=np.uint8))
    write_png(tmp_path / "w_inst.png", np.zeros((4, 5), dtype=np.uint8))
    with pytest.raises(InputError, match="images or volumes, not both"):
        list(folder.read(tmp_path, ImportOptions()).images)


def test_ome_zarr_with_its_labels(tmp_path):
    labels = np.zeros((6, 8), dtype=np.int32)
    labels[2:4, 3] = 70_000
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
        with create_zarr(tmp_path / part / "a.ome.zarr", (2, 6, 8), "uint16", label="cells") as sink:
            sink.write_labels(Window(0, 0, 6, 8), labels)
    (a,) = folder.read(tmp_path, ImportOptions()).images
    assert a.name == "a"
    assert a.pixels.shape == (2, 6, 8)
    assert (a.instances == labels).all()


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.zeros((4, 5), dtype=np.float32), "whole numbers.*float32"),
        (np.full((4, 5), -2, dtype=np.int32), "-2"),
        (np.full((4, 5), 2**32 - 1, dtype=np.uint32), str(2**32 - 1)),
        (np.zeros((3, 4, 5), dtype=np.uint16), "axes are never guessed|channels"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path, labels, text):
    tifffile.imwrite(tmp_path / "x.tif", labels, photometric="minisblack")
    with pytest.raises(InputError, match=text):
        read_labels(tmp_path / "x.tif", None, Odd())


def test_masks_of_any_second_value(tmp_path):
    write_png(tmp_path / "x.png", np.array([[0, 7]], dtype=np.uint8))
    assert read_mask(tmp_path / "x.png", None).tolist() == [[False, True]]


def test_the_majority_rules_and_the_lower_of_equals():
    instances = np.array([[1, 1, 1, 5, 5, 0, -1, 9]], dtype=np.int32)
    types = np.array([[0, 2, 2, 4, 3, 6, 6, 0]])
    assert majority(instances, types) == {1: 2, 5: 3, 9: 0}
