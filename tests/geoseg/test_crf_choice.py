import dataclasses
import sys

import pytest

from geoseg.crf_choice import CrfChoice, default_crf, require_backend, scan_note
from geoseg.lengths import Length
from segcore.crf import CrfConfig
from segcore.errors import ConfigError, MissingExtraError
from segcore.pipeline.refine import Refining

PLAIN = Refining(smooth=2.0, threshold=0.3, bands=(0.5, 0.5))
OWN = dataclasses.replace(PLAIN, crf=CrfConfig(appearance_sigma=12.0, appearance_weight=5.0, guide="contrast"))


def applied(refining, **values):
    return CrfChoice(**values).apply(refining, 100, 2.0)


@pytest.mark.parametrize("refining", [PLAIN, OWN])
def test_who_says_nothing_changes_nothing(refining):
    assert applied(refining) is refining


@pytest.mark.parametrize("refining", [PLAIN, OWN])
def test_none_takes_the_crf_away(refining):
    assert applied(refining, backend="none") == PLAIN


def test_a_backend_keeps_the_models_crf_or_brings_the_default():
    assert applied(OWN, backend="grid") == OWN
    assert applied(OWN, backend="pydensecrf").crf == dataclasses.replace(OWN.crf, backend="pydensecrf")
    assert applied(PLAIN, backend="grid").crf == default_crf(100) == CrfConfig(smooth_sigma=0.75, appearance_sigma=10.0)
    both = dataclasses.replace(OWN, crf=dataclasses.replace(OWN.crf, backend="pydensecrf"))
    assert applied(both, backend="grid") == OWN
    assert applied(both, weight=5.0) == both


def test_width_and_weight_change_the_appearance_kernel_alone():
    assert applied(OWN, width=Length(30, "px")).crf == dataclasses.replace(OWN.crf, appearance_sigma=30.0)
    assert applied(OWN, width=Length(30, "m")).crf == dataclasses.replace(OWN.crf, appearance_sigma=15.0)
    assert applied(OWN, weight=0.0).crf == dataclasses.replace(OWN.crf, appearance_weight=0.0)
    assert applied(OWN, width=Length(9, "px")).bands == (0.5, 0.5)


@pytest.mark.parametrize("values", [{"width": Length(20, "px")}, {"weight": 3.0}])
def test_width_or_weight_alone_bring_the_default_crf(values):
    expected = {"appearance_sigma": 20.0} if "width" in values else {"appearance_weight": 3.0}
    assert applied(PLAIN, **values).crf == dataclasses.replace(default_crf(100), **expected)


@pytest.mark.parametrize("values", [{"width": Length(20, "px")}, {"weight": 3.0}])
def test_none_with_a_width_or_a_weight_is_refused(values):
    with pytest.raises(ConfigError, match=r"got --crf none.*Leave one out"):
        CrfChoice(backend="none", **values)


def test_an_unknown_backend_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="--crf is one of grid, pydensecrf, none, got lattice"):
        CrfChoice(backend="lattice")


@pytest.mark.parametrize("width", [Length(0.9, "px"), Length(101, "px"), Length(1, "m"), Length(201, "m")])
def test_widths_beyond_a_window_or_below_a_pixel_are_refused(width):
    with pytest.raises(ConfigError, match=r"from one pixel to one window \(100px, 200m\); got"):
        applied(OWN, width=width)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_out_of_range_are_refused(weight):
    with pytest.raises(ConfigError, match="appearance_weight is a number >= 0"):
        applied(OWN, weight=weight)


def test_a_backend_that_is_not_there_is_missed_before_the_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    require_backend(None)
    require_backend(CrfConfig())
    with pytest.raises(MissingExtraError, match=r"pip install 'geocellseg\[crf\]'"):
        require_backend(CrfConfig(backend="pydensecrf"))


def test_what_a_backend_means_for_a_scan():
    assert scan_note(None) is scan_note(CrfConfig()) is None
    assert "does not tile exactly" in scan_note(CrfConfig(backend="pydensecrf"))
