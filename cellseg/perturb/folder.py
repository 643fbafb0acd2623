"""A dataset perturbed image by image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from cellseg.dataset import Dataset, open_dataset, write_dataset
from cellseg.facts import DatasetFacts
from cellseg.image import CellImage
from cellseg.perturb.apply import check_targets, perturb
from cellseg.perturb.changes import Changes, changes
from cellseg.perturb.compose import flat
from cellseg.perturb.inclusion import Inclusion
from cellseg.perturb.perturbation import Perturbation
from cellseg.perturb.seeds import image_rng
from segcore.errors import ConfigError
from segcore.files import require_free, require_spared
from segcore.progress import Progress, Silent


def perturb_dataset(
    data: Dataset | Path | str,
    perturbation: Perturbation,
    out: Path | str,
    *,
    seed: int = 0,
    slices: bool = False,
    picture: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a dataset with worse labels, image by image; pixels, names, classes and splits stay.

    Args:
        data: the dataset or its folder, which stays as it is.
        perturbation: what to do with each image.
        out: the new folder.
        seed: start of all chance. Each image has its own from (seed, name): the order and the number of images change nothing.
        slices: make each plane of a volume an image of its own, perturbed by itself; else volumes stay volumes, and omission
            and inclusion act on whole cells.
        picture: a PNG of the image with most changes.
        overwrite: replace an earlier dataset and picture.
        progress: hears how far it is, and what was done.

    Raises:
        ConfigError: the perturbation does not fit the dataset.
        InputError: an image cannot be read.
        OutputError: out or the picture exists, out holds the dataset, or either cannot be written; then nothing is.
    """
    data = data if isinstance(data, Dataset) else open_dataset(data)
    require_spared(data.path, Path(out))
    check_perturbation(data, perturbation)
    image_rng(seed, "")
    _check_picture(picture, overwrite)
    work = _Work(data=data, perturbation=perturbation, seed=seed, slices=slices, progress=progress or Silent())
    # which planes there are is known when they have been read: the writer looks at the splits last
    path = write_dataset(Path(out), work.images(), facts=work.facts(), splits=work.splits, overwrite=overwrite)
    work.progress.say(work.counted.line())
    if picture is not None and work.most is not None:
        _draw(data, path, work.most, Path(picture), work.target)
    return path


def check_perturbation(data: Dataset, perturbation: Perturbation) -> None:
    """Refuse a perturbation that does not fit the classes of a dataset.

    Raises:
        ConfigError: it names an unknown class, or includes objects of other classes where there is only one.
    """
    check_targets(perturbation, data.classes)
    if len(data.classes) == 1 and any(isinstance(part, Inclusion) and part.rate > 0 for part in flat(perturbation)):
        raise ConfigError(
            f"inclusion takes objects of other classes for the target; {data.facts.name} has {data.classes[0]} only. Leave inclusion out."
        )


@dataclass(slots=True, kw_only=True)
class _Work:
    """Images on their way, one in memory, and what was counted of them."""

    data: Dataset
    perturbation: Perturbation
    seed: int
    slices: bool
    progress: Progress
    counted: Changes = field(default_factory=Changes)
    splits: dict[str, tuple[str, str]] = field(default_factory=dict)
    """(split, group) of the images that have come by; planes of a volume form a group."""
    most: tuple[str, str] | None = None
    """Image with most changes, and the image or volume that it comes from."""
    best: int = -1

    @property
    def target(self) -> str | None:
        """The class whose annotation is perturbed; None = all, or several."""
        targets = self.perturbation.targets
        return targets[0] if len(targets) == 1 else None

    def images(self) -> Iterator[CellImage]:
        """The perturbed images in order."""
        for number, whole in enumerate(self.data, 1):
            for image in whole.slices() if self.slices else (whole,):
                worse = perturb(image, self.perturbation, image_rng(self.seed, image.name), known=self.data.classes)
                self._count(changes(image, worse, self.target), image.name, whole.name)
                yield worse
            self.progress.step("perturb", number, len(self.data))

    def _count(self, changed: Changes, name: str, origin: str) -> None:
        self.counted += changed
        if changed.all > self.best:
            self.best, self.most = changed.all, (name, origin)
        if origin in self.data.splits:
            split, group = self.data.splits[origin]
            self.splits[name] = split, group or (origin if name != origin else "")

    def facts(self) -> DatasetFacts:
        """What the new dataset says of itself: as the old one, and what was done."""
        done = f"perturbed by {', then '.join(map(repr, flat(self.perturbation)))}, seed {self.seed}"
        old = self.data.facts
        facts = replace(old, source="; ".join(part for part in (old.source, done) if part))
        if not (self.slices and facts.is_volume):
            return facts
        size = None if facts.pixel_size_um is None else facts.pixel_size_um[1:]
        return replace(facts, axes=facts.axes.replace("Z", ""), pixel_size_um=size)


def _check_picture(picture: Path | str | None, overwrite: bool) -> None:
    if picture is not None:
        require_free(Path(picture), overwrite=overwrite)
        if Path(picture).suffix.lower() != ".png" or Path(picture).is_dir():
            raise ConfigError(f"the picture is a PNG file, got {picture}. Choose a name such as changes.png.")


def _draw(data: Dataset, out: Path, most: tuple[str, str], picture: Path, target: str | None) -> None:
    """Draw the image `most` as it was and is; both are read again."""
    from cellseg.perturb.picture import draw_changes

    name, origin = most
    whole = data[origin]
    before = next(image for image in (whole, *whole.slices()) if image.name == name)
    draw_changes(picture, before, open_dataset(out)[name], target=target)
