"""A dataset perturbed image by image."""

import numpy as np
import pytest

from cellseg.dataset import open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import CellImage
from cellseg.perturb import Bias, Compose, Inclusion, Omission, image_rng, perturb, perturb_dataset
from segcore.errors import ConfigError, OutputError

CHAIN = Compose([Omission(0.5, target="epithelial"), Inclusion(0.5, "epithelial"), Bias(2, target="epithelial")])


class Ear:
    def __init__(self):
        self.lines, self.steps = [], []

    def say(self, line):
        self.lines.append(line)

    def step(self, task, done, total):
        self.steps.append((task, done, total))


def same(one, other):
    return (one.instances == other.instances).all() and dict(one.classes) == dict(other.classes)


def test_each_image_is_perturbed_by_its_own_chance(two_classes, tmp_path):
    ear = Ear()
    path = perturb_dataset(two_classes, CHAIN, tmp_path / "out", seed=7, progress=ear)
    worse = open_dataset(path)
    assert worse.names == two_classes.names
    assert worse.splits == two_classes.splits
    for before, after in zip(two_classes, worse, strict=True):
        assert same(perturb(before, CHAIN, image_rng(7, before.name), known=two_classes.classes), after)
        assert (after.pixels == before.pixels).all()
        assert after.pixel_size_um == before.pixel_size_um
    assert ear.lines[0].startswith("12 objects: 8 gone, 4 included, ")  # half of 3 is 2, half of 2 is 1
    assert ear.steps[-1] == ("perturb", 4, 4)


def test_order_and_number_of_images_change_nothing(two_classes, tmp_path):
    all_of_them = open_dataset(perturb_dataset(two_classes, CHAIN, tmp_path / "all"))
    one = open_dataset(perturb_dataset(two_classes.only("c"), CHAIN, tmp_path / "one"))
    again = open_dataset(perturb_dataset(two_classes.path, CHAIN, tmp_path / "again"))
    other = open_dataset(perturb_dataset(two_classes, CHAIN, tmp_path / "other", seed=1))
    assert one.names == ("c",)
    assert same(one["c"], all_of_them["c"])
    assert all(same(first, second) for first, second in zip(all_of_them, again, strict=True))
    assert not all(same(first, second) for first, second in zip(all_of_them, other, strict=True))
    assert not (all_of_them["a"].instances == all_of_them["b"].instances).all()


def test_what_was_done_stands_in_the_dataset(two_classes, tmp_path):
    facts = open_dataset(perturb_dataset(two_classes, CHAIN, tmp_path / "out", seed=7)).facts
    assert facts.source == (
        "drawn; perturbed by Omission(rate=0.5, target='epithelial'), then Inclusion(rate=0.5, target='epithelial'), "
        "then Bias(q_max=2, unit='cell', target='epithelial'), seed 7"
    )
    assert (facts.name, facts.licence, facts.classes) == ("two", "CC0", two_classes.classes)


def test_volumes_stay_volumes(volumes, tmp_path):
    worse = open_dataset(perturb_dataset(volumes, Omission(0.5), tmp_path / "out"))
    for before, after in zip(volumes, worse, strict=True):
        assert len(after.ids) == 2
        assert (after.instances == np.where(np.isin(before.instances, after.ids), before.instances, 0)).all()


def test_planes_become_images_of_their_own_and_stay_a_group(tmp_path):
    instances = np.zeros((3, 30, 30), dtype=np.int32)
    instances[:, 2:8, 2:8], instances[:, 20:26, 20:26] = 1, 2
    whole = [CellImage(name=name, pixels=np.zeros((1, 3, 30, 30), np.uint8), instances=instances) for name in ("v", "w")]
    facts = DatasetFacts(axes="ZYX", pixel_size_um=(2.0, 0.5, 0.5))
    data = open_dataset(write_dataset(tmp_path / "in", whole, facts=facts, splits={"v": ("train", ""), "w": ("test", "slide")}))
    worse = open_dataset(perturb_dataset(data, Omission(0.5), tmp_path / "out", slices=True, picture=tmp_path / "p.png"))
    assert (worse.axes, worse.pixel_size_um) == ("YX", (0.5, 0.5))
    assert worse.names == ("v_000", "v_001", "v_002", "w_000", "w_001", "w_002")
    assert [len(image.ids) for image in worse] == [1] * 6
    assert len({int(image.ids[0]) for image in worse}) == 2
    assert worse.splits["v_002"] == ("train", "v")
    assert worse.splits["w_000"] == ("test", "slide")
    assert (tmp_path / "p.png").is_file()


def test_pixels_to_ignore_stay(with_ignore, tmp_path):
    worse = open_dataset(perturb_dataset(with_ignore, Bias(6), tmp_path / "out"))
    for before, after in zip(with_ignore, worse, strict=True):
        assert ((after.instances == -1) == (before.instances == -1)).all()


def test_the_picture_shows_the_image_with_most_changes(two_classes, tmp_path):
    perturb_dataset(two_classes, CHAIN, tmp_path / "out", picture=tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        (Omission(0.1, target="muscle"), {}, "which are epithelial, lymphocyte; got 'muscle'"),
        (Bias(81), {}, "longer edge of the image, got 81"),
        (Omission(0.1), {"seed": -1}, "a seed is a whole number from 0, got -1"),
        (Omission(0.1), {"picture": "p.jpg"}, "the picture is a PNG file, got"),
    ],
)
def test_what_does_not_fit_leaves_nothing_behind(two_classes, tmp_path, kind, options, text):
    if "picture" in options:
        options = {"picture": tmp_path / options["picture"]}
    with pytest.raises(ConfigError, match=text):
        perturb_dataset(two_classes, kind, tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_one_class_leaves_nothing_to_include(volumes, tmp_path):
    with pytest.raises(ConfigError, match=r"volumes has cell only\. Leave inclusion out"):
        perturb_dataset(volumes, Compose([Omission(0.1), Inclusion(0.1, "cell")]), tmp_path / "out")


def test_an_output_is_never_replaced_silently(two_classes, tmp_path):
    path, picture = tmp_path / "out", tmp_path / "p.png"
    perturb_dataset(two_classes, Omission(1), path, picture=picture)
    with pytest.raises(OutputError, match="never replaced silently"):
        perturb_dataset(two_classes, Omission(0), path)
    with pytest.raises(OutputError, match="never replaced silently"):
        perturb_dataset(two_classes, Omission(0), tmp_path / "new", picture=picture)
    assert len(open_dataset(path)["a"].ids) == 0
    perturb_dataset(two_classes, Omission(0), path, picture=picture, overwrite=True)
    assert len(open_dataset(path)["a"].ids) == 5


@pytest.mark.parametrize("out", [".", "..", "images/.."])
def test_labels_are_never_replaced_by_worse_ones(two_classes, out):
    before = {path: path.read_bytes() for path in two_classes.path.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match="does not replace its own source"):
        perturb_dataset(two_classes, Omission(0.5, target="epithelial"), two_classes.path / out, overwrite=True)
    assert {path: path.read_bytes() for path in two_classes.path.rglob("*") if path.is_file()} == before


def test_an_image_may_lack_a_class(two_classes, tmp_path):
    lymph = [
        image.with_labels(np.where(image.instances > 3, image.instances, 0), {4: "lymphocyte", 5: "lymphocyte"}) for image in two_classes
    ]
    path = write_dataset(tmp_path / "in", lymph, facts=two_classes.facts)
    worse = open_dataset(perturb_dataset(path, CHAIN, tmp_path / "out"))
    assert all(len(image.ids_of("epithelial")) == 1 for image in worse)
