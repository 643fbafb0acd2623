"""From a dataset to a bundle."""

import json
from dataclasses import replace

import pytest
import torch

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import CELL, IGNORE
from cellseg.perturb import Omission, perturb_dataset
from cellseg.predict import load_segmenter
from cellseg.training import learn as learning
from cellseg.training.collapse import CollapseError
from cellseg.training.segmenter import prepare, train_segmenter
from cellseg.training.settings import SegmenterTraining
from segcore.errors import ConfigError, InputError, OutputError, RunError
from segcore.nets.build import NETS
from segcore.nets.unet import UNetConfig
from segcore.progress import Silent
from segcore.train.bundle import load_bundle
from segcore.train.loop import TrainConfig

TINY = UNetConfig(width=4, depth=2)
SHORT = TrainConfig(epochs=1, learning_rate=1e-2, device="cpu")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def settings(**changed):
    return SegmenterTraining(**{"target": CELL, "net": TINY, "patch": 32, "batch": 4} | changed)


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.mark.parametrize("net", [TINY, NETS["segnet"](width=8, depth=2), NETS["msd"](depth=8)], ids=NETS)
def test_each_network_learns_bright_cells(blobs, tmp_path, net):
    loop = TrainConfig(epochs=12, learning_rate=2e-2, device="cpu")
    metrics = train_segmenter(blobs(6), tmp_path / "m", settings(net=net), loop)["validation"]
    assert metrics["dice"] > 0.9
    assert metrics["collapses"] == 0
    assert len(metrics["losses"]) == len(metrics["scores"]) == metrics["epochs"]
    assert metrics["scores"][metrics["best_epoch"] - 1] == max(metrics["scores"]) == metrics["dice"]


def test_a_bundle_says_what_it_is(blobs, tmp_path):
    data = blobs(4, channels=3)
    metrics = train_segmenter(data, tmp_path / "m", settings(seed=3), SHORT)
    bundle = load_bundle(tmp_path / "m", "segmenter")
    facts = bundle.facts
    assert (facts["net"], facts["options"]) == ("unet", {"width": 4, "depth": 2, "norm": True})
    assert (facts["channels"], facts["classes"], facts["target"]) == (3, ["background", "cell"], "cell")
    assert (facts["pixel_size_um"], facts["patch"], facts["pixel_type"]) == ([0.5, 0.5], 32, "uint8")
    assert facts["metrics"] == json.loads(json.dumps(metrics))
    assert sorted(facts["split"]["train"] + facts["split"]["validation"]) == list(data.names)
    train = data.only(facts["split"]["train"])
    mean = [sum(float(image.pixels[channel].mean()) for image in train) / len(train) for channel in range(3)]
    assert facts["normalise"]["mean"] == pytest.approx(mean)
    assert bundle.provenance["config"]["training"]["seed"] == 3
    assert set(bundle.provenance["inputs"]) == {"data"}


def test_the_same_seed_gives_the_same_weights_and_another_others(blobs, tmp_path):
    data = blobs(4)
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_segmenter(data, tmp_path / name, settings(seed=seed), SHORT)
        found.append(load_bundle(tmp_path / name, "segmenter").members[0])
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])
    assert not all(torch.equal(found[0][key], found[2][key]) for key in found[0])


def test_what_is_learnt_comes_from_the_other_labels(blobs, tmp_path):
    """Labels without the right half: cells are learnt from the left one, and counts of the validation follow."""
    data = blobs(4)
    perturb_dataset(data, Omission(0.5), tmp_path / "less", seed=1)
    other = open_dataset(tmp_path / "less")
    plain, less = (prepare(data, settings(), labels=labels) for labels in (None, other))
    name = plain.held.train[0]
    assert plain.held == less.held
    own, fewer = (
        sum(int((found.material.images.read(patch.plane, patch.window)[1] > 0).sum()) for patch in found.surveys[name].patches)
        for found in (plain, less)
    )
    assert 0 < fewer < own
    train_segmenter(data, tmp_path / "m", settings(), SHORT, labels=other)
    assert set(load_bundle(tmp_path / "m", "segmenter").provenance["inputs"]) == {"data", "labels"}


def test_volumes_are_learnt_from_plane_by_plane(volumes, tmp_path):
    heard = Heard()
    train_segmenter(volumes, tmp_path / "m", settings(per_epoch=12), SHORT, progress=heard)
    assert "volumes are learnt from plane by plane" in heard.lines
    assert load_bundle(tmp_path / "m", "segmenter").facts["pixel_size_um"] == [0.25, 0.25]


def test_the_cost_is_said_before_the_work(blobs, tmp_path):
    heard = Heard()
    train_segmenter(blobs(4), tmp_path / "m", settings(), SHORT, progress=heard)
    assert heard.lines[0].startswith("3 images to learn from, 1 to judge; 27 patches of 32 px an epoch, unet of 7,")
    assert heard.lines[0].endswith("s at most")


def test_images_of_other_splits_are_left_out(blobs, tmp_path):
    heard = Heard()
    splits = {"blob-0": ("train", ""), "blob-1": ("val", ""), "blob-2": ("test", ""), "blob-3": ("test", "")}
    train_segmenter(blobs(4, splits=splits), tmp_path / "m", settings(), SHORT, progress=heard)
    assert "2 images of other splits than train and validation are left out" in heard.lines
    assert load_bundle(tmp_path / "m", "segmenter").facts["split"] == {"train": ["blob-0"], "validation": ["blob-1"], "seed": 0}


