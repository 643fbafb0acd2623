import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.lengths import Length, parse_length
from segcore.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("80m", Length(80.0, "m")),
        ("40px", Length(40.0, "px")),
        (" 12.5 m ", Length(12.5, "m")),
        ("1e3PX", Length(1000.0, "px")),
        (".5m", Length(0.5, "m")),
    ],
)
def test_text_becomes_a_length(text, length):
    assert parse_length(text) == length


@given(st.floats(1e-3, 1e6), st.sampled_from(["m", "px"]), st.floats(0.1, 100))
def test_metres_become_pixels(value, unit, size):
    length = Length(value, unit)
    assert length.pixels(size) == (value if unit == "px" else value / size)
    again = parse_length(str(length))
    assert again.unit == unit
    assert again.value == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    "text", ["", "80", "m", "80 km", "-5m", "0px", "0.0m", "nanm", "infpx", "1e999m", "1.2.3m", "5m 3m", "\u0665m", "5 p x"]
)
def test_what_is_no_length_is_refused_in_one_line(text):
    with pytest.raises(ConfigError, match=r"^--crf-width is a number above 0 with its unit.*Write it like 80m or 40px\.$") as caught:
        parse_length(text, what="--crf-width")
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("value", "unit"), [(0.0, "m"), (-1.0, "px"), (float("nan"), "m"), (float("inf"), "m"), (1.0, "ft")])
def test_a_length_is_above_0_and_has_a_unit(value, unit):
    with pytest.raises(ConfigError, match="a length is above 0 and has a unit"):
        Length(value, unit)
