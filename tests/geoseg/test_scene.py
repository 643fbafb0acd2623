import numpy as np
import pytest

from geoseg.scene import RasterOptions, open_scene
from segcore.errors import InputError
from segcore.progress import Silent
from segcore.windows import Window


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def test_without_an_area_all_is_wanted(write_raster, pixels):
    scene = open_scene(write_raster(pixels), RasterOptions(), progress=Silent())
    assert scene.region == Window(0, 0, 90, 120)
    assert scene.wanted is scene.source
    assert (scene.wanted.read(scene.region) == pixels).all()


def test_outside_the_area_nothing_is_seen(write_raster, pixels):
    options = RasterOptions(area="400020,3699860,400120,3699960")
    scene = open_scene(write_raster(pixels), options, progress=Silent())
    assert scene.region == Window(20, 10, 50, 50)
    seen = scene.wanted.mask(scene.grid.extent)
    assert seen.sum() == 2500
    assert seen[20:70, 10:60].all()
    values = scene.wanted.read(scene.grid.extent)
    assert (values[0][seen] == pixels[0][seen]).all()
    assert (values[0][~seen] == 0).all()


def test_options_reach_the_raster(write_raster):
    array = np.stack([np.full((20, 30), value, np.uint8) for value in (10, 20, 30)])
    array[:, 0, 0] = 7
    scene = open_scene(write_raster(array), RasterOptions(bands=(3, 1), nodata=7), progress=Silent())
    assert scene.source.read(Window(5, 5, 1, 1)).ravel().tolist() == [30, 10]
    assert not scene.wanted.mask(Window(0, 0, 1, 1))[0, 0]


def test_what_is_not_read_as_stored_is_said(write_raster, pixels):
    heard = Heard()
    scene = open_scene(write_raster(pixels), RasterOptions(), pixel_size=4.0, progress=heard)
    assert scene.grid.pixel_size == pytest.approx(4.0)
    assert any("4" in line for line in heard.lines)


def test_an_area_beside_the_raster_is_refused(write_raster, pixels):
    with pytest.raises(InputError, match="must lie on the raster"):
        open_scene(write_raster(pixels), RasterOptions(area="0,0,10,10"), progress=Silent())
