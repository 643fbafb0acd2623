from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from geoseg.layers import read_layer
from segcore.errors import InputError, MissingExtraError


def _read(path: Path, text: str, crs: str | None = None, encoding: str = "utf-8") -> tuple[list[list[float]], str]:
    path.write_text(text, encoding=encoding)
    layer = read_layer(path, "points", ["id", "kind"], crs=crs)
    return layer.frame.get_coordinates().to_numpy().tolist(), layer.crs.to_string()


@pytest.mark.parametrize("header", ["lon,lat", "LAT,Lon", "Longitude,latitude", "lng,lat", "long,lat,id", " lon , lat "])
def test_degrees_in_a_table(tmp_path: Path, header: str) -> None:
    values = "33.5,44.5" if header.startswith("LAT") else "44.5,33.5" + ",q" * (header.count(",") - 1)
    assert _read(tmp_path / "a.csv", f"{header}\n{values}\n") == ([[44.5, 33.5]], "EPSG:4326")


@pytest.mark.parametrize("text", ["x;y;site\n400000,5;3,5;a, b\n", "easting\tnorthing\n400000.5\t3.5\n", '"x","y"\n"400000.5","3.5"\n'])
def test_metres_in_a_table(tmp_path: Path, text: str) -> None:
    assert _read(tmp_path / "a.csv", text, crs="EPSG:32638") == ([[400000.5, 3.5]], "EPSG:32638")
    with pytest.raises(InputError, match="--points-crs"):
        _read(tmp_path / "a.csv", text)


def test_tables_of_old_programs(tmp_path: Path) -> None:
    assert _read(tmp_path / "a.csv", "\ufefflon,lat\r\n44,33\r\n")[0] == [[44, 33]]
    assert _read(tmp_path / "b.txt", "lon\tlat\tname\n44\t33\tVădineanu\n".replace("ă", "ä"), encoding="cp1252")[0] == [[44, 33]]


def test_lines_without_coordinates_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,lon,lat\na,44,33\nb,,\nc,45,34\n")
    layer = read_layer(path, "points", ["id"])
    assert list(layer.frame["id"]) == ["a", "c"]
    assert list(layer.frame.index) == [0, 2]
    assert layer.notes == ("1 of 3 features of a.csv have no geometry and are left out.",)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name,northwards\na,1\n", "needs the columns lon and lat, or x and y; a.csv has neither"),
        ("lon,lat\n", "needs at least one feature; a.csv has none"),
        ("", "a.csv has neither"),
        ("lon,lat\n44,33\n44 E,33\n", "must be numbers; row 3 of a.csv has 44 E 33"),
        ("lon,lat\n400000,3700000\n", "EPSG:4326 are degrees; a.csv holds values up to 400000 3700000"),
        ("lon,lat\n,\n", "nothing but features without geometry"),
        ("lon,lat\ninf,3\n", "infinite"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        _read(tmp_path / "a.csv", text)


def test_a_table_of_many_rows_keeps_order(tmp_path: Path) -> None:
    xy = np.random.default_rng(0).uniform(-80, 80, (500, 2)).round(6)
    text = "lon,lat\n" + "".join(f"{x},{y}\n" for x, y in xy)
    np.testing.assert_array_equal(_read(tmp_path / "a.csv", text)[0], xy)


def test_parquet_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'geocellseg\[parquet\]'"):
        read_layer(tmp_path / "a.parquet", "points", [])
