"""A dataset whose images are OME-Zarr folders that hold their labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cellseg.facts import FACTS_FILE, DatasetFacts
from cellseg.image import CellImage
from cellseg.tables import INSTANCES_FILE, SPLITS_FILE, write_instances, write_splits
from segcore.files import fresh_dir, write_json
from segcore.windows import Window


def write_zarr_dataset(
    path: Path, images: Iterable[CellImage], *, facts: DatasetFacts, splits: Mapping[str, tuple[str, str]], overwrite: bool = False
) -> Path:
    """Write images of a known name and class as images/NAME.zarr, one at a time; the folder is there once all are written.

    Args:
        path: the folder.
        images: of the axes and classes that facts say.
        facts: what dataset.json says.
        splits: {name: (split, group)}.
        overwrite: replace an earlier dataset.

    Raises:
        OutputError: the folder exists or is closed, or the disk is full.
        MissingExtraError: zarr is not installed.
    """
    with fresh_dir(path, overwrite=overwrite, replaces=FACTS_FILE) as scratch:
        (scratch / "images").mkdir()
        (scratch / "labels").mkdir()
        rows = _write_all(scratch / "images", images)
        if len(facts.classes) > 1:
            write_instances(scratch / INSTANCES_FILE, rows)
        else:
            for _ in rows:
                pass
        write_splits(scratch / SPLITS_FILE, splits)
        write_json(scratch / FACTS_FILE, facts.as_json())
    return path


def _write_all(folder: Path, images: Iterable[CellImage]) -> Iterator[tuple[str, int, str]]:
    """Write the images; yields (image, instance, class)."""
    for image in images:
        _write(folder / f"{image.name}.zarr", image)
        yield from ((image.name, int(own), image.class_of(own)) for own in sorted(image.classes))


def _write(path: Path, image: CellImage) -> None:
    from segcore.io.zarr import create_zarr

    height, width = image.instances.shape[-2:]
    whole = Window(0, 0, height, width)
    with create_zarr(path, image.pixels.shape, image.pixels.dtype, label="nuclei", pixel_size_um=image.pixel_size_um) as sink:
        for z, instances in enumerate(image.instances.reshape(-1, height, width)):
            pixels = image.pixels if image.instances.ndim == 2 else image.pixels[:, z]
            sink.write(whole, pixels, z=z)
            sink.write_labels(whole, instances, z=z)
