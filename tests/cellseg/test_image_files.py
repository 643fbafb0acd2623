import numpy as np
import pytest
from PIL import Image

from cellseg.image_files import find_images
from segcore.errors import InputError
from segcore.io.png import write_png
from segcore.io.tiff import write_tiff
from segcore.io.zarr import create_zarr
from segcore.windows import Window

PIXELS = np.arange(2 * 6 * 8, dtype=np.uint16).reshape(2, 6, 8)
WHOLE = Window(0, 0, 6, 8)


def folder_of_three(path):
    path.mkdir()
    write_tiff(path / "b.tif", PIXELS, "CYX", pixel_size_um=(0.5, 0.25))
    write_png(path / "c.png", PIXELS[0].astype(np.uint8))
    with create_zarr(path / "a.zarr", PIXELS.shape, PIXELS.dtype) as sink:
        sink.write(WHOLE, PIXELS)
    (path / "notes.txt").write_text("no image")
    (path / ".hidden.png").write_text("no image")
    return path


def test_a_folder_gives_its_images_by_name_and_passes_others_over(tmp_path):
    found = find_images(folder_of_three(tmp_path / "scans"))
    assert [own.name for own in found.files] == ["a", "b", "c"]
    assert [own.shape for own in found.files] == [(2, 1, 6, 8), (2, 1, 6, 8), (1, 1, 6, 8)]
    assert [own.pixel_type for own in found.files] == ["uint16", "uint16", "uint8"]
    assert [own.pixel_size_um for own in found.files] == [None, (0.5, 0.25), None]
    assert (found.is_volume, found.title, dict(found.splits)) == (False, "scans", {})
    for own in found.files[:2]:
        np.testing.assert_array_equal(own.plane(0).read(WHOLE), PIXELS)
    np.testing.assert_array_equal(found.files[2].plane(0).read(WHOLE), PIXELS[:1].astype(np.uint8))


def test_what_is_passed_over_is_noted(tmp_path):
    folder = folder_of_three(tmp_path / "scans")
    for name in ("c_inst.png", "c_mask.png", "d_inst.png"):
        write_png(folder / name, PIXELS[0].astype(np.uint8))
    found = find_images(folder)
    assert [own.name for own in found.files] == ["a", "b", "c", "d_inst"], "d_inst labels no d: it is an image"
    assert found.notes == (
        "passed over, no image that is read: notes.txt",
        "passed over, labels of the images beside them: c_inst.png, c_mask.png",
    )
    assert find_images(folder / "c.png").notes == ()


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_a_jpeg_is_an_image(tmp_path, mode, channels):
    Image.fromarray(np.full((6, 8, 3), 90, np.uint8)).convert(mode).save(tmp_path / "a.JPG")
    (own,) = find_images(tmp_path).files
    assert (own.shape, own.pixel_type) == ((channels, 1, 6, 8), "uint8")
    np.testing.assert_allclose(own.plane(0).read(WHOLE), np.full((channels, 6, 8), 90), atol=3)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_dropped_as_import_does(tmp_path, mode):
    Image.fromarray(np.full((6, 8, 4), 90, np.uint8), "RGBA").convert(mode).save(tmp_path / "a.png")
    (own,) = find_images(tmp_path).files
    pixels = own.plane(0).read(WHOLE)
    assert own.shape == (len(mode) - 1, 1, 6, 8) == (len(pixels), 1, *pixels.shape[1:])
    assert (pixels == 90).all()


@pytest.mark.parametrize("name", ["a.zarr", "b.tif", "c.png"])
def test_one_file_is_one_image(tmp_path, name):
    (own,) = find_images(folder_of_three(tmp_path / "scans") / name).files
    assert own.name == name[0]


def test_a_dataset_gives_its_images_with_splits(two_classes):
    for where in (two_classes, two_classes.path):
        found = find_images(where)
        assert [own.name for own in found.files] == ["a", "b", "c", "d"]
        assert found.files[0].pixel_size_um == (0.5, 0.5)
        assert found.splits["c"] == ("test", "slide-2")


def test_volumes_have_planes(volumes):
    found = find_images(volumes)
    own = found.files[1]
    assert (found.is_volume, own.shape, own.pixel_size_um) == (True, (1, 12, 40, 48), (1.0, 0.25, 0.25))
    np.testing.assert_array_equal(own.plane(7).read(Window(0, 0, 40, 48)), volumes["v1"].pixels[:, 7])


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    write_png(tmp_path / "x.png", np.zeros((4, 4), np.uint8))
    write_tiff(tmp_path / "x.tif", np.zeros((4, 4), np.uint8), "YX")
    (tmp_path / "y.gif").write_text("")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/y.jpg").write_text("")
    refused = {
        "empty": "holds none",
        "y.gif": "holds none",
        "none.png": "none.png is not there",
        "": "several named x",
        "bad": "y.jpg cannot",
    }
    for path, text in refused.items():
        with pytest.raises(InputError, match=text):
            find_images(tmp_path / path)
    (tmp_path / "x.png").unlink()
    write_tiff(tmp_path / "v.tif", np.zeros((3, 4, 4), np.uint8), "ZYX")
    with pytest.raises(InputError, match="images and volumes are segmented apart"):
        find_images(tmp_path)
