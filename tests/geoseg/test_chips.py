import json
import struct
from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest
import shapely

from geoseg import recipe
from geoseg.chips import ChipConfig, Ground, cut_chips
from geoseg.chipset import FLAG_IGNORE, FLAG_SITE, FLAG_VALID, open_chips
from geoseg.grid import GeoGrid
from geoseg.scene import RasterOptions
from geoseg.vectors import Points
from segcore.data.stretch import GREY
from segcore.errors import ConfigError, InputError, OutputError
from segcore.io.memory import MemoryImage

WIDE = ChipConfig(window=32, min_distance=30.0)


class Heard:
    """Progress that keeps what is said."""

    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)

    def step(self, name, done, total):
        pass


def points(grid, places, ids=None):
    """Points at the centres of pixels (row, col)."""
    xy = grid.to_map([(row + 0.5, col + 0.5) for row, col in places])
    ids = ids or [f"s{i}" for i in range(len(places))]
    crs = pyproj.CRS.from_wkt(grid.crs.to_wkt())
    return Points(ids=tuple(ids), xy=xy, crs=crs, labels=None, notes=(), outside=0)


def ground(tells, sites, *, negatives=None, valid=None, size=(200, 200), ignore=None):
    grid = GeoGrid(crs=tells.grid.crs, transform=tells.grid.transform, height=size[0], width=size[1])
    pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    return Ground(
        source=MemoryImage(pixels, valid, name="noise"),
        grid=grid,
        fingerprint={},
        sites=points(grid, sites),
        negatives=None if negatives is None else points(grid, negatives),
        ignore=None if ignore is None else geopandas.GeoDataFrame(geometry=ignore, crs=grid.crs.to_wkt()),
    )


def box(tells, first, last):
    """Columns of the scene as --area."""
    minx, maxy = tells.grid.to_map([(0, first)])[0]
    maxx, miny = tells.grid.to_map([(400, last)])[0]
    return f"{minx},{miny},{maxx},{maxy}"


def test_points_in_another_crs_land_on_their_discs(tells, tell_chips):
    chips = open_chips(tell_chips)
    assert chips.labels.tolist() == [1] * 48 + [0] * 48
    assert chips.places[:48].tolist() == [list(place) for place in tells.places]
    assert chips.ids[:3] == ["t00", "t01", "t02"]
    assert chips.chips.shape == (96, 1, 80, 80)
    for chip in chips.chips[:48]:
        assert chip[0, 35:45, 35:45].mean() > 200
        assert chip[0, 40, 26:31].mean() < 170


def test_flags_are_discs_around_every_point_even_on_nodata(tells, tell_chips):
    chips = open_chips(tell_chips)
    rows, cols = np.mgrid[-40:40, -40:40]
    flagged = chips.flags[0] & FLAG_SITE > 0
    near = [(r - tells.places[0][0], c - tells.places[0][1]) for r, c in tells.places]
    assert (flagged == np.any([(rows - r) ** 2 + (cols - c) ** 2 <= 15**2 for r, c in near], axis=0)).all()
    in_corner = np.flatnonzero(np.abs(chips.places - (395, 495)).max(axis=1) < 55)
    for i in in_corner:
        row, col = chips.places[i] - 40
        if 0 <= 395 - row < 80 and 0 <= 495 - col < 80:
            assert chips.flags[i][395 - row, 495 - col] & FLAG_SITE


def test_area_masks_everything_outside(tells, tmp_path):
    facts = recipe.chips(tells.raster, tells.points, tmp_path / "C", WIDE, options=RasterOptions(area=box(tells, 0, 250)))
    chips = open_chips(tmp_path / "C")
    assert chips.places[:, 1].max() < 250
    edges = 250 - (chips.places[:, 1] - 40)
    assert (edges < 80).sum() >= 6
    for chip, flags, edge in zip(chips.chips, chips.flags, edges, strict=True):
        assert (chip[:, :, max(0, edge) :] == GREY).all()
        assert not (flags[:, max(0, edge) :] & FLAG_VALID).any()
    whole = json.loads((tmp_path / "C" / "chips.json").read_text())
    assert whole == json.loads(json.dumps(facts))


