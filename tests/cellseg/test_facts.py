import json

import pytest

from cellseg.facts import DatasetFacts, read_facts, require_name
from segcore.errors import ConfigError, InputError

GOOD = DatasetFacts(name="kidney", axes="CZYX", pixel_size_um=(1.0, 0.1, 1 / 3), classes=("cell", "gland"), licence="CC0", source="Leiden")


def test_round_trip(tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps(GOOD.as_json()))
    assert read_facts(tmp_path) == GOOD
    assert GOOD.as_json()["classes"] == {"1": "cell", "2": "gland"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 2}, "format version 2, this geocellseg reads up to 1"),
        ({"format_version": None}, "format_version, a whole number; got None"),
        ({"format_version": True}, "got True"),
        ({"axes": "XYC"}, "got 'XYC'"),
        ({"axes": ["C", "Y"]}, "axes must be text"),
        ({"name": "../../etc"}, "plain file name without folders"),
        ({"name": 7}, "name must be text"),
        ({"pixel_size_um": [1, 1]}, "3 lengths above 0"),
        ({"pixel_size_um": [1, 1, 0]}, "3 lengths above 0"),
        ({"pixel_size_um": [1, 1, float("nan")]}, "3 lengths above 0"),
        ({"pixel_size_um": [1, 1, 10**400]}, "too large"),
        ({"source": "x" * 2_000_000}, "at most 1,048,576 bytes"),
        ({"pixel_size_um": "1"}, "null or a list of numbers"),
        ({"classes": ["cell"]}, "numbered from 1"),
        ({"classes": {"2": "cell"}}, "numbered from 1"),
        ({"classes": {}}, "at least one"),
        ({"classes": {"1": "a", "2": "a"}}, "different names"),
        ({"classes": {"1": ["a"]}}, "different names"),
        ({"licence": 3}, "licence must be text"),
    ],
)
def test_bad_facts(tmp_path, change, words):
    (tmp_path / "dataset.json").write_text(json.dumps(GOOD.as_json() | change))
    with pytest.raises(InputError, match=words) as error:
        read_facts(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["name", "axes", "classes"])
def test_lacking_facts(tmp_path, key):
    facts = GOOD.as_json()
    del facts[key]
    (tmp_path / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match=f"lacks '{key}'"):
        read_facts(tmp_path)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"a folder with dataset\.json"):
        read_facts(tmp_path)


@pytest.mark.parametrize("name", ["", " ", ".", "..", ".a", "a.", " a", "a/b", "a\\b", "a:b", "a\nb", "a\0b", "x" * 201, "ä" * 101])
def test_names_that_are_no_files(name):
    with pytest.raises(ConfigError, match="plain file name without folders"):
        require_name(name, "image")


@pytest.mark.parametrize("name", ["a", "TCGA-1 (2)", "a.b", "é_ü", "x" * 200])
def test_names_that_are_files(name):
    require_name(name, "image")


@pytest.mark.parametrize("classes", ["cell", (), ("a", "a"), ("",), ["a"]])
def test_classes(classes):
    with pytest.raises(ConfigError, match="tuple of different names"):
        DatasetFacts(classes=classes)
