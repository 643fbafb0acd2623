from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from geoseg.scene import RasterOptions
from segcli import options

seen = {}


@click.command()
@options.path_argument("raster", "RASTER")
@options.output("OUT")
@options.raster_options
@options.seed
@options.device
@options.overwrite
@options.resume
def command(**values):
    seen.clear()
    seen.update(values)


def values(*arguments):
    done = CliRunner().invoke(command, ["scene.tif", "-o", "OUT", *arguments])
    assert done.exit_code == 0, done.stderr
    return dict(seen)


def refusal(*arguments):
    done = CliRunner().invoke(command, ["scene.tif", "-o", "OUT", *arguments])
    assert done.exit_code == 2
    return done.stderr.splitlines()[-1]


def test_defaults():
    assert values() == {
        "raster": Path("scene.tif"),
        "out": Path("OUT"),
        "reading": RasterOptions(),
        "seed": 0,
        "device": "auto",
        "overwrite": False,
        "resume": False,
    }


def test_bands_are_numbers_in_the_order_given():
    assert values("--bands", "4,3,2")["reading"].bands == (4, 3, 2)


@pytest.mark.parametrize("text", ["0", "1,1", "a", "1,,2", ""])
def test_bands_that_are_not_band_numbers(text):
    assert f"bands are different numbers counted from 1; got {text!r}; write them like 1 or 4,3,2." in refusal("--bands", text)


def test_area_is_passed_on_as_it_was_written():
    assert values("--area", "-10,0,20.5,5")["reading"].area == "-10,0,20.5,5"


def test_nodata_may_be_negative():
    assert values("--nodata", "-9999")["reading"].nodata == -9999.0


@pytest.mark.parametrize("arguments", [("--seed", "-1"), ("--device", "tpu")])
def test_values_outside_their_range(arguments):
    assert arguments[0] in refusal(*arguments)


def test_an_output_must_be_named():
    assert "Missing option '-o' / '--out'" in CliRunner().invoke(command, ["scene.tif"]).stderr


def test_an_output_may_have_a_default():
    @click.command()
    @options.output("DIR", default=Path("demo"))
    def with_default(out):
        click.echo(out)

    assert CliRunner().invoke(with_default, []).stdout == "demo\n"
