import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.columns import columns_of, notes_of
from segcore.cam.choice import MapChoice
from segcore.errors import ConfigError


def view(name, *keys, tuned=0, note=None):
    choices = [MapChoice.parse(key) for key in keys]
    default = choices[tuned]

    def choose(method, default):
        found = [own for own in [default, *choices] if method in (own.method, str(own))]
        if not found:
            raise ConfigError("a map must be calibrated")
        return found[0]

    model = SimpleNamespace(choices=choices, choose=choose, outline=SimpleNamespace(choice=default), note=lambda choice: note)
    return SimpleNamespace(name=name, model=model)


SMALL = view("small", "layer-cam@layer2", "layer-cam@layer3", "layer-cam@layer2+layer3", "grad-cam@layer4")
DENSE = view("dense", "layer-cam@blocks.1", "layer-cam@blocks.2", "grad-cam@norm5", "guided-backprop@norm5")


def texts(columns):
    return [(column.title, *(str(choice) if choice else None for choice in column.choices)) for column in columns]


def test_one_model_has_a_column_for_each_of_its_maps():
    assert texts(columns_of([SMALL], None, print)) == [
        ("grad-cam@layer4", "grad-cam@layer4"),
        ("layer-cam@layer2", "layer-cam@layer2"),
        ("layer-cam@layer3", "layer-cam@layer3"),
        ("layer-cam@layer2+layer3", "layer-cam@layer2+layer3"),
    ]


def test_maps_of_unlike_networks_share_columns_by_method_and_number():
    assert texts(columns_of([SMALL, DENSE], None, print)) == [
        ("grad-cam", "grad-cam@layer4", "grad-cam@norm5"),
        ("layer-cam 1", "layer-cam@layer2", "layer-cam@blocks.1"),
        ("layer-cam 2", "layer-cam@layer3", "layer-cam@blocks.2"),
        ("layer-cam@layer2+layer3", "layer-cam@layer2+layer3", None),
        ("guided-backprop@norm5", None, "guided-backprop@norm5"),
    ]


def test_a_map_of_the_same_key_shares_the_column_whatever_its_number():
    full, late = view("full", "layer-cam@layer2", "layer-cam@layer3"), view("late", "layer-cam@layer3")
    expected = [("layer-cam@layer2", "layer-cam@layer2", None), ("layer-cam@layer3", "layer-cam@layer3", "layer-cam@layer3")]
    assert texts(columns_of([full, late], None, print)) == expected
    assert texts(columns_of([late, full], None, print)) == [(title, *reversed(own)) for title, *own in expected]


def test_a_third_model_stands_beside_the_one_that_it_is_like():
    dense, late = view("dense", "layer-cam@blocks.1", "layer-cam@blocks.2"), view("late", "layer-cam@layer3", "layer-cam@layer4")
    full = view("full", "layer-cam@layer2", "layer-cam@layer3")
    assert texts(columns_of([full, dense, late], None, print)) == [
        ("layer-cam 1", "layer-cam@layer2", "layer-cam@blocks.1", None),
        ("layer-cam 2", "layer-cam@layer3", "layer-cam@blocks.2", "layer-cam@layer3"),
        ("layer-cam@layer4", None, None, "layer-cam@layer4"),
    ]


def test_models_are_alike_through_a_third():
    first, second, both = view("first", "grad-cam@p"), view("second", "grad-cam@q"), view("both", "grad-cam@p", "grad-cam@q")
    assert texts(columns_of([first, second], None, print)) == [("grad-cam", "grad-cam@p", "grad-cam@q")]
    assert texts(columns_of([first, second, both], None, print)) == [
        ("grad-cam@p", "grad-cam@p", None, "grad-cam@p"),
        ("grad-cam@q", None, "grad-cam@q", "grad-cam@q"),
    ]


def test_fused_and_single_layers_never_share_a_column():
    fused, single = view("fused", "layer-cam@a+b", "layer-cam@a+b:max"), view("single", "layer-cam@c")
    assert texts(columns_of([fused, single], None, print)) == [
        ("layer-cam@c", None, "layer-cam@c"),
        ("layer-cam@a+b:max", "layer-cam@a+b:max", None),
        ("layer-cam@a+b", "layer-cam@a+b", None),
    ]


KEYS = [f"{method}@{layer}" for method in ("grad-cam", "layer-cam") for layer in ("p", "q", "r", "s+t")]
KEYS = [key for key in KEYS if "grad" not in key or "+" not in key]


@given(st.lists(st.lists(st.sampled_from(KEYS), min_size=1, unique=True), min_size=1, max_size=4))
def test_every_map_has_one_cell_and_every_key_one_column(models):
    columns = columns_of([view(str(i), *keys) for i, keys in enumerate(models)], None, print)
    for number, keys in enumerate(models):
        assert sorted(str(column.choices[number]) for column in columns if column.choices[number]) == sorted(keys)
    assert len({column.title for column in columns}) == len(columns)
    for column in columns:
        assert len({choice.method for choice in column.choices if choice}) == 1
    places = [(choice, i) for i, column in enumerate(columns) for choice in column.choices if choice]
    assert len(dict(places)) == len(set(places))


def test_methods_come_as_asked_and_once():
    said = []
    found = columns_of([SMALL, DENSE], ["layer-cam", "grad-cam@layer4", "layer-cam"], said.append)
    assert texts(found) == [("layer-cam", "layer-cam@layer2", "layer-cam@blocks.1"), ("grad-cam@layer4", "grad-cam@layer4", None)]
    assert said == ["dense has no calibrated grad-cam@layer4; left empty"]
    columns_of([SMALL, DENSE], ["grad-cam@layer4", "guided-backprop", "layer-cam@layer2"], said.append)
    assert said[1:] == [
        "small has no calibrated guided-backprop; left empty",
        "dense has no calibrated grad-cam@layer4, layer-cam@layer2; left empty",
    ]


def test_a_name_takes_the_layer_that_was_tuned_and_a_key_its_own():
    tuned = view("tuned", "layer-cam@layer2", "layer-cam@layer3", tuned=1)
    assert texts(columns_of([tuned], ["layer-cam", "layer-cam@layer2"], print)) == [
        ("layer-cam@layer3", "layer-cam@layer3"),
        ("layer-cam@layer2", "layer-cam@layer2"),
    ]
    assert len(columns_of([tuned], ["layer-cam", "layer-cam@layer3"], print)) == 1


@pytest.mark.parametrize(("method", "way"), [("score-cam", ", or train with --calibrate score-cam."), ("grad-cam@nowhere", ".")])
def test_a_map_that_no_model_has_is_refused_with_those_that_exist(method, way):
    known = ", ".join(dict.fromkeys(str(choice) for own in (SMALL, DENSE) for choice in own.model.choices))
    with pytest.raises(ConfigError, match=f"; {re.escape(f'{method} is in none of small, dense. Choose among {known}{way}')}$"):
        columns_of([SMALL, DENSE], ["layer-cam", method], print)


@pytest.mark.parametrize("method", ["psychic", "", "psychic@layer2"])
def test_an_unknown_method_lists_the_known(method):
    with pytest.raises(ConfigError, match=rf"one of occlusion, .*got '{method}'"):
        columns_of([SMALL], ["grad-cam", method], print)


def test_notes_of_the_maps_that_are_shown_come_once():
    odd, even = view("odd", "layer-cam@layer2", "grad-cam@layer4", note="guiding has no effect"), view("even", "grad-cam@layer4")
    assert notes_of([odd, even], columns_of([odd, even], None, print)) == ["guiding has no effect"]
    assert notes_of([even, odd], columns_of([even], None, print) * 0) == []
