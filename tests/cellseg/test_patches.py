import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import CellImage
from cellseg.patches import patches
from segcore.errors import ConfigError


def numbered(*shape):
    """An image whose pixels and ids tell their place."""
    places = np.arange(1, 1 + np.prod(shape), dtype=np.int32).reshape(shape)
    return CellImage(name="a", pixels=places[None].astype(np.float32), instances=places)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 15), st.integers(1, 15))
def test_every_pixel_is_covered_and_keeps_its_id(height, width, size, stride):
    image = numbered(height, width)
    stride = min(size, stride)
    found = list(patches(image, size, stride))
    assert {own for patch in found for own in patch.ids} == set(image.ids)
    assert len({patch.name for patch in found}) == len(found)
    for patch in found:
        row, col = (int(part[1:]) for part in patch.name.split("_")[1:])
        assert patch.instances.shape == (min(size, height), min(size, width))
        assert patch.instances[0, 0] == row * width + col + 1
        assert np.array_equal(patch.pixels[0], patch.instances)


def test_without_stride_they_meet_and_the_last_is_flush():
    assert [patch.name for patch in patches(numbered(4, 10), 4)] == ["a_r0_c0", "a_r0_c4", "a_r0_c6"]


def test_classes_are_those_inside(image):
    first = next(patches(image, 32))
    assert first.classes == {1: "epithelial", 2: "epithelial"}
    assert first.pixel_size_um == (0.5, 0.5)
    first.instances[:] = 0
    assert image.instances[15, 15] == 1


def test_volumes(volume):
    whole = list(patches(volume, 24))
    assert [patch.pixels.shape for patch in whole] == [(1, 12, 24, 24)] * 4
    assert whole[-1].name == "volume_r16_c24"
    cut = list(patches(volume, (8, 24, 24)))
    assert [patch.name for patch in cut][:5] == [
        "volume_z0_r0_c0",
        "volume_z0_r0_c24",
        "volume_z0_r16_c0",
        "volume_z0_r16_c24",
        "volume_z4_r0_c0",
    ]
    assert np.array_equal(cut[4].instances, volume.instances[4:, :24, :24])


@pytest.mark.parametrize(("size", "stride"), [(0, None), (4, 0), ((4, 4, 4), None), ((4,), None), (4, (1, -1))])
def test_bad_sizes(image, size, stride):
    with pytest.raises(ConfigError, match="of patches is a number from 1"):
        patches(image, size, stride)


def test_patches_leave_no_gap(image):
    with pytest.raises(ConfigError, match="the stride is at most the size; got 9 for 8"):
        patches(image, 8, 9)


def test_from_disk_equals_from_memory(two_classes, with_ignore, tmp_path):
    tifs = open_dataset(write_dataset(tmp_path / "set", [numbered(30, 40)], facts=DatasetFacts()))
    for dataset in (two_classes, with_ignore, tifs):
        for one, other in zip(patches(dataset[0], 25, 20), patches(dataset.source(0), 25, 20), strict=True):
            assert one.name == other.name
            assert one.pixel_size_um == other.pixel_size_um
            assert one.classes == other.classes
            assert np.array_equal(one.pixels, other.pixels)
            assert np.array_equal(one.instances, other.instances)