def test_the_images_held_back_follow_from_the_split_seed_alone(blobs):
    data = blobs(10)
    plain, same, other = (prepare(data, settings(seed=seed, split_seed=split)).held for seed, split in ((1, None), (2, 1), (1, 2)))
    assert plain == same != other


def test_pixel_types_are_not_mixed(blobs, tmp_path):
    """One scaling of 8-bit and 16-bit images would leave the former black."""
    first, *rest = blobs(4)
    wide = replace(first, pixels=first.pixels.astype("uint16") * 257)
    data = open_dataset(write_dataset(tmp_path / "mixed", [wide, *rest], facts=DatasetFacts(axes="YX")))
    with pytest.raises(InputError, match="blob-0 has uint16, blob-1 uint8"):
        prepare(data, settings())


class Background(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return torch.stack([images[:, 0] * 0 + 5, images[:, 0] * 0 - 5], dim=1) + 0 * self.weight


def test_restarts_are_in_the_bundle(blobs, tmp_path, monkeypatch):
    plain = learning.first_network
    monkeypatch.setattr(learning, "first_network", lambda *own: Background() if own[2] == 0 else plain(*own))
    train_segmenter(blobs(4), tmp_path / "m", settings(), SHORT)
    assert load_bundle(tmp_path / "m", "segmenter").facts["metrics"]["validation"]["collapses"] == 1
    load_segmenter(tmp_path / "m")


def test_a_network_that_never_finds_anything_is_not_written(blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "first_network", lambda *_: Background())
    with pytest.raises(CollapseError, match="everything background after each of 3 starts; no model was written"):
        train_segmenter(blobs(4), tmp_path / "m", settings(restarts=2), SHORT)
    assert not (tmp_path / "m").exists()


def test_a_loss_that_is_no_number_is_no_collapse(blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "step", lambda *_: torch.tensor(torch.nan))
    with pytest.raises(RunError, match="the loss must stay finite") as caught:
        train_segmenter(blobs(4), tmp_path / "m", settings(), SHORT)
    assert not isinstance(caught.value, CollapseError)


def relabelled(data, path, change):
    """The dataset with other instances."""
    images = [image.with_labels(change(image.instances.copy())) for image in data]
    return open_dataset(write_dataset(path, images, facts=data.facts))


@pytest.mark.parametrize(
    ("count", "changed", "kind", "text"),
    [
        (3, {"target": "gland"}, ConfigError, "the target is a class of the data, which are cell; got 'gland'"),
        (1, {}, InputError, "an image is held back to choose the best epoch, so there are at least two"),
        (3, {"patch": 65}, ConfigError, "blob-0 has 64 x 64 px, got 65. Use --patch 64"),
    ],
)
def test_what_cannot_be_learnt_is_refused(blobs, tmp_path, count, changed, kind, text):
    with pytest.raises(kind, match=text):
        train_segmenter(blobs(count), tmp_path / "m", settings(**changed), SHORT)
    assert not (tmp_path / "m").exists()


def test_labels_without_the_target_or_without_a_known_pixel_are_refused(blobs, two_classes, tmp_path):
    nothing = relabelled(blobs(3), tmp_path / "nothing", lambda own: own * 0 + IGNORE)
    with pytest.raises(InputError, match="all are unknown"):
        train_segmenter(nothing, tmp_path / "m", settings(), SHORT)
    one_kind = relabelled(two_classes.split("train"), tmp_path / "one", lambda own: own * (own < 4))
    with pytest.raises(InputError, match=r"no image of .*one shows a 'lymphocyte'"):
        train_segmenter(one_kind, tmp_path / "m", settings(target="lymphocyte"), SHORT)


def test_labels_that_do_not_fit_are_refused(blobs, volumes, two_classes, tmp_path):
    data = blobs(4)
    with pytest.raises(InputError, match="lacks blob-1 and 2 more"):
        train_segmenter(data, tmp_path / "m", settings(), SHORT, labels=data.only(["blob-0"]))
    with pytest.raises(ConfigError, match="which are epithelial, lymphocyte; got 'cell'"):
        train_segmenter(data, tmp_path / "m", settings(), SHORT, labels=two_classes)
    flat = DatasetFacts(axes="YX")
    planes = open_dataset(
        write_dataset(
            tmp_path / "flat",
            [type(i)(name=n, pixels=i.pixels[:, 0], instances=i.instances[0]) for i, n in zip(volumes, volumes.names, strict=True)],
            facts=flat,
        )
    )
    with pytest.raises(InputError, match=r"is ZYX, .* YX"):
        train_segmenter(volumes, tmp_path / "m", settings(), SHORT, labels=planes)


def test_what_stands_at_the_output_stays(blobs, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "thesis.txt").write_text("years of work")
    for overwrite, text in ((False, "never replaced silently"), (True, "which holds bundle.json")):
        with pytest.raises(OutputError, match=text):
            train_segmenter(blobs(2, name=f"b{overwrite}"), tmp_path / "m", settings(), SHORT, overwrite=overwrite)
    assert (tmp_path / "m" / "thesis.txt").exists()


def test_half_precision_needs_a_gpu(blobs, tmp_path):
    with pytest.raises(ConfigError, match="precision bf16 needs a GPU"):
        train_segmenter(blobs(2), tmp_path / "m", settings(), TrainConfig(precision="bf16", device="cpu"))
