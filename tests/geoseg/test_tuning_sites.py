import geopandas
import numpy as np
import pytest
import shapely

from geoseg.chipset import open_chips
from geoseg.tuning_sites import MOST, ChipReader, chip_grid, outlined_sites, truth_pixels
from segcore.errors import InputError
from segcore.windows import Window


@pytest.fixture(scope="module")
def chips(tell_chips):
    return open_chips(tell_chips)


@pytest.fixture
def write_experts(tells, tmp_path):
    """write_experts(indices, radius in px) -> file of discs around these places."""

    def write(indices, radius=8.5, extra=()):
        xy = tells.grid.to_map([(r + 0.5, c + 0.5) for r, c in (tells.places[i] for i in indices)])
        shapes = [*shapely.buffer(shapely.points(xy), 2 * radius), *extra]
        geopandas.GeoDataFrame(geometry=shapes, crs=tells.grid.crs.to_wkt()).to_file(tmp_path / "experts.gpkg")
        return tmp_path / "experts.gpkg"

    return write


def test_every_other_outlined_site_is_held_back(tells, chips):
    sites = outlined_sites(chips, tells.experts)
    assert [site.index for site in sites.fit] == list(range(0, 48, 6))
    assert [site.index for site in sites.held] == list(range(3, 48, 6))
    assert np.flatnonzero(sites.drawn).tolist() == list(range(0, 48, 3))
    assert (sites.known == np.array(tells.places)).all()
    for site in (*sites.fit, *sites.held):
        assert site.place == tells.places[site.index]
        centre = shapely.Point(*tells.grid.to_map([(site.place[0] + 0.5, site.place[1] + 0.5)])[0])
        assert site.polygon.centroid.distance(centre) < 0.5


def test_neighbours_that_may_share_ground(tells, chips):
    for site in outlined_sites(chips, tells.experts).fit:
        near = [p for p in tells.places if p != site.place and max(abs(p[0] - site.place[0]), abs(p[1] - site.place[1])) <= 64]
        assert sorted(site.others) == sorted(near)


def test_a_polygon_around_two_points_is_in_one_half_only(tells, chips, write_experts):
    (r, c), (s, d) = tells.places[0], tells.places[1]
    both = shapely.box(*tells.grid.to_map([(s + 12, c - 12)])[0], *tells.grid.to_map([(r - 12, d + 12)])[0])
    sites = outlined_sites(chips, write_experts(range(2, 12), extra=[both]))
    owners = [site.index for site in (*sites.fit, *sites.held) if site.polygon.equals(both)]
    assert owners == [0]
    assert sites.drawn[:2].all()


def test_too_few_outlines(chips, write_experts):
    with pytest.raises(InputError, match=r"at least 6 training sites.*experts.gpkg has 5"):
        outlined_sites(chips, write_experts(range(5)))
    sites = outlined_sites(chips, write_experts(range(6)))
    assert (len(sites.fit), len(sites.held)) == (3, 3)


def test_at_most_fifty_are_used(chips, write_experts):
    sites = outlined_sites(chips, write_experts(range(48)), most=10)
    chosen = sorted(site.index for site in (*sites.fit, *sites.held))
    assert len(chosen) == 10
    assert (chosen[0], chosen[-1]) == (0, 47)
    assert len(sites.polygons) == 48
    assert MOST == 50


def test_a_chip_is_read_in_pixels_of_the_raster(tells, chips):
    reader = ChipReader(chips, 5)
    row, col = tells.places[5]
    assert reader.window == Window(row - 40, col - 40, 80, 80)
    assert (reader.read(Window(row - 16, col - 16, 32, 32)) == chips.chips[5][:, 24:56, 24:56]).all()
    beyond = reader.read(Window(row - 45, col, 10, 4))
    assert (beyond[:, :5] == 0).all()
    assert (beyond[:, 5:] == chips.chips[5][:, :5, 40:44]).all()


def test_truth_lies_where_the_discs_are(tells, chips):
    sites = outlined_sites(chips, tells.experts)
    assert chip_grid(chips) == tells.grid
    window = Window(sites.fit[1].place[0] - 16, sites.fit[1].place[1] - 16, 32, 32)
    drawn = truth_pixels(sites, [sites.fit[1].polygon], window)
    assert not (tells.truth[window.slices] & ~drawn).any()
    assert drawn.sum() == pytest.approx(np.pi * 8.5**2, rel=0.05)


def test_fresh_sites_are_taken_first(tells, chips):
    fresh = np.zeros(len(chips.labels), dtype=bool)
    fresh[[9, 15, 30, 45]] = True
    sites = outlined_sites(chips, tells.experts, fresh=fresh, most=8)
    assert [site.index for site in sites.fit[:2]] == [9, 30]
    assert [site.index for site in sites.held[:2]] == [15, 45]
    assert len({site.index for site in (*sites.fit, *sites.held)}) == 8
