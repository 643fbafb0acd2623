"""Light of cells before the camera."""

from functools import partial

import numpy as np
import pytest

from cellseg.simulate.layout import Cell
from cellseg.simulate.optics import Optics
from cellseg.simulate.population import HL60, KINDS
from cellseg.simulate.scene import Glow, _haze, build, stream

COARSE = Optics(pixel_um=(0.4, 0.25, 0.25))
SHAPE = 40, 120, 130


def test_a_glow_adds_what_falls_on_the_plane():
    light = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    glow, plane = Glow(light=light, corner=(5, -1, 3)), np.ones((4, 6), np.float32)
    glow.add_to(plane, 4)
    glow.add_to(plane, 7)
    assert (plane == 1).all()
    glow.add_to(plane, 6)
    expected = np.ones((4, 6), np.float32)
    expected[0:2, 3:6] += light[1, 1:3, 0:3]
    assert (plane == expected).all()
    Glow(light=light, corner=(5, 9, 0)).add_to(plane, 5)
    assert (plane == expected).all()


def test_haze_spreads_a_share_of_the_light_and_loses_none():
    cell = Cell(population=HL60, mask=np.ones((10, 16, 16), bool), corner=(45, 72, 72))
    haze = _haze([cell], [50.0], (100, 160, 160), COARSE).box((100, 160, 160))
    assert haze.sum() == pytest.approx(COARSE.haze * 50 * cell.mask.sum(), rel=0.02)
    peak = np.unravel_index(haze.argmax(), haze.shape)
    assert np.abs(np.array(peak) - cell.centre).max() <= 4
    for axis, pixel in enumerate(COARSE.pixel_um):
        line = haze.sum(tuple(other for other in range(3) if other != axis))
        place = (np.arange(len(line)) - np.average(np.arange(len(line)), weights=line)) * pixel
        width = np.sqrt(np.average(place**2, weights=line))
        assert COARSE.haze_um < width < 1.35 * COARSE.haze_um  # the cell's own size is in it


def test_planes_do_not_depend_on_each_other():
    streams = partial(stream, 1, 0, 0)
    whole = build(KINDS["hl60"], SHAPE, COARSE, streams, range(SHAPE[0]))
    alone = build(KINDS["hl60"], SHAPE, COARSE, streams, [20])
    assert len(alone.glows) <= len(whole.glows) == len(whole.cells)
    whole.expose(3)
    assert (alone.expose(20) == whole.expose(20)).all()


def test_a_cell_is_brighter_than_the_ground_and_darker_with_depth():
    dark = Optics(pixel_um=COARSE.pixel_um, read_noise=0, background=0, haze=0, shading=0, depth_um=5)
    scene = build(KINDS["hl60"], SHAPE, dark, partial(stream, 2, 0, 0), range(SHAPE[0]))
    shown = np.stack([scene.expose(plane) for plane in range(SHAPE[0])]).astype(float) - dark.offset
    mask = scene.instances > 0
    assert shown[~mask].mean() < 0.2 * shown[mask].mean()
    upper, lower = (shown[part][mask[part]].mean() for part in (slice(0, 10), slice(30, 40)))
    assert lower < 0.35 * upper


def test_streams_of_parts_differ_and_repeat():
    keys = [
        (0, 0, 0, "cell", 0),
        (0, 0, 0, "cell", 1),
        (0, 0, 1, "cell", 0),
        (0, 1, 0, "cell", 0),
        (1, 0, 0, "cell", 0),
        (0, 0, 0, "light", 0),
    ]
    drawn = [stream(*key).integers(2**60) for key in keys]
    assert len(set(drawn)) == len(keys)
    assert drawn == [stream(*key).integers(2**60) for key in keys]
