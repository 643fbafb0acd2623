"""Which sites a comparison uses, and which networks learnt from them."""

from types import SimpleNamespace

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.compare_sites import IGNORED, NODATA, OUTSIDE, TWIN, fresh_members, halves, judged_sites, known_points
from geoseg.scene import RasterOptions, open_scene
from geoseg.views import View
from segcore.data.stretch import Stretch, StretchedImage
from segcore.errors import BundleError, InputError
from segcore.progress import Silent

PLACE = Affine(2.0, 0.0, 400_000.0, 0.0, -2.0, 3_700_000.0)


def square(col, row, edge=4.0):
    """A square of edge pixels around a pixel."""
    x, y = PLACE @ (col + 0.5, row + 0.5)
    return shapely.box(x - edge, y - edge, x + edge, y + edge)


def model_of(members=2, sites=(), kind="spatial", **fingerprint):
    trained = {"transform": ",".join(str(v) for v in PLACE[:6]), "crs": "EPSG:32638"} | fingerprint
    training = [{"row": row, "col": col, "fold": fold} for col, row, fold in sites]
    facts = {"sites": training, "stretch": {"fingerprint": trained}, "split": {"kind": kind}}
    return SimpleNamespace(networks=[None] * members, window=16, facts=facts)


@pytest.fixture
def view_of(write_raster, pixels):
    def make(model, *, array=pixels, area=None, name="A"):
        scene = open_scene(write_raster(array, nodata=0), RasterOptions(area=area), progress=Silent())
        return View(name=name, model=model, scene=scene, image=StretchedImage(scene.wanted, Stretch((0.0,), (255.0,))))

    return make


def frame(shapes):
    return geopandas.GeoDataFrame(geometry=shapes, crs="EPSG:32638")


def test_known_points_lie_inside_and_parts_count_once():
    bow = shapely.box(0, 0, 30, 30).difference(shapely.box(5, 5, 30, 25))
    pair = shapely.MultiPolygon([shapely.box(0, 0, 2, 2), shapely.box(10, 0, 13, 3)])
    shapes = np.array([shapely.box(0, 0, 4, 2), bow, pair], dtype=object)
    points = known_points(shapes)
    assert points[0].tolist() == [2, 1]
    assert points.shape == (3, 2)
    assert shapely.contains(shapes, shapely.points(points)).all()


@given(arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=st.integers(-50, 50).map(float)))
def test_halves_are_equal_and_on_two_sides_of_a_line(xy):
    half, rule = halves(xy)
    axis = 0 if "western" in rule else 1
    assert abs(int((half == 0).sum()) - int((half == 1).sum())) <= 1
    if len(xy) > 1:
        assert xy[half == 0, axis].max() <= xy[half == 1, axis].min()


def test_halves_do_not_depend_on_the_order_of_the_file():
    xy = np.random.default_rng(0).normal(size=(11, 2))
    order = np.random.default_rng(1).permutation(11)
    assert (halves(xy)[0][order] == halves(xy[order])[0]).all()


def test_every_site_that_is_left_out_has_its_reason(view_of, pixels):
    pixels[:, 60:, :20] = 0
    shapes = [square(20, 20), square(60, 20), square(60.2, 20, 3), square(119, 20), square(500, 20), square(10, 75), square(100, 60)]
    ignored = frame([square(101, 60)])
    sites = judged_sites([view_of(model_of(), array=pixels)], frame(shapes), ignored)
    assert dict(sites.left_out) == {TWIN: 1, OUTSIDE: 2, NODATA: 1, IGNORED: 1}
    assert len(sites) == 2
    assert len(sites.others) == 7
    assert sites.unseen == 2


def test_a_site_that_reaches_over_the_area_is_left_out(view_of):
    area = "400010,3699840,400100,3699990"
    sites = judged_sites([view_of(model_of(), area=area)], frame([square(20, 20), square(48, 20), square(80, 20)]), None)
    assert (len(sites), dict(sites.left_out)) == (1, {OUTSIDE: 2})


@pytest.mark.parametrize(
    ("sites", "kind", "expected"),
    [
        ([], "spatial", (0, 1)),
        ([(20, 20, 1)], "spatial", (1,)),
        ([(21, 19, 0)], "spatial", (0,)),
        ([(20, 20, 4)], "spatial", ()),
        ([(20, 20, 1), (32, 20, 0)], "spatial", (1,)),
        ([(20, 20, 1), (32, 20, 0)], "random", ()),
        ([(34, 20, 0)], "spatial", (0,)),
        ([(34, 20, 0), (8, 20, 1)], "spatial", ()),
        ([(40, 20, 0)], "spatial", (0, 1)),
    ],
)
def test_members_are_fresh_where_they_did_not_learn(view_of, sites, kind, expected):
    """A site at (20, 20) of 4 px; windows are 16 px wide."""
    shapes = np.array([square(20, 20)], dtype=object)
    view = view_of(model_of(sites=sites, kind=kind))
    assert fresh_members(view, shapes, known_points(shapes)) == [expected]


def test_a_crop_of_the_training_raster_is_the_same_ground(view_of):
    shifted = PLACE @ Affine.translation(-100, -50)
    model = model_of(sites=[(120, 70, 1)], transform=",".join(str(v) for v in shifted[:6]))
    shapes = np.array([square(20, 20), square(80, 60)], dtype=object)
    assert fresh_members(view_of(model), shapes, known_points(shapes)) == [(1,), (0, 1)]


def test_training_in_another_crs_is_found_on_the_map(view_of):
    import pyproj

    x, y = PLACE @ (20.5, 20.5)
    lon, lat = pyproj.Transformer.from_crs("EPSG:32638", "EPSG:32637", always_xy=True).transform(x, y)
    model = model_of(sites=[(0, 0, 1)], transform=f"2.0,0.0,{lon - 1},0.0,-2.0,{lat + 1}", crs="EPSG:32637")
    shapes = np.array([square(20, 20), square(80, 60)], dtype=object)
    assert fresh_members(view_of(model), shapes, known_points(shapes)) == [(1,), (0, 1)]


def test_what_one_model_learnt_whole_no_model_is_judged_on(view_of):
    shapes = frame([square(20, 20), square(80, 60)])
    learnt, other = view_of(model_of(sites=[(20, 20, 3)])), view_of(model_of(sites=[(80, 60, 0)]), name="B")
    sites = judged_sites([learnt, other], shapes, None)
    assert dict(sites.left_out) == {"every network of A learnt from it": 1}
    assert [list(own) for own in sites.fresh] == [[(0, 1)], [(0,)]]
    assert sites.unseen == 0


def test_no_site_at_all_is_one_line_that_says_why(view_of):
    model = model_of(sites=[(20, 20, 3)])
    with pytest.raises(InputError, match=r"none of 2 is left \(1 every network of A learnt from it; 1 not wholly inside"):
        judged_sites([view_of(model)], frame([square(20, 20), square(500, 20)]), None)


@pytest.mark.parametrize("fingerprint", [{"transform": "1,2"}, {"transform": None}, {"crs": "EPSG:none"}])
def test_a_bundle_that_does_not_say_where_it_learnt_is_refused(view_of, fingerprint):
    with pytest.raises(BundleError, match="says where it was trained; A does not"):
        judged_sites([view_of(model_of(sites=[(20, 20, 3)], **fingerprint))], frame([square(20, 20)]), None)