def test_the_stretch_is_fitted_inside_the_area_only(tells, write_raster, tmp_path):
    pixels = np.random.default_rng(1).integers(10, 101, (1, 400, 500), dtype=np.uint16)
    pixels[:, :, 250:] += 40_000
    raster = write_raster(pixels)
    facts = recipe.chips(raster, tells.points, tmp_path / "C", WIDE, options=RasterOptions(area=box(tells, 0, 250)))
    assert 10 <= facts["stretch"]["low"][0] < facts["stretch"]["high"][0] <= 100


def test_a_negative_needs_one_usable_crop_not_five(tells, tmp_path):
    own = ground(tells, [(86, 100), (110, 86), (20, 20)], negatives=[(100, 100)])
    cut_chips(own, tmp_path / "C", ChipConfig(window=32, min_distance=4.0))
    chips = open_chips(tmp_path / "C")
    assert chips.ids[-1] == "n0001"
    (crop,) = chips.crops(3)
    assert (crop == chips.chips[3][:, 40 + 8 - 16 : 40 + 8 + 16, 40 + 8 - 16 : 40 + 8 + 16]).all()


def test_confirmed_negatives_that_do_not_fit_are_left_out_and_said(tells, tmp_path):
    heard = Heard()
    ignored = shapely.box(*ground(tells, [(0, 0)]).grid.to_map([(180, 100)])[0], *ground(tells, [(0, 0)]).grid.to_map([(100, 180)])[0])
    own = ground(tells, [(50, 50)], negatives=[(52, 52), (150, 40), (140, 140)], ignore=[ignored])
    facts = cut_chips(own, tmp_path / "C", ChipConfig(window=32), progress=heard)
    assert [(p["id"], p["row"], p["col"]) for p in facts["points"][1:]] == [("n0001", 150, 40)]
    assert any("2 of 3 negatives" in line for line in heard.lines)


def test_ignored_ground_is_flagged(tells, tmp_path):
    own = ground(tells, [(100, 100)], negatives=[(30, 30)], ignore=[shapely.box(0, 0, 1, 1)])
    corner = own.grid.to_map([(104, 96), (96, 104)])
    own.ignore.loc[0, "geometry"] = shapely.box(*corner[0], *corner[1])
    cut_chips(own, tmp_path / "C", ChipConfig(window=32))
    flags = np.load(tmp_path / "C" / "flags.npy")[0]
    assert (np.argwhere(flags & FLAG_IGNORE)[[0, -1]] == [[36, 36], [43, 43]]).all()


def test_the_edited_layer_of_negatives_is_read_from_the_same_file(tells, tell_chips, tmp_path):
    edited = geopandas.read_file(tell_chips / "points.gpkg", layer="negatives").iloc[5:]
    sites = geopandas.read_file(tell_chips / "points.gpkg", layer="sites")
    sites.to_file(tmp_path / "points.gpkg", layer="sites")
    edited.to_file(tmp_path / "points.gpkg", layer="negatives")
    recipe.chips(tells.raster, tmp_path / "points.gpkg", tmp_path / "C", WIDE, negatives=tmp_path / "points.gpkg")
    first, second = open_chips(tell_chips), open_chips(tmp_path / "C")
    assert (second.places[48:] == first.places[53:]).all()
    assert (second.places[:48] == first.places[:48]).all()


def test_points_on_nodata_are_left_out_and_said(tells, tmp_path):
    heard = Heard()
    recipe.chips(tells.raster, tells.points, tmp_path / "C", WIDE, progress=heard)
    assert "1 of 49 points lie on nodata and are left out" in heard.lines
    assert heard.lines[-1] == "48 sites, 48 negatives"
    assert "t48" not in open_chips(tmp_path / "C").ids


def test_all_points_on_nodata_are_refused(tells, tmp_path):
    valid = np.zeros((200, 200), dtype=bool)
    valid[:60] = True
    with pytest.raises(InputError, match="all 1 points lie on nodata"):
        cut_chips(ground(tells, [(150, 100)], valid=valid), tmp_path / "C", ChipConfig(window=32))
    assert not (tmp_path / "C").exists()


