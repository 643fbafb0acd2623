"""A model as a folder."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save

from segcore.errors import BundleError, OutputError
from segcore.files import read_json, sha256, write_json
from segcore.train import bundle as module
from segcore.train.bundle import KINDS, Bundle, bundle_hash, load_bundle, save_bundle

KIND = "site-classifier"
FACTS = {name: None for name in KINDS[KIND]} | {"arch": "resnet34", "classes": ["no site", "site"], "window": 400}


def member(seed):
    generator = torch.Generator().manual_seed(seed)
    return {"conv.weight": torch.randn(4, 3, 2, 2, generator=generator), "bn.num_batches_tracked": torch.tensor(7 + seed)}


def a_bundle(**changes):
    return Bundle(**{"kind": KIND, "facts": FACTS, "members": [member(0), member(1)], "provenance": {"seed": 3}, **changes})


@pytest.fixture
def saved(tmp_path):
    save_bundle(a_bundle(), tmp_path / "model")
    return tmp_path / "model"


def change(path, **values):
    write_json(path / "bundle.json", {**read_json(path / "bundle.json"), **values})


def redigest(path, name):
    """Make bundle.json agree with a file that was changed, as a stranger would."""
    files = read_json(path / "bundle.json")["files"]
    change(path, files={**files, name: sha256(path / name)})


def same(one, other):
    return set(one) == set(other) and all(torch.equal(one[k], other[k]) and one[k].dtype == other[k].dtype for k in one)


def test_round_trip(tmp_path):
    extra = {"mean": torch.rand(3, dtype=torch.float64), "index": torch.arange(5), "half": torch.ones(2, dtype=torch.bfloat16)}
    save_bundle(a_bundle(tensors=extra), tmp_path / "m")
    loaded = load_bundle(tmp_path / "m", KIND)
    assert loaded.facts == FACTS
    assert loaded.provenance == {"seed": 3}
    assert len(loaded.members) == 2
    assert all(same(own, member(i)) for i, own in enumerate(loaded.members))
    assert same(loaded.tensors, extra)
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        "bundle.json",
        "member-0.safetensors",
        "member-1.safetensors",
        "tensors.safetensors",
    ]


def test_tied_turned_and_trainable_tensors_are_kept_by_value(tmp_path):
    weight = torch.rand(3, 4, requires_grad=True)
    save_bundle(a_bundle(members=[{"a": weight, "b": weight, "turned": weight.T}]), tmp_path / "m")
    (loaded,) = load_bundle(tmp_path / "m", KIND).members
    assert torch.equal(loaded["b"], weight)
    assert torch.equal(loaded["turned"], weight.T)
    assert not loaded["a"].requires_grad


def test_the_hash_names_the_model_and_changes_with_its_weights(tmp_path, saved):
    save_bundle(a_bundle(), tmp_path / "again")
    save_bundle(a_bundle(members=[member(0), member(2)]), tmp_path / "other")
    assert bundle_hash(saved) == bundle_hash(tmp_path / "again") == sha256(saved / "bundle.json")
    assert bundle_hash(saved) != bundle_hash(tmp_path / "other")


def test_files_can_be_read_by_others(saved):
    modes = {path.stat().st_mode & 0o777 for path in saved.iterdir()}
    assert len(modes) == 1  # what the umask says, for weights as for JSON


def test_an_output_is_not_replaced_silently_nor_anything_but_a_model(tmp_path, saved):
    with pytest.raises(OutputError, match="never replaced silently"):
        save_bundle(a_bundle(), saved)
    save_bundle(a_bundle(members=[member(5)]), saved, overwrite=True)
    assert len(load_bundle(saved, KIND).members) == 1
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis").write_text("")
    with pytest.raises(OutputError, match="is something else"):
        save_bundle(a_bundle(), tmp_path / "home", overwrite=True)
    assert (tmp_path / "home" / "thesis").exists()


def test_facts_that_are_no_json_leave_nothing(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        save_bundle(a_bundle(facts={**FACTS, "split": float("nan")}), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_checked_at_birth():
    with pytest.raises(BundleError, match="a model is one of segmenter, site-classifier; this one says 'oracle'"):
        a_bundle(kind="oracle")
    with pytest.raises(BundleError, match="states arch, window; this one does not"):
        a_bundle(facts={name: None for name in KINDS[KIND] - {"arch", "window"}})
    with pytest.raises(BundleError, match="at least one network"):
        a_bundle(members=[])


def test_a_folder_without_bundle_json_is_refused(tmp_path, saved):
    (saved / "bundle.json").unlink()
    for path in (saved, tmp_path / "nowhere"):
        for read in (lambda own: load_bundle(own, KIND), bundle_hash):
            with pytest.raises(BundleError, match=r"a folder with bundle\.json"):
                read(path)


def test_another_kind_is_refused(saved):
    change(saved, kind="segmenter")
    with pytest.raises(BundleError, match=r"a site-classifier is needed here; .* is a 'segmenter'"):
        load_bundle(saved, KIND)


def test_a_kind_that_nobody_knows_is_refused(saved):
    change(saved, kind="oracle")
    with pytest.raises(BundleError, match="this one says 'oracle'"):
        load_bundle(saved, "oracle")


@pytest.mark.parametrize("layout", [2, None, "1"])
def test_another_layout_is_refused(saved, layout):
    change(saved, format=layout)
    with pytest.raises(BundleError, match="reads models of layout 1"):
        load_bundle(saved, KIND)


def test_a_missing_fact_is_refused(saved):
    change(saved, facts={name: 1 for name in KINDS[KIND] - {"stretch"}})
    with pytest.raises(BundleError, match="states stretch"):
        load_bundle(saved, KIND)


@pytest.mark.parametrize("text", ["{", "", "[]", "\x00", '{"format": 1'])
def test_garbled_json_is_refused(saved, text):
    (saved / "bundle.json").write_text(text)
    with pytest.raises(BundleError, match=r"bundle\.json must"):
        load_bundle(saved, KIND)


@pytest.mark.parametrize(
    "values",
    [
        {"members": "two"},
        {"members": 10**12},
        {"members": -1},
        {"members": 1.5},
        {"members": None},
        {"files": ["member-0.safetensors"]},
        {"files": {}},
        {"files": None},
        {"facts": sorted(KINDS[KIND])},
        {"facts": None},
        {"provenance": "me"},
    ],
)
def test_garbled_values_are_refused(saved, values):
    change(saved, **values)
    with pytest.raises(BundleError, match="not a whole model"):
        load_bundle(saved, KIND)


@pytest.mark.parametrize("name", ["files", "members", "facts", "provenance"])
def test_a_missing_value_is_refused(saved, name):
    content = read_json(saved / "bundle.json")
    del content[name]
    write_json(saved / "bundle.json", content)
    with pytest.raises(BundleError, match="not a whole model"):
        load_bundle(saved, KIND)


def test_a_missing_file_is_refused(saved):
    (saved / "member-1.safetensors").unlink()
    with pytest.raises(BundleError, match=r"member-1\.safetensors belongs to the model"):
        load_bundle(saved, KIND)


@pytest.mark.parametrize("keep", [0, 7, 40, -1])
@pytest.mark.parametrize("consistent", [False, True])
def test_a_file_cut_short_is_refused(saved, keep, consistent):
    path = saved / "member-0.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    if consistent:
        redigest(saved, path.name)
    with pytest.raises(BundleError, match="damaged or something else"):
        load_bundle(saved, KIND)


def test_other_weights_than_bundle_json_describes_are_refused(saved):
    (saved / "member-0.safetensors").write_bytes(save(member(9)))
    with pytest.raises(BundleError, match=r"not the file that bundle\.json describes"):
        load_bundle(saved, KIND)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was read",))


@pytest.mark.parametrize("write", [lambda path: path.write_bytes(pickle.dumps(Bomb())), lambda path: torch.save(member(0), path)])
def test_a_pickle_with_another_name_is_refused_unread(saved, write):
    write(saved / "member-0.safetensors")
    redigest(saved, "member-0.safetensors")
    with pytest.raises(BundleError, match="must be a safetensors file"):
        load_bundle(saved, KIND)


def test_names_in_bundle_json_cannot_point_elsewhere(tmp_path, saved):
    (tmp_path / "secret").write_bytes(save(member(0)))
    change(saved, files={**read_json(saved / "bundle.json")["files"], "../secret": "0", "tensors.safetensors/../../secret": "0"})
    assert load_bundle(saved, KIND).tensors == {}


def test_what_is_written_is_plain_json(saved):
    content = json.loads((saved / "bundle.json").read_text())
    assert (content["format"], content["kind"], content["members"]) == (module.FORMAT, KIND, 2)
    assert content["files"] == {f"member-{i}.safetensors": sha256(saved / f"member-{i}.safetensors") for i in (0, 1)}
