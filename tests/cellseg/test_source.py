import shutil

import numpy as np
import pytest

from cellseg.dataset import open_dataset
from cellseg.image import IGNORE
from segcore.errors import InputError
from segcore.io.zarr import create_zarr
from segcore.windows import Window

WHOLE = Window(0, 0, 64, 80)


@pytest.fixture
def zarrs(tmp_path, two_classes):
    """The dataset of two classes: a as OME-Zarr with its labels inside, b with them beside it, the others as PNG."""
    folder = shutil.copytree(two_classes.path, tmp_path / "set")
    for name, label in (("a", "cells"), ("b", None)):
        image = two_classes[name]
        with create_zarr(folder / "images" / f"{name}.zarr", image.pixels.shape, "uint8", label=label, pixel_size_um=(0.25, 0.25)) as sink:
            sink.write(WHOLE, image.pixels)
            if label:
                sink.write_labels(WHOLE, image.instances)
        (folder / "images" / f"{name}.png").unlink()
    (folder / "labels/a.png").unlink()
    return open_dataset(folder)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_sources_read_what_the_dataset_reads(zarrs, two_classes, name):
    image, source = zarrs[name], zarrs.source(name)
    assert np.array_equal(image.pixels, two_classes[name].pixels)
    assert np.array_equal(image.instances, two_classes[name].instances)
    assert image.classes == two_classes[name].classes
    assert image.pixel_size_um == source.pixel_size_um == ((0.5, 0.5) if name == "c" else (0.25, 0.25))
    assert source.shape == (3, 64, 80)
    part = source.read(Window(35, 50, 10, 12))
    assert np.array_equal(part.pixels, image.pixels[:, 35:45, 50:62])
    assert np.array_equal(part.instances, image.instances[35:45, 50:62])
    assert part.classes == {4: "lymphocyte"}


def test_ignore_is_decoded(with_ignore):
    assert np.all(with_ignore.source(0).read(Window(0, 0, 8, 8)).instances == IGNORE)


def test_volumes_are_read_whole(volumes):
    with pytest.raises(InputError, match="volumes are read whole"):
        volumes.source(0)


def test_sizes_must_fit(zarrs):
    shutil.copytree(zarrs.files["a"].image, zarrs.path / "labels/b.zarr")
    (zarrs.path / "labels/b.png").unlink()
    shutil.rmtree(zarrs.path / "labels/b.zarr/labels")
    with pytest.raises(InputError, match="labels one channel; b has"):
        open_dataset(zarrs.path).source("b")
