"""Datasets of simulated volumes or slices, made by several processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np

from cellseg.dataset import write_dataset
from cellseg.facts import FACTS_FILE, DatasetFacts
from cellseg.image import CellImage
from cellseg.simulate.layout import Shape
from cellseg.simulate.optics import Optics
from cellseg.simulate.population import populations
from cellseg.simulate.volume import SHAPE, Specimen, simulate, simulate_slices
from cellseg.simulate.zarrs import write_zarr_dataset
from cellseg.slices import equidistant_slices
from segcore.errors import ConfigError, RunError
from segcore.files import require_free
from segcore.progress import Progress, Silent

Format = Literal["tiff", "zarr"]

TEST_SHARE = 0.2
"""Of the volumes, where there are several: the last ones are the split test, the others train."""
_LAYING, _EXPOSING, _WRITING = 4e-8, 1.1e-7, 1e-7
"""Seconds a voxel on one core: putting cells into a volume, making its pixels, writing them."""
_BYTES_OF_SLICES, _BYTES, _START = 5, 16, 0.25
"""Memory: bytes a voxel of a volume of which slices or all is made (or received), and gigabytes of a process before that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One volume, and which of its planes are wanted as images; None = the volume itself."""

    specimen: Specimen
    planes: tuple[int, ...] | None

    def make(self, progress: Progress | None = None) -> list[CellImage]:
        own = self.specimen
        if self.planes is not None:
            return list(simulate_slices(own, self.planes))
        return [simulate(own.kind, shape=own.shape, seed=own.seed, volume=own.volume, optics=own.optics, progress=progress)]


def simulate_dataset(
    path: Path | str,
    kind: str,
    volumes: int = 1,
    *,
    slices: int | None = None,
    shape: Shape = SHAPE,
    seed: int = 0,
    optics: Optics | None = None,
    workers: int = 1,
    format: Format = "tiff",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a dataset of simulated volumes, or of slices of them; the same for any number of workers.

    Args:
        path: the folder.
        kind: as in simulate.
        volumes: how many are made; number 0, 1, ... of the seed.
        slices: so many 2-D images in all, spread evenly over the volumes as equidistant_slices does (section k comes from
            volume k mod volumes), in place of volumes. Only what they show is computed; they equal the volumes' own slices.
        shape: (D, H, W) of a volume.
        seed: >= 0.
        optics: the microscope.
        workers: processes. Each is started afresh, so a script that calls this needs `if __name__ == "__main__":`.
        format: tiff, or zarr (OME-Zarr that holds its labels).
        overwrite: replace an earlier dataset.
        progress: hears of the cost, then of each volume (and each plane where one process makes volumes).

    Returns:
        The folder. Its splits are train and, where there are several volumes, test (the last fifth); the group of an image
        is its volume.

    Raises:
        ConfigError: numbers or names outside their range; a shape without room for one cell.
        OutputError: the folder exists or is closed, or the disk is full.
        MissingExtraError: zarr is needed and not installed.
        RunError: a process was killed from outside.
    """
    progress, folder = progress or Silent(), Path(path)
    _require_counts(volumes, workers, format)
    specimens = [Specimen(kind=kind, shape=shape, seed=seed, volume=number, optics=optics or Optics()) for number in range(volumes)]
    jobs = _jobs(specimens, slices)
    require_free(folder, overwrite=overwrite, replaces=FACTS_FILE)
    workers = min(workers, len(jobs))
    progress.say(_cost(jobs, workers))
    facts = _facts(specimens[0], slices)
    write = write_dataset if format == "tiff" else write_zarr_dataset
    return write(folder, _make(jobs, workers, progress), facts=facts, splits=_splits(jobs), overwrite=overwrite)


def _require_counts(volumes: int, workers: int, format: str) -> None:
    for name, value in (("volumes", volumes), ("workers", workers)):
        if value < 1:
            raise ConfigError(f"{name} is a whole number >= 1, got {value}.")
    if format not in ("tiff", "zarr"):
        raise ConfigError(f"the format is tiff or zarr, got {format!r}.")


