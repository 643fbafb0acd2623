"""Labels of other programs become a dataset, one image at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cellseg.dataset import present, write_dataset
from cellseg.facts import FACTS_FILE
from cellseg.formats.archive import opened
from cellseg.formats.imported import Imported, ImportOptions
from cellseg.formats.registry import FORMATS
from cellseg.image import CellImage
from segcore.errors import ConfigError, InputError
from segcore.files import require_free, require_spared
from segcore.progress import Progress, Silent


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import made."""

    path: Path
    images: int
    objects: Mapping[str, int]
    """How many of each class."""
    notes: tuple[str, ...]
    """What was odd, a line each."""

    @property
    def line(self) -> str:
        """The counts in one line."""
        classes = ", ".join(f"{name} {count:,}" for name, count in self.objects.items())
        return f"{self.images:,} images, {sum(self.objects.values()):,} objects ({classes})"


def import_dataset(
    source: Path | str,
    out: Path | str,
    format: str,
    *,
    classes: Mapping[str, str] | None = None,
    pixel_size_um: float | None = None,
    axes: str | None = None,
    allow_missing: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Read the labelled images of a folder, file or ZIP archive and write them as a dataset.

    Args:
        source: what the format reads, or a ZIP file of it.
        out: folder of the dataset; it is there once all images are.
        format: a name of FORMATS.
        classes: class number or name in the source -> class in the dataset.
        pixel_size_um: edge of a pixel; by default what the images say.
        axes: CYX, ZYX or CZYX, for TIFF files that do not say their axes.
        allow_missing: leave out what lacks its image or its labels, instead of refusing it.
        overwrite: replace an earlier dataset.
        progress: hears of the images, and of the notes.

    Raises:
        ConfigError: an unknown format, or an option outside its range.
        InputError: the source cannot be used.
        MissingExtraError: the format needs a package that is not installed.
        OutputError: the folder exists, holds the source or is closed, or the disk is full.
    """
    if format not in FORMATS:
        raise ConfigError(f"a format is one of {', '.join(FORMATS)}; got {format!r}.")
    source, out, progress = Path(source), Path(out), progress or Silent()
    options = ImportOptions(classes=classes, pixel_size_um=pixel_size_um, axes=axes, allow_missing=allow_missing)
    if not source.exists():
        raise InputError(f"a source is a folder, a file or a ZIP archive; {source} is not there.")
    require_spared(source, out)
    require_free(out, overwrite=overwrite, replaces=FACTS_FILE)
    with opened(source) as folder:
        found = FORMATS[format](folder, options)
        objects = Counter(dict.fromkeys(found.facts.classes, 0))
        write_dataset(out, _counted(found, objects, progress), facts=found.facts, splits=found.splits, overwrite=overwrite)
    for note in found.notes:
        progress.say(note)
    return ImportReport(path=out, images=found.count, objects=dict(objects), notes=tuple(found.notes))


def _counted(found: Imported, objects: Counter[str], progress: Progress) -> Iterator[CellImage]:
    for done, image in enumerate(found.images, 1):
        objects.update(image.class_of(own) for own in present(image.instances))
        yield image
        progress.step("import", done, found.count)
