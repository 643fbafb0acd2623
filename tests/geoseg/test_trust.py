from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from geoseg.raster import open_raster
from geoseg.trust import check_layer, gdal_options, local_file
from geoseg.vectors import read_points
from segcore.errors import InputError
from segcore.windows import Window

WriteRaster = Callable[..., Path]
BAND = (
    '<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename{rel}>{source}</SourceFilename>'
    "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
)
WMS = (
    '<GDAL_WMS><Service name="TMS"><ServerUrl>{url}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service><DataWindow><UpperLeftX>0</UpperLeftX>'
    "<UpperLeftY>256</UpperLeftY><LowerRightX>256</LowerRightX><LowerRightY>0</LowerRightY><TileLevel>0</TileLevel></DataWindow>"
    "<Projection>EPSG:3857</Projection><BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>1</BandsCount></GDAL_WMS>"
)


class Server:
    """Counts who calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                calls.append(self.path)
                self.send_error(404)

            do_HEAD = do_GET

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()


def _vrt(path: Path, source: str, *, relative: bool = False, extra: str = "") -> Path:
    band = BAND.format(rel=' relativeToVRT="1"' if relative else "", source=source)
    path.write_text(
        '<VRTDataset rasterXSize="120" rasterYSize="90"><SRS>EPSG:32638</SRS><GeoTransform>400000,2,0,3700000,0,-2</GeoTransform>'
        f"{extra}{band}</VRTDataset>"
    )
    return path


def test_a_vrt_of_local_files_is_read(write_raster: WriteRaster, pixels: NDArray[Any], tmp_path: Path) -> None:
    write_raster(pixels)
    inner = _vrt(tmp_path / "inner.vrt", "scene.tif", relative=True, extra="<Metadata><MDI key='home'>https://example.org</MDI></Metadata>")
    outer = _vrt(tmp_path / "outer.vrt", str(inner))
    np.testing.assert_array_equal(open_raster(outer).read(Window(0, 0, 90, 120)), pixels)


def test_addresses_are_refused_and_nobody_is_called(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    for path in (f"{server.url}/a.tif", f"/vsicurl/{server.url}/a.tif", Path(f"{server.url}/a.tif"), "s3://bucket/a.tif"):
        with pytest.raises(InputError, match="is an address"):
            open_raster(path)
    assert server.calls == []
    assert capfd.readouterr() == ("", "")


def test_vrts_that_lead_away_are_refused_and_nobody_is_called(server: Server, tmp_path: Path) -> None:
    (tmp_path / "tiles.xml").write_text(WMS.format(url=server.url))
    inner = _vrt(tmp_path / "inner.vrt", f"/vsicurl/{server.url}/a.tif")
    for source in (
        f"/vsicurl/{server.url}/a.tif",
        f"{server.url}/a.tif",
        "&#47;vsicurl/http://x/a.tif",
        str(inner),
        f"vrt://{server.url}/a.tif",
    ):
        with pytest.raises(InputError, match=r"sources of a VRT must be files on this disk; .*outer\.vrt names"):
            open_raster(_vrt(tmp_path / "outer.vrt", source))
    with pytest.raises(InputError, match=r"tiles\.xml is a GDAL_WMS description"):
        open_raster(_vrt(tmp_path / "outer.vrt", "tiles.xml", relative=True))
    with pytest.raises(InputError, match="GDAL_WMS"):
        open_raster(tmp_path / "tiles.xml")
    assert server.calls == []


def test_the_last_door_holds_alone(server: Server, tmp_path: Path) -> None:
    """GDAL itself, given such files under our options, reaches no server; without them it does."""
    (tmp_path / "tiles.xml").write_text(WMS.format(url=server.url))
    files = [_vrt(tmp_path / "far.vrt", f"/vsicurl/{server.url}/a.tif"), tmp_path / "tiles.xml"]
    for allow_remote in (False, True):
        for file in files:
            with rasterio.Env(**gdal_options(allow_remote=allow_remote)), suppress(rasterio.errors.RasterioError):
                rasterio.open(file).read(1)
        assert bool(server.calls) == allow_remote


def test_remote_rasters_when_asked_for(server: Server) -> None:
    with pytest.raises(InputError, match="a file GDAL can read"):
        open_raster(f"{server.url}/a.tif", allow_remote=True)
    assert server.calls != []


def test_a_vrt_whose_source_is_gone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"names gone\.tif, which is not there"):
        open_raster(_vrt(tmp_path / "a.vrt", "gone.tif", relative=True))


def test_a_vrt_of_itself_ends(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        open_raster(_vrt(tmp_path / "a.vrt", "a.vrt", relative=True))


def test_malformed_xml(tmp_path: Path) -> None:
    (tmp_path / "a.vrt").write_text("<VRTDataset rasterXSize='1'>")
    with pytest.raises(InputError, match="XML must be well formed"):
        open_raster(tmp_path / "a.vrt")


def test_python_in_a_vrt_does_not_run(tmp_path: Path) -> None:
    flag = tmp_path / "ran"
    band = (
        '<VRTRasterBand dataType="Byte" band="1" subClass="VRTDerivedRasterBand"><PixelFunctionType>f</PixelFunctionType>'
        "<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionCode><![CDATA[\n"
        f"def f(*args, **kwargs):\n    open('{flag}', 'w')\n]]></PixelFunctionCode></VRTRasterBand>"
    )
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="9" rasterYSize="9"><SRS>EPSG:32638</SRS><GeoTransform>400000,2,0,3700000,0,-2</GeoTransform>'
        + band
        + "</VRTDataset>"
    )
    with pytest.raises(InputError):
        open_raster(tmp_path / "a.vrt")
    assert not flag.exists()


def test_local_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tif").touch()
    monkeypatch.chdir(tmp_path)
    assert local_file("a.tif", what="a raster") == str(tmp_path / "a.tif")


def test_layers_that_are_descriptions(tmp_path: Path, server: Server) -> None:
    layer = f'<OGRVRTLayer name="a"><SrcDataSource>/vsicurl/{server.url}/a.geojson</SrcDataSource></OGRVRTLayer>'
    far = f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>"
    (tmp_path / "a.vrt").write_text(f"<?xml version='1.0'?><!-- kml -->\n{far}")
    (tmp_path / "b.json").write_text('{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read http://x"}')
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("a.vrt", far)
    for name, what in (("a.vrt", "OGRVRTDataSource"), ("b.json", "pipeline"), ("c.zip", r"holds a\.vrt")):
        with pytest.raises(InputError, match=what):
            read_points(tmp_path / name, None)
    assert server.calls == []


def test_kml_and_gpx_pass(tmp_path: Path) -> None:
    for text in ('\ufeff<?xml version="1.0"?><kml:kml/>', "<gpx/>", "id,x,y"):
        (tmp_path / "a").write_text(text)
        check_layer(tmp_path / "a")