def test_fewer_than_30_sites_is_said(tells, tmp_path):
    heard = Heard()
    cut_chips(ground(tells, [(50, 50), (100, 150)]), tmp_path / "C", ChipConfig(window=32), progress=heard)
    assert heard.lines[-1].startswith("2 sites, 2 negatives: fewer than 30 sites is little")


def test_ground_without_room_for_negatives(tells, tmp_path):
    heard = Heard()
    with pytest.raises(InputError, match=r"none is left where a window of 32 px keeps 400 m"):
        cut_chips(ground(tells, [(100, 100)]), tmp_path / "C", ChipConfig(window=32, min_distance=400.0))
    cut_chips(ground(tells, [(100, 100)], negatives=[(30, 30)]), tmp_path / "D", ChipConfig(window=32), progress=heard)
    assert len(open_chips(tmp_path / "D").labels) == 2


def test_same_seed_same_bytes(tells, tell_chips, tmp_path):
    again = tmp_path / "C"
    recipe.chips(tells.raster, tells.points, again, WIDE)
    for name in ("chips.npy", "flags.npy", "chips.json", "contact.png"):
        assert (again / name).read_bytes() == (tell_chips / name).read_bytes(), name
    recipe.chips(tells.raster, tells.points, tmp_path / "D", ChipConfig(window=32, min_distance=30.0, seed=1))
    one, two = open_chips(tell_chips), open_chips(tmp_path / "D")
    assert (one.places[:48] == two.places[:48]).all()
    assert (one.places[48:] != two.places[48:]).any()


def test_nothing_of_the_points_but_their_id_is_kept(tell_chips, tell_model):
    secrets = [b"diam", b"137.7", b"burnt", b"remark", *(struct.pack("<d", 137.731 + i) for i in range(49))]
    files = [path for folder in (tell_chips, tell_model) for path in Path(folder).rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"chips.npy", "chips.json", "points.gpkg", "bundle.json", "member-0.safetensors"}
    for path in files:
        content = path.read_bytes().lower()
        assert not any(secret.lower() in content for secret in secrets), path


def test_points_layer_says_where_chips_are(tells, tell_chips):
    for layer, ids in (("sites", [f"t{i:02d}" for i in range(48)]), ("negatives", [f"n{i + 1:04d}" for i in range(48)])):
        frame = geopandas.read_file(tell_chips / "points.gpkg", layer=layer)
        assert frame["id"].tolist() == ids
        assert list(frame.columns) == ["id", "geometry"]
        rows = np.floor(tells.grid.to_pixels(shapely.get_coordinates(frame.geometry.to_numpy())))
        chips = open_chips(tell_chips)
        assert (rows == chips.places[chips.labels == (layer == "sites")]).all()


def test_each_chip_may_have_its_own_contrast(tells, tmp_path):
    own = ground(tells, [(50, 50), (50, 150)], negatives=[(150, 100)])
    own.source.array[:, :100, 100:] //= 4
    cut_chips(own, tmp_path / "C", ChipConfig(window=32, stretch="chip"))
    cut_chips(own, tmp_path / "D", ChipConfig(window=32))
    assert np.load(tmp_path / "C" / "chips.npy")[1].std() > 60
    assert np.load(tmp_path / "D" / "chips.npy")[1].std() < 30


def test_an_older_folder_is_not_replaced(tells, tell_chips):
    with pytest.raises(OutputError, match="exists"):
        recipe.chips(tells.raster, tells.points, tell_chips, WIDE)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": 8}, "at least 16 px"),
        ({"window": 32, "chip": 60}, "at least 2 windows"),
        ({"negatives": 0}, "at least one negative"),
        ({"min_distance": -1.0}, "min-distance is a length"),
        ({"jitter": float("nan")}, "jitter is a length"),
    ],
)
def test_settings_are_checked(wrong, message):
    with pytest.raises(ConfigError, match=message):
        ChipConfig(**wrong)
