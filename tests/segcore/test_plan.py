"""What a scan will do."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segcore.crf.config import CrfConfig
from segcore.errors import ConfigError, InputError
from segcore.pipeline.plan import UNIT, Plan
from segcore.pipeline.refine import Refining
from segcore.windows import GridConfig, Window


def a_plan(**changes):
    values = {
        "shape": (2, 90, 130),
        "region": Window(0, 0, 90, 130),
        "grid": GridConfig(window=20),
        "channels": ("grad-cam",),
        "gate": 0.5,
        "refining": Refining(smooth=2.0, threshold=0.4, crf=CrfConfig(appearance_sigma=(20.0, 30.0))),
        "block": 32,
        "threads": 2,
        "identity": {"raster": {"size": [130, 90]}, "model": "abc", "area": None},
    }
    return Plan(**{**values, **changes})


plans = st.builds(
    lambda height, width, row, col, window, overlap, block: a_plan(
        shape=(1, height, width),
        region=Window(min(row, height - 1), min(col, width - 1), height - min(row, height - 1), width - min(col, width - 1)),
        grid=GridConfig(window=window, overlap=overlap),
        block=block,
    ),
    *(st.integers(1, 70), st.integers(1, 70), st.integers(0, 40), st.integers(0, 40)),
    st.integers(3, 30),
    st.floats(0, 0.8),
    st.integers(5, 40),
)


@pytest.mark.parametrize("crf", [None, CrfConfig(), CrfConfig(appearance_sigma=(20.0, 30.0), guide="contrast")])
def test_json_round_trip(crf):
    plan = a_plan(refining=Refining(smooth=0.0, threshold=0.4, crf=crf))
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert again.windows == plan.windows
    assert again.differences(plan) == []


def test_json_values_are_those_that_come_back_from_a_file():
    values = a_plan(identity={"stretch": {"low": (1.0,)}}).to_json()
    assert json.loads(json.dumps(values)) == values


def test_tuples_and_lists_make_no_difference():
    plan = a_plan(identity={"stretch": {"low": (1.0, 2.0)}})
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))).differences(plan) == []


def test_differences_are_named():
    plan = a_plan()
    assert plan.differences(a_plan(gate=0.6, block=64)) == ["block", "gate"]
    assert plan.differences(a_plan(refining=replace(plan.refining, threshold=0.5))) == ["refining"]
    assert plan.differences(a_plan(identity={**plan.identity, "model": "abd"})) == ["model"]
    assert plan.differences(a_plan(identity={**plan.identity, "stretch": 1}, threads=3)) == ["stretch", "threads"]
    assert a_plan(identity={"model": "abc"}).differences(plan) == ["raster"]  # area: None says no more than nothing


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [1]},
        {"shape": None},
        {"shape": ["a", "b", "c"]},
        {"region": {"row": 0}},
        {"region": {"row": 0, "col": 0, "height": 91, "width": 5}},
        {"grid": {"window": 0}},
        {"grid": {"tile": 5}},
        {"gate": "high"},
        {"gate": 2},
        {"threads": 0},
        {"refining": None},
        {"refining": {"smooth": 1, "threshold": 0.5}},
        {"refining": {"smooth": 1, "threshold": 5, "crf": None}},
        {"refining": {"smooth": 1, "threshold": 0.5, "crf": {"weight": 3}}},
        {"channels": None},
    ],
)
def test_a_garbled_plan_is_refused(change):
    with pytest.raises(InputError, match="the plan of the run is garbled"):
        Plan.from_json({**a_plan().to_json(), **change})


@pytest.mark.parametrize("name", sorted(a_plan().to_json()))
def test_a_plan_that_lacks_something_is_refused(name):
    values = a_plan().to_json()
    del values[name]
    with pytest.raises(InputError, match=name):
        Plan.from_json(values)


def pixels(window):
    return [(r, c) for r in range(window.row, window.row + window.height) for c in range(window.col, window.col + window.width)]


@given(plan=plans)
@settings(max_examples=60, deadline=None)
def test_windows_and_blocks_cover_the_region(plan):
    assert set(pixels(plan.region)) <= {own for window in plan.windows for own in pixels(window)}
    assert sorted(own for block in plan.blocks for own in pixels(block)) == pixels(plan.region)
    assert [own for unit in plan.units for own in plan.unit_windows(unit)] == plan.windows
    assert all(1 <= len(plan.unit_windows(unit)) <= UNIT for unit in plan.units)


@given(plan=plans, row=st.integers(-20, 80), col=st.integers(-20, 80), size=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_touching_equals_asking_each(plan, row, col, size):
    region = Window(row, col, size, size + 3)
    assert plan.touching(region) == [i for i, own in enumerate(plan.windows) if own.overlap(region)]
    assert plan.blocks_touching(region) == [i for i, own in enumerate(plan.blocks) if own.overlap(region)]


def test_a_region_leaves_out_windows_but_moves_none():
    whole, part = a_plan(), a_plan(region=Window(33, 41, 7, 5))
    assert part.windows == [own for own in whole.windows if own.overlap(part.region)]
    assert part.blocks == [Window(33, 41, 7, 5)]


@pytest.mark.parametrize("changes", [{"gate": -0.1}, {"gate": 1.1}, {"gate": float("nan")}, {"threads": 0}])
def test_values_out_of_range_are_refused(changes):
    with pytest.raises(ConfigError):
        a_plan(**changes)


@pytest.mark.parametrize("region", [Window(0, 0, 91, 130), Window(-1, 0, 5, 5), Window(200, 0, 5, 5), Window(3, 3, 0, 5)])
def test_a_region_lies_inside_the_image(region):
    with pytest.raises(ConfigError, match="inside the image of 90 x 130 px"):
        a_plan(region=region)
