"""Data and sizes of the study of annotation errors: what each budget runs, and how its datasets are made."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from cellseg.dataset import open_dataset, write_dataset
from cellseg.formats.importing import import_dataset
from cellseg.image import CellImage
from cellseg.simulate import SHAPE, simulate_dataset
from cellseg.study.names import BASELINE_NAMES
from cellseg.study.plan import Learning, StudyPlan
from segcore.nets.names import NET_NAMES

EPITHELIAL, INFLAMMATORY = "epithelial", "inflammatory"
CONSEP_CLASSES = {"1": "other", "2": INFLAMMATORY, "3": EPITHELIAL, "4": "spindle"}
TEST_EACH = 4
"""Every fourth tile of CoNSeP tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """One dataset and target, and what is done to its labels."""

    target: str
    kind: str
    """Of simulated volumes, or consep."""
    levels: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    nets: tuple[str, ...] = NET_NAMES
    more: dict[str, Any] = field(default_factory=dict)
    """Settings of learning that differ from those of the budget."""
    shrink: int = 1
    """Pixels along each axis that become one; of consep alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one size of the study runs."""

    seconds: float
    """Of one call."""
    runs: int
    workers: int
    learning: Learning
    sets: dict[str, Set]
    volumes: int = 40
    slices: int = 160
    """Of all volumes together; the last fifth of the volumes tests."""
    shape: tuple[int, int, int] = SHAPE


def sets(rates: tuple[float, ...], pixels: tuple[int, ...], *, tissue: tuple[float, ...] = (), **more: Any) -> dict[str, Set]:
    """All five. tissue: more rates of omission for the tissue. more: settings of learning for the tissue."""
    both = {"omission": rates, "bias": pixels}
    return {
        "hl60": Set(target="hl60", kind="hl60", levels=both),
        "granulocyte": Set(target="granulocyte", kind="granulocyte", levels=both),
        "combined_hl60": Set(target="hl60", kind="combined", levels={"inclusion": rates}),
        "combined_granulocyte": Set(target="granulocyte", kind="combined", levels={"inclusion": rates}),
        "consep": Set(
            target=EPITHELIAL,
            kind="consep",
            levels={"omission": tuple(sorted({*rates, *tissue})), "inclusion": rates, "bias": pixels},
            more=more,
        ),
    }


BUDGETS = {
    "smoke": Budget(
        seconds=40,
        runs=1,
        workers=1,
        learning=Learning(epochs=1, patch=64, depth=5, width=4, batch=4, per_epoch=8, validation=0.5, device="cpu"),
        sets={"hl60": Set(target="hl60", kind="hl60", levels={"omission": (0.5,)})},
        volumes=5,
        slices=15,
        shape=(48, 256, 256),
    ),
    "cpu": Budget(
        seconds=2300,
        runs=2,
        workers=2,
        learning=Learning(epochs=14, patch=128, depth=30, width=8, batch=8, per_epoch=320, learning_rate=3e-3, device="cpu"),
        sets={
            "hl60": Set(target="hl60", kind="hl60", levels={"omission": (0.3, 0.7), "bias": (6,)}, more={"epochs": 30}),
            "consep": Set(
                target=EPITHELIAL,
                kind="consep",
                levels={"omission": (0.5,), "inclusion": (0.3,), "bias": (6,)},
                more={"width": 12},
                shrink=2,
            ),
            "combined_hl60": Set(target="hl60", kind="combined", levels={"inclusion": (0.7,)}),
            "combined_granulocyte": Set(target="granulocyte", kind="combined", levels={"inclusion": (0.3,)}),
            "granulocyte": Set(target="granulocyte", kind="granulocyte", levels={"omission": (0.3, 0.7), "bias": (6,)}),
        },
    ),
    "gpu": Budget(
        seconds=500,
        runs=3,
        workers=8,
        learning=Learning(epochs=20, patch=192, batch=4, per_epoch=200),
        sets=sets((0.3, 0.7), (2, 6), tissue=(0.5,), epochs=30),
    ),
    "full": Budget(
        seconds=86_400,
        runs=10,
        workers=2,
        learning=Learning(epochs=20, patch=256),
        sets=sets((0.1, 0.2, 0.3, 0.5, 0.7), (2, 4, 6), epochs=50),
        volumes=30,
        slices=2520,
    ),
}
"""full is the size of the thesis (Vădineanu, Leiden, ch. 2): levels, runs, epochs, patches."""


