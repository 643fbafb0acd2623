import numpy as np
import pytest
from rasterio.crs import CRS

from geoseg.trained import Trained, trained_at
from segcore.errors import BundleError

UTM = CRS.from_epsg(32638)


def facts_of(*sites, transform="2.0,0.0,400000.0,0.0,-2.0,3700000.0", crs="EPSG:32638"):
    named = [dict(zip(("row", "col", "fold"), own, strict=True)) for own in sites]
    return {"sites": named, "stretch": {"fingerprint": {"transform": transform, "crs": crs}}}


def test_sites_lie_in_the_middle_of_their_pixels():
    trained = trained_at(facts_of((0, 0, 3), (10, 20, 1)), UTM, "MODEL")
    assert trained.xy.tolist() == [[400001.0, 3699999.0], [400041.0, 3699979.0]]
    assert trained.folds.tolist() == [3, 1]


def test_the_fold_of_a_point_is_that_of_the_nearest_site_within_reach():
    trained = Trained(xy=np.array([[10.0, 10], [20, 10]]), folds=np.array([3, 4]))
    points = np.array([[10.0, 10], [11, 11], [14, 10], [16, 10], [40, 40]])
    assert trained.folds_at(points, reach=1) == [3, None, None, None, None]
    assert trained.folds_at(points, reach=5) == [3, 3, 3, 4, None]
    assert trained.folds_at(np.empty((0, 2)), reach=5) == []


def test_a_model_without_sites_has_no_folds():
    assert trained_at(facts_of(), UTM, "MODEL").folds_at(np.zeros((2, 2)), reach=1e9) == [None, None]


def test_sites_of_another_crs_are_moved_and_those_beyond_it_left_out():
    there = facts_of((0, 0, 1), transform="0.001,0.0,44.0,0.0,-0.001,33.0", crs="EPSG:4326")
    ((x, y),) = trained_at(there, UTM, "MODEL").xy
    assert (x, y) == pytest.approx((406606, 3651411), abs=500)
    beyond = facts_of((0, 0, 1), (1, 0, 2), transform="0.001,0.0,44.0,0.0,-400.0,233.0", crs="EPSG:4326")
    assert trained_at(beyond, UTM, "MODEL").folds.tolist() == [1]


SITE = (0, 0, 1)
GARBLED = {"sites": [{}], "stretch": {"fingerprint": {}}}


@pytest.mark.parametrize("facts", [{}, GARBLED, facts_of(SITE, transform="1,2"), facts_of(SITE, crs="fog")])
def test_a_model_that_does_not_say_where_it_was_trained(facts):
    with pytest.raises(BundleError, match="a model says where it was trained; MODEL does not"):
        trained_at(facts, UTM, "MODEL")
