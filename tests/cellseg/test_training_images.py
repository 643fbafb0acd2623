import numpy as np
import pytest

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.perturb import Omission, perturb_dataset
from cellseg.simulate.zarrs import write_zarr_dataset
from cellseg.training.images import Plane, TargetImages
from segcore.errors import InputError
from segcore.windows import Window

WHOLE = Window(0, 0, 64, 80)


def test_the_target_is_1_other_classes_and_background_0(two_classes):
    images = TargetImages(two_classes, "lymphocyte")
    pixels, target = images.read(Plane("b", 0, 64, 80), WHOLE)
    np.testing.assert_array_equal(pixels, two_classes["b"].pixels)
    np.testing.assert_array_equal(target == 1, two_classes["b"].mask("lymphocyte"))
    assert set(np.unique(target)) == {0, 1}


def test_unknown_pixels_are_minus_1(with_ignore):
    _, target = TargetImages(with_ignore, "epithelial").read(Plane("p", 0, 64, 80), WHOLE)
    assert (target[:8] == -1).all()
    assert (target[8:] >= 0).all()


def test_a_window_is_a_part_of_the_whole(two_classes):
    images, window = TargetImages(two_classes, "epithelial"), Window(10, 20, 30, 25)
    whole, part = images.read(Plane("a", 0, 64, 80), WHOLE), images.read(Plane("a", 0, 64, 80), window)
    np.testing.assert_array_equal(part[0], whole[0][:, *window.slices])
    np.testing.assert_array_equal(part[1], whole[1][window.slices])


def test_a_volume_is_its_planes(volumes):
    images = TargetImages(volumes, "cell")
    planes = images.planes("v1")
    assert [plane.z for plane in planes] == list(range(12))
    pixels, target = images.read(planes[5], Window(0, 0, 40, 48))
    np.testing.assert_array_equal(pixels, volumes["v1"].pixels[:, 5])
    np.testing.assert_array_equal(target == 1, volumes["v1"].instances[5] > 0)


def test_labels_of_another_dataset_are_learnt_with_the_same_pixels(two_classes, tmp_path):
    perturb_dataset(two_classes, Omission(1.0, target="epithelial"), tmp_path / "bare")
    images = TargetImages(two_classes, "epithelial", labels=open_dataset(tmp_path / "bare"))
    pixels, target = images.read(Plane("a", 0, 64, 80), WHOLE)
    np.testing.assert_array_equal(pixels, two_classes["a"].pixels)
    assert (target == 0).all()


@pytest.mark.parametrize("written", ["tiff", "zarr"])
def test_a_large_image_is_read_by_windows_and_gives_the_same(image, tmp_path, written):
    facts = DatasetFacts(axes="YX", classes=("epithelial", "lymphocyte"), pixel_size_um=(0.5, 0.5))
    wide = type(image)(name="one", pixels=image.pixels.astype(np.uint16), instances=image.instances, classes=image.classes)
    if written == "tiff":
        write_dataset(tmp_path / "set", [wide], facts=facts)
    else:
        write_zarr_dataset(tmp_path / "set", [wide], facts=facts, splits={})
    data = open_dataset(tmp_path / "set")
    kept, windowed = TargetImages(data, "lymphocyte"), TargetImages(data, "lymphocyte", keep=1000)
    assert (kept.planes("one"), kept.bytes_of("one")) == ([Plane("one", 0, 64, 80)], 3 * 64 * 80)
    labels = (4 + 1) * 64 * 80 if written == "tiff" else 0  # a PNG of labels is read whole, with which pixels are valid
    assert (windowed.planes("one"), windowed.bytes_of("one")) == ([Plane("one", 0, 64, 80)], labels)
    window = Window(3, 40, 30, 33)
    for own, other in zip(kept.read(kept.planes("one")[0], window), windowed.read(Plane("one", 0, 64, 80), window), strict=True):
        np.testing.assert_array_equal(own, other)


def test_images_used_last_are_kept(two_classes, monkeypatch):
    opened = []
    plain = TargetImages._open
    monkeypatch.setattr(TargetImages, "_open", lambda self, name: opened.append(name) or plain(self, name))
    images = TargetImages(two_classes, "epithelial", keep=2 * 4 * 64 * 80)
    for name in "aabacb":
        images.planes(name)
    assert opened == ["a", "b", "c", "b"]


def test_labels_of_large_images_count_too(image, tmp_path):
    wide = [type(image)(name=name, pixels=image.pixels.astype(np.uint16), instances=image.instances) for name in "abcdef"]
    data = open_dataset(write_dataset(tmp_path / "set", wide, facts=DatasetFacts(axes="YX")))
    images = TargetImages(data, "cell", keep=6000)
    for name in data.names:
        images.planes(name)
    assert list(images._kept) == ["f"]


@pytest.mark.parametrize(("keep", "kept"), [(1 << 20, 3 * 64 * 80), (1000, 5 * 64 * 80)], ids=["kept", "by-windows"])
def test_labels_of_another_size_are_refused(with_ignore, tmp_path, keep, kept):
    smaller = [type(own)(name=own.name, pixels=own.pixels[:, :60], instances=own.instances[:60]) for own in with_ignore]
    other = open_dataset(write_dataset(tmp_path / "cut", smaller, facts=with_ignore.facts))
    assert TargetImages(with_ignore, "epithelial", keep=keep).bytes_of("p") == kept
    with pytest.raises(InputError, match=r"one size; p has \(64, 80\) and \(60, 80\)\. Give labels of these images"):
        TargetImages(with_ignore, "epithelial", labels=other, keep=keep).planes("p")
