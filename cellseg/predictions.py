"""Objects of many images, found by a segmenter and written as a dataset of labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cellseg.dataset import Dataset, blank
from cellseg.facts import FACTS_FILE, DatasetFacts
from cellseg.formats.qupath import write_qupath
from cellseg.image import CellImage, Instances
from cellseg.image_files import ImageFile, ImageFiles, find_images
from cellseg.instances import label_slabs
from cellseg.instances import split_touching as cut_clumps
from cellseg.predict import Segmenter, load_segmenter, require_channels, require_threshold
from cellseg.store import encode_labels
from cellseg.tables import SPLITS_FILE, write_splits
from segcore.errors import ConfigError
from segcore.files import fresh_dir, require_free, write_json
from segcore.progress import Progress, Silent
from segcore.windows import Window, block_grid

IN_MEMORY = 1 << 28
"""Pixels; labels of larger images lie in a file while they are made."""
MODEL_FILE = "model.json"
"""Which model made the labels, and how."""
_UNLIKE = 1.1
"""Pixel sizes further apart than this factor are said."""
_BLOCK = 4096

Write = Callable[[Path, ImageFile, Instances, str], None]


def predict_dataset(
    images: Dataset | Path | str,
    model: Segmenter | Path | str,
    out: Path | str,
    *,
    format: str = "tiff",
    threshold: float = 0.5,
    split_touching: bool = False,
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Find the objects of each image and write them as a dataset of labels without images, which evaluate reads.

    Images of any size are read, computed and, as zarr, written by windows. Volumes are computed plane by plane; their cells
    connect through the planes.

    Args:
        images: a dataset, a folder of images, or one image.
        model: what load_segmenter gave, or its folder.
        out: the folder: labels/NAME.tif or .zarr, dataset.json, model.json; with qupath also qupath/NAME.geojson.
        format: tiff, zarr (OME-Zarr) or qupath (TIFF, and GeoJSON for QuPath).
        threshold: least probability of a pixel of an object, 0..1.
        split_touching: cut clumps at their necks, by watershed of the distance to the rim.
        device: auto, cpu or cuda; where a folder is given.
        overwrite: replace an earlier dataset.
        progress: hears of the cost, then of each image.

    Raises:
        BundleError: the model is none, or damaged.
        ConfigError: an unknown format, a threshold outside 0..1, QuPath asked for volumes.
        InputError: an image cannot be used or has other channels than the model.
        OutputError: out exists or cannot be written.
    """
    folder, heard = Path(out), progress or Silent()
    if format not in WRITERS:
        raise ConfigError(f"predictions are written as {', '.join(WRITERS)}; got {format!r}.")
    require_threshold(threshold)
    require_free(folder, overwrite=overwrite, replaces=FACTS_FILE)
    segmenter = model if isinstance(model, Segmenter) else load_segmenter(model, device=device)
    found = find_images(images)
    if format == "qupath" and found.is_volume:
        raise ConfigError(f"QuPath's outlines lie in a plane; {found.path} holds volumes. Use --format tiff or zarr.")
    for own in found.files:
        require_channels(segmenter, own.shape[0], own.name)
    _say(segmenter, found, heard)
    facts = _facts(segmenter, found)
    made = {"model": segmenter.path.name, "sha256": segmenter.digest, "threshold": threshold, "split_touching": split_touching}
    total = sum(own.shape[1] * len({window.row for window in segmenter.windows(own.shape[2:])}) for own in found.files)
    done = count(1)
    with fresh_dir(folder, overwrite=overwrite, replaces=FACTS_FILE) as scratch:
        (scratch / "labels").mkdir()
        for own in found.files:
            with _room(own, scratch) as labels:
                label_slabs(_masks(segmenter, own, threshold, lambda: heard.step("predict", next(done), total)), labels)
                if split_touching:
                    cut_clumps(labels, edges=own.pixel_size_um if own.is_volume else None)
                WRITERS[format](scratch, own, labels, segmenter.target)
        if found.splits:
            write_splits(scratch / SPLITS_FILE, found.splits)
        write_json(scratch / MODEL_FILE, made)
        write_json(scratch / FACTS_FILE, facts.as_json())
    return folder


def _masks(segmenter: Segmenter, image: ImageFile, threshold: float, heard: Callable[[], None]) -> Iterator[NDArray[np.bool_]]:
    """Where the target is: strips (h, W) of an image from above, or planes (1, H, W) of a volume; heard after each strip."""
    for z in range(image.shape[1]):
        plane = []
        for _, probability in segmenter.strips(image.plane(z)):
            heard()
            if not image.is_volume:
                yield probability >= threshold
            else:
                plane.append(probability >= threshold)
        if plane:
            yield np.concatenate(plane)[None]


