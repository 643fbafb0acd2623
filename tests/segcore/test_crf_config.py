import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segcore.crf import REFERENCE, CrfConfig
from segcore.errors import ConfigError


def test_defaults_and_the_reference_differ_in_one_weight():
    assert CrfConfig() == CrfConfig(
        smooth_weight=3.0,
        smooth_sigma=3.0,
        appearance_weight=1.5,
        appearance_sigma=40.0,
        intensity_sigma=13.0,
        iterations=5,
        guide="intensity",
        backend="grid",
    )
    assert dataclasses.replace(CrfConfig(), appearance_weight=10.0) == REFERENCE


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("smooth_weight", -1.0, r"smooth_weight is a number >= 0, got -1\.0"),
        ("appearance_weight", math.nan, "appearance_weight is a number >= 0, got nan"),
        ("appearance_weight", math.inf, "appearance_weight is a number >= 0, got inf"),
        ("smooth_sigma", 0.0, r"smooth_sigma is a number > 0, got 0\.0"),
        ("appearance_sigma", -40.0, r"appearance_sigma is a number > 0, got -40\.0"),
        ("appearance_sigma", (40.0, 0.0), r"appearance_sigma is a number > 0, got 0\.0"),
        ("appearance_sigma", (1.0, 2.0, 3.0), r"appearance_sigma is one number or a pair \(row, col\), got 3"),
        ("intensity_sigma", math.inf, "intensity_sigma is a number > 0, got inf"),
        ("iterations", 0, "iterations is a whole number, at least 1, got 0"),
        ("iterations", 2.5, "iterations is a whole number, at least 1, got 2.5"),
        ("guide", "colour", "guide is 'intensity' or 'contrast', got 'colour'"),
        ("backend", "fog", "a CRF backend is one of grid, pydensecrf, got 'fog'"),
        ("backend", None, "a CRF backend is one of grid, pydensecrf, got None"),
    ],
)
def test_values_out_of_range_are_refused_at_birth(field, value, text):
    with pytest.raises(ConfigError, match=text):
        CrfConfig(**{field: value})


def test_settings_survive_json():
    config = CrfConfig(appearance_sigma=(20.0, 40.0))
    assert CrfConfig(**json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_settings_of_older_bundles_have_the_grid():
    values = dataclasses.asdict(CrfConfig())
    del values["backend"]
    assert CrfConfig(**values) == CrfConfig()
    assert CrfConfig(backend="pydensecrf").scaled(2.0).backend == "pydensecrf"


def test_pairs_are_row_col():
    config = CrfConfig(smooth_sigma=2.0, appearance_sigma=(20.0, 40.0))
    assert config.smooth_pair == (2.0, 2.0)
    assert config.appearance_pair == (20.0, 40.0)
    assert config.contrast_pair == (5.0, 10.0)


def test_halo_covers_every_kernel_in_use():
    assert REFERENCE.halo == 200
    assert CrfConfig().halo == 132
    assert CrfConfig(guide="contrast").halo == 172
    assert CrfConfig(appearance_weight=5.0, appearance_sigma=(10.0, 20.0)).halo == 80
    assert CrfConfig(appearance_weight=50.0).halo == 200
    assert CrfConfig(appearance_weight=0.0).halo == 60
    assert CrfConfig(smooth_sigma=12.0).halo == 240
    assert CrfConfig(smooth_weight=0.0, appearance_weight=0.0).halo == 0


@given(st.floats(0.01, 100), st.sampled_from(["intensity", "contrast"]))
def test_scaling_there_and_back_changes_lengths_only(factor, guide):
    config = CrfConfig(smooth_sigma=2.0, appearance_sigma=(20.0, 30.0), guide=guide)
    scaled = config.scaled(factor)
    assert scaled.smooth_sigma == pytest.approx(2 * factor)
    assert scaled.appearance_sigma == pytest.approx((20 * factor, 30 * factor))
    assert dataclasses.replace(scaled, smooth_sigma=2.0, appearance_sigma=(20.0, 30.0)) == config
    assert scaled.scaled(1 / factor).appearance_pair == pytest.approx(config.appearance_pair)


@pytest.mark.parametrize("factor", [0.0, -2.0, math.nan])
def test_scaling_by_nothing_is_refused(factor):
    with pytest.raises(ConfigError, match="factor is a number > 0"):
        CrfConfig().scaled(factor)