def _jobs(specimens: list[Specimen], slices: int | None) -> list[_Job]:
    if slices is None:
        return [_Job(specimen=specimen, planes=None) for specimen in specimens]
    planes: dict[int, list[int]] = {}
    for volume, plane in equidistant_slices([specimen.shape[0] for specimen in specimens], slices):
        planes.setdefault(volume, []).append(plane)
    return [_Job(specimen=specimens[volume], planes=tuple(sorted(own))) for volume, own in sorted(planes.items())]


def _facts(specimen: Specimen, slices: int | None) -> DatasetFacts:
    size = specimen.optics.pixel_um
    return DatasetFacts(
        name=f"simulated {specimen.kind}",
        axes="ZYX" if slices is None else "YX",
        pixel_size_um=size if slices is None else size[1:],
        classes=tuple(population.name for population in populations(specimen.kind)),
        licence="CC0-1.0",
        source=f"geocellseg simulation of {specimen.kind}, seed {specimen.seed}",
    )


def _splits(jobs: list[_Job]) -> Mapping[str, tuple[str, str]]:
    """(split, volume) of each image."""
    first_test = len(jobs) - (max(1, round(TEST_SHARE * len(jobs))) if len(jobs) > 1 else 0)
    found = {}
    for number, job in enumerate(jobs):
        split, group = "train" if number < first_test else "test", job.specimen.name
        names = [group] if job.planes is None else [f"{group}_{plane:03d}" for plane in job.planes]
        found.update(dict.fromkeys(names, (split, group)))
    return found


def _make(jobs: list[_Job], workers: int, progress: Progress) -> Iterator[CellImage]:
    """The images in order."""
    done: Iterable[list[CellImage]]
    done = (job.make(progress) for job in jobs) if workers == 1 else _spread(jobs, workers)
    progress.step("volumes", 0, len(jobs))
    for number, images in enumerate(done, 1):
        progress.step("volumes", number, len(jobs))
        yield from images


def _spread(jobs: list[_Job], workers: int) -> Iterator[list[CellImage]]:
    """The jobs' images in order, by processes; at most one job a worker is under way or waits."""
    rest, waiting = iter(jobs), deque[Future[list[CellImage]]]()
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        waiting.extend(pool.submit(job.make) for job in islice(rest, workers))
        while waiting:
            images = waiting.popleft().result()
            waiting.extend(pool.submit(job.make) for job in islice(rest, 1))
            yield images
            del images
    except BrokenProcessPool:
        raise RunError(
            "a process that made a volume ended early: for want of memory, or because the script that started it does so outside of "
            "if __name__ == '__main__'. Take fewer workers, or one."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _cost(jobs: list[_Job], workers: int) -> str:
    shape = jobs[0].specimen.shape
    voxels, plane = float(np.prod(shape)), float(np.prod(shape[1:]))
    images = sum(1 if job.planes is None else len(job.planes) for job in jobs)
    exposed = voxels * len(jobs) if jobs[0].planes is None else plane * images
    seconds = (_LAYING * voxels * len(jobs) + _EXPOSING * exposed) / workers + _WRITING * exposed
    processes = workers if workers == 1 or jobs[0].planes is not None else workers + 1
    memory = processes * (_START + (_BYTES if jobs[0].planes is None else _BYTES_OF_SLICES) * voxels / 1e9)
    what = f"{len(jobs)} volumes" if jobs[0].planes is None else f"{images} slices of {len(jobs)} volumes"
    return (
        f"{what} of {' x '.join(map(str, shape))} voxels: about {max(seconds / 60, 0.1):.1f} min on {workers} cores, "
        f"{memory:.1f} GB of memory, {4 * exposed / 1e9:.2g} GB on disk before compression"
    )