@contextmanager
def _room(image: ImageFile, scratch: Path) -> Iterator[Instances]:
    """An array for the labels of an image, on disk where it is large."""
    shape = image.shape[1:] if image.is_volume else image.shape[2:]
    if int(np.prod(shape, dtype=np.int64)) <= IN_MEMORY:
        yield np.zeros(shape, dtype=np.int32)
        return
    with TemporaryDirectory(dir=scratch, prefix=".labels-") as folder:
        yield np.memmap(Path(folder) / "labels", dtype=np.int32, mode="w+", shape=shape)


def _write_tiff(folder: Path, image: ImageFile, labels: Instances, _: str) -> None:
    from segcore.io.tiff import write_tiff

    axes = "ZYX" if image.is_volume else "YX"
    write_tiff(folder / "labels" / f"{image.name}.tif", encode_labels(labels), axes, pixel_size_um=image.pixel_size_um)


def _write_zarr(folder: Path, image: ImageFile, labels: Instances, _: str) -> None:
    from segcore.io.zarr import create_zarr

    path = folder / "labels" / f"{image.name}.zarr"
    with create_zarr(path, (1, *labels.shape), np.int32, pixel_size_um=image.pixel_size_um) as sink:
        height, width = image.shape[2:]
        for z in range(image.shape[1]):
            for block in block_grid((height, width), _BLOCK):
                part = labels[z] if image.is_volume else labels
                sink.write(block, part[None, *block.slices], z=z)


def _write_both(folder: Path, image: ImageFile, labels: Instances, target: str) -> None:
    _write_tiff(folder, image, labels, target)
    (folder / "qupath").mkdir(exist_ok=True)
    classes = dict.fromkeys(range(1, int(labels.max(initial=0)) + 1), target)
    shown = CellImage(name=image.name, pixels=blank(labels.shape)[0], instances=labels, classes=classes)
    write_qupath(shown, folder / "qupath" / f"{image.name}.geojson")


WRITERS: Mapping[str, Write] = MappingProxyType({"tiff": _write_tiff, "zarr": _write_zarr, "qupath": _write_both})
"""Format -> who writes the labels of an image."""


def _facts(segmenter: Segmenter, found: ImageFiles) -> DatasetFacts:
    sizes = {own.pixel_size_um for own in found.files}
    return DatasetFacts(
        name="predictions",
        axes="ZYX" if found.is_volume else "YX",
        pixel_size_um=sizes.pop() if len(sizes) == 1 else None,
        classes=(segmenter.target,),
        source=f"found in {found.title} by the segmenter {segmenter.path.name}",
        labels_only=True,
    )


def _say(segmenter: Segmenter, found: ImageFiles, progress: Progress) -> None:
    """What it will cost, by one timed window; and what may go wrong."""
    windows = sum(own.shape[1] * len(segmenter.windows(own.shape[2:])) for own in found.files)
    corner = Window(0, 0, *(min(edge, segmenter.window) for edge in found.files[0].shape[2:]))
    trial = found.files[0].plane(0).read(corner)
    start = time.monotonic()
    segmenter.predict(trial)
    minutes = (time.monotonic() - start) * windows / 60
    progress.say(f"{len(found.files)} images, {windows} windows of {segmenter.window} px: about {minutes:.1f} min")
    if found.is_volume:
        progress.say("volumes are segmented plane by plane; cells connect through the planes")
    for text in (_unlike_size(segmenter, found), _unlike_type(segmenter, found)):
        if text:
            progress.say(text)


def _unlike_size(segmenter: Segmenter, found: ImageFiles) -> str:
    known = segmenter.pixel_size_um
    for own in found.files if known else ():
        ratio = own.pixel_size_um[-1] / known[-1] if own.pixel_size_um and known else 1.0
        if not 1 / _UNLIKE <= ratio <= _UNLIKE:
            return f"{own.name} has pixels {ratio:.2g} times as large as those that the model learnt from: resample it for good results"
    return ""


def _unlike_type(segmenter: Segmenter, found: ImageFiles) -> str:
    known = segmenter.facts.get("pixel_type")
    other = next((own for own in found.files if known and own.pixel_type != known), None)
    return f"{other.name} is {other.pixel_type}, the model learnt from {known}: the same range of values is needed" if other else ""
