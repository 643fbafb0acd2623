"""Objects of many images, found by a segmenter and written as a dataset of labels."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.dataset import Dataset, blank
from cellseg.facts import FACTS_FILE, MODEL_FILE, DatasetFacts
from cellseg.formats.qupath import write_qupath
from cellseg.image import CellImage, Instances
from cellseg.image_files import ImageFile, ImageFiles, find_images
from cellseg.instances import label_slabs
from cellseg.instances import split_touching as cut_clumps
from cellseg.predict import Segmenter, load_segmenter, require_channels, require_pixel_type, require_threshold
from cellseg.store import encode_labels
from cellseg.tables import SPLITS_FILE, write_splits
from segcore.errors import ConfigError, OutputError
from segcore.files import fresh_dir, require_free, write_json
from segcore.io.memory import MemoryImage
from segcore.progress import Progress, Silent, spoken
from segcore.windows import Window, block_grid

IN_MEMORY = 1 << 28
"""Pixels; labels of larger images lie in a file while they are made."""
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
        overwrite: replace earlier predictions; any other folder, such as a dataset with images, is refused.
        progress: hears of the cost, then of each image.

    Raises:
        BundleError: the model is none, or damaged.
        ConfigError: an unknown format, a threshold outside 0..1, QuPath asked for volumes.
        InputError: an image cannot be used, or has other channels or another range of values than the model learnt from.
        OutputError: out exists, overlaps the images, or cannot be written.
    """
    folder, heard = Path(out), progress or Silent()
    if format not in WRITERS:
        raise ConfigError(f"predictions are written as {', '.join(WRITERS)}; got {format!r}.")
    require_threshold(threshold)
    _require_apart(folder, images.path if isinstance(images, Dataset) else Path(images))
    require_free(folder, overwrite=overwrite, replaces=MODEL_FILE)
    segmenter = model if isinstance(model, Segmenter) else load_segmenter(model, device=device)
    found = find_images(images)
    if format == "qupath" and found.is_volume:
        raise ConfigError(f"QuPath's outlines lie in a plane; {found.path} holds volumes. Use --format tiff or zarr.")
    for own in found.files:
        require_channels(segmenter, own.shape[0], own.name)
        require_pixel_type(segmenter, own.pixel_type, own.name)
    notes = [text for text in (_unlike_size(segmenter, found), _unlike_type(segmenter, found), _learnt(segmenter, found)) if text]
    notes += found.notes
    _say(segmenter, found, notes, heard)
    made = {"model": segmenter.path.name, "sha256": segmenter.digest, "threshold": threshold, "split_touching": split_touching}
    objects: dict[str, int] = {}
    total = sum(own.shape[1] * len({window.row for window in segmenter.windows(own.shape[2:])}) for own in found.files)
    done = count(1)
    with fresh_dir(folder, overwrite=overwrite, replaces=MODEL_FILE) as scratch:
        (scratch / "labels").mkdir()
        for own in found.files:
            with _room(own.shape[1:] if own.is_volume else own.shape[2:], np.int32, scratch) as labels:
                masks = _masks(segmenter, own, threshold, lambda: heard.step("rows of windows", next(done), total))
                objects[own.name] = label_slabs(masks, labels)
                if split_touching:
                    edges = own.pixel_size_um if own.is_volume else None
                    objects[own.name] = cut_clumps(labels, edges=edges, say=partial(_say_of, own.name, heard))
                WRITERS[format](scratch, own, labels, segmenter.target)
        if found.splits:
            write_splits(scratch / SPLITS_FILE, found.splits)
        write_json(scratch / MODEL_FILE, made | {"notes": notes, "objects": objects})
        write_json(scratch / FACTS_FILE, _facts(segmenter, found).as_json())
    return folder


