"""Whether the networks of a study can learn from its images, and how long that takes, before the first run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cellseg.dataset import Dataset
from cellseg.study.learners import Lesson, settings_of
from cellseg.study.plan import CLEAN, Key, StudyPlan
from cellseg.study.row import Job
from segcore.progress import spoken


def forecast(data: Dataset, plan: StudyPlan, jobs: Sequence[Job], workers: int) -> str:
    """What the trainings among the jobs will cost at most, in words; "" where there is none. A few steps on empty patches tell.

    Raises:
        ConfigError: a patch larger than an image, or a network that cannot learn from it.
        InputError: images of several kinds, labels all unknown, or too few images with the target.
    """
    nets = [net for net in plan.nets if any(job.key.net == net for job in jobs)]
    if not nets:
        return ""
    seconds = _trainings(data.only(jobs[0].train), plan, nets)
    total = sum(seconds.get(job.key.net, 0.0) for job in jobs) / workers
    each = ", ".join(f"{net} {spoken(seconds[net])}" for net in nets)
    return f"a training takes at most, restarts apart: {each}; all that are left about {spoken(total)}"


def _trainings(data: Dataset, plan: StudyPlan, nets: Sequence[str]) -> dict[str, float]:
    """Seconds of one training of each network with clean labels."""
    from cellseg.training.segmenter import expected, prepare
    from segcore.threads import torch_threads

    found, prepared = dict[str, float](), None
    for net in nets:
        key = Key(net=net, perturbation=CLEAN, level=0.0, run=0)
        seeds = {"seed": plan.training_seed(key), "split_seed": plan.split_seed(0)}
        training, loop = settings_of(
            Lesson(net=net, data=data, labels=data, target=plan.target, learning=plan.learning, folder=Path(), **seeds)
        )
        prepared = prepared or prepare(data, training)
        with torch_threads(plan.learning.threads):
            found[net] = expected(prepared, training, loop)[1]
    return found