def plan_of(budget: Budget, own: Set) -> StudyPlan:
    """What is run on a dataset."""
    learning = replace(budget.learning, **own.more)
    return StudyPlan(target=own.target, nets=own.nets, baselines=BASELINE_NAMES, runs=budget.runs, learning=learning, **own.levels)


def data_of(own: Set, budget: Budget, folder: Path, source: Path) -> Path:
    """The dataset of a set, made where it is not there yet; the script ends with 3 where its source is missing."""
    if own.kind == "consep":
        path = folder / f"data-consep-{own.shrink}"
        return path if path.exists() else make_consep(source / "cell" / "consep", path, own.shrink)
    path = folder / f"data-{own.kind}-{budget.volumes}-{budget.slices}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    return simulate_dataset(path, own.kind, budget.volumes, slices=budget.slices, shape=budget.shape, workers=budget.workers)


def make_consep(source: Path, path: Path, shrink: int) -> Path:
    """CoNSeP with its epithelial and inflammatory nuclei alone, the others background; every fourth tile tests.

    Tiles are cut into quarters: no two tiles look alike, so that the images held back should have a part of most.
    """
    if not source.is_dir():
        print(f"{source} is not there; pass --data, or leave the tissue out with --sets hl60", file=sys.stderr)
        sys.exit(3)
    whole = path.with_name(f"{path.name}-whole")
    import_dataset(source, whole, "folder", classes=CONSEP_CLASSES, overwrite=True)
    data = open_dataset(whole)
    parts = {name: "test" if number % TEST_EACH == TEST_EACH - 1 else "train" for number, name in enumerate(data.names)}
    splits = {f"{name}_{quarter}": (part, "") for name, part in parts.items() for quarter in range(4)}
    facts = replace(data.facts, name="CoNSeP", classes=(EPITHELIAL, INFLAMMATORY))
    images = (quarter for image in two_classes(data) for quarter in quarters(shrunk(image, shrink)))
    return write_dataset(path, images, facts=facts, splits=splits)


def two_classes(images: Any) -> Iterator[CellImage]:
    """The images without objects of other classes."""
    for image in images:
        kept = {own: name for own, name in image.classes.items() if name in (EPITHELIAL, INFLAMMATORY)}
        gone = (image.instances > 0) & ~(image.mask(EPITHELIAL) | image.mask(INFLAMMATORY))
        instances = image.instances.copy()
        instances[gone] = 0
        yield image.with_labels(instances, kept)


def shrunk(image: CellImage, times: int) -> CellImage:
    """The image at a coarser pixel, (C, H / times, W / times): means of its pixels, and of its labels those near the middle."""
    if times == 1:
        return image
    channels, height, width = image.pixels.shape
    blocks = image.pixels.reshape(channels, height // times, times, width // times, times)
    pixels = blocks.mean(axis=(2, 4)).round().astype(image.pixels.dtype)
    instances = np.ascontiguousarray(image.instances[times // 2 :: times, times // 2 :: times])
    return trimmed(replace(image, pixels=pixels, instances=instances))


def quarters(image: CellImage) -> Iterator[CellImage]:
    """Four images NAME_0 to NAME_3, row by row; cells on a cut are on both sides."""
    _, height, width = image.pixels.shape
    for number, (top, left) in enumerate(product((0, height // 2), (0, width // 2))):
        part = np.s_[top : top + height // 2, left : left + width // 2]
        own = np.ascontiguousarray(image.instances[part])
        yield trimmed(replace(image, name=f"{image.name}_{number}", pixels=image.pixels[:, *part], instances=own))


def trimmed(image: CellImage) -> CellImage:
    """The image with the classes of its own cells only."""
    return replace(image, classes={own: image.classes[own] for own in image.ids.tolist() if own in image.classes})