def _require_apart(out: Path, images: Path) -> None:
    mine, theirs = out.resolve(), images.resolve()
    if mine.is_relative_to(theirs) or theirs.is_relative_to(mine):
        raise OutputError(f"predictions lie apart from the images; {out} is, holds or lies in {images}. Choose another -o.")


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
def _room(shape: tuple[int, ...], dtype: type[np.integer[Any]], scratch: Path) -> Iterator[NDArray[Any]]:
    """An array of zeros, in a file in scratch where it is large."""
    pixels = int(np.prod(shape, dtype=np.int64))
    if pixels <= IN_MEMORY:
        yield np.zeros(shape, dtype=dtype)
        return
    needed, free = pixels * np.dtype(dtype).itemsize, shutil.disk_usage(scratch).free
    if needed > free:  # or the system would end us in the middle of a page
        have = f"{needed / 2**30:.1f} GB while they are made; the disk of {scratch.parent} has {free / 2**30:.1f}"
        raise OutputError(f"labels of an image need {have}. Free space or choose another -o.")
    with TemporaryDirectory(dir=scratch, prefix=".labels-") as folder:
        yield np.memmap(Path(folder) / "labels", dtype=dtype, mode="w+", shape=shape)


def _write_tiff(folder: Path, image: ImageFile, labels: Instances, _: str) -> None:
    from segcore.io.tiff import write_tiff

    axes = "ZYX" if image.is_volume else "YX"
    with _room(labels.shape, np.uint16, folder) as room:
        stored = encode_labels(labels, out=room)
        write_tiff(folder / "labels" / f"{image.name}.tif", stored, axes, pixel_size_um=image.pixel_size_um)


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


def _say(segmenter: Segmenter, found: ImageFiles, notes: list[str], progress: Progress) -> None:
    """What it will cost, by one timed window; and what may go wrong."""
    first = found.files[0]
    windows = sum(own.shape[1] * len(segmenter.windows(own.shape[2:])) for own in found.files)
    corner = Window(0, 0, *(min(edge, segmenter.window) for edge in first.shape[2:]))
    trial = MemoryImage(first.plane(0).read(corner), name=first.name)
    start = time.monotonic()
    for _ in segmenter.strips(trial):
        pass
    seconds = (time.monotonic() - start) * windows
    images = "1 image" if len(found.files) == 1 else f"{len(found.files)} images"
    progress.say(f"{images}, {windows} windows of {segmenter.window} px: about {spoken(seconds)}")
    if found.is_volume:
        progress.say("volumes are segmented plane by plane; cells connect through the planes")
    for text in notes:
        progress.say(text)


def _say_of(name: str, progress: Progress, line: str) -> None:
    progress.say(f"{name}: {line}")


def _unlike_size(segmenter: Segmenter, found: ImageFiles) -> str:
    known = segmenter.pixel_size_um
    for own in found.files if known else ():
        ratio = own.pixel_size_um[-1] / known[-1] if own.pixel_size_um and known else 1.0
        if not 1 / _UNLIKE <= ratio <= _UNLIKE:
            return f"{own.name} has pixels {ratio:.2g} times as large as those that the model learnt from: resample it for good results"
    return ""


def _learnt(segmenter: Segmenter, found: ImageFiles) -> str:
    split = segmenter.facts.get("split")
    lists = [split.get(part) for part in ("train", "validation")] if isinstance(split, dict) else []
    known = [name for names in lists if isinstance(names, list) for name in names]  # what a stranger's bundle says may be anything
    same = [own.name for own in found.files if own.name in known]
    if not same:
        return ""
    return (
        f"{len(same)} of {len(found.files)} images are named like ones that the model learnt from, such as {same[0]}: "
        "if they are the same, scores on them are too good"
    )


def _unlike_type(segmenter: Segmenter, found: ImageFiles) -> str:
    known = segmenter.facts.get("pixel_type")
    other = next((own for own in found.files if known and own.pixel_type != known), None)
    return f"{other.name} is {other.pixel_type}, the model learnt from {known}: the same range of values is needed" if other else ""
