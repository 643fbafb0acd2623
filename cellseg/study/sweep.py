"""The sweep: runs that are not in the table yet are made, by several processes, and each is in the table once it is done."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from traceback import clear_frames
from typing import Any, Literal, cast

from cellseg.dataset import Dataset, open_dataset
from cellseg.study.forecast import forecast
from cellseg.study.learners import Learner, defaults, learn
from cellseg.study.lock import LOCK_FILE, locked
from cellseg.study.parts import fingerprint, parts
from cellseg.study.plan import CLEAN, Key, StudyPlan, digest_of
from cellseg.study.row import Job
from cellseg.study.table import TABLE_FILE, Row, read_table, write_table
from segcore.errors import ConfigError, InputError, OutputError, RunError, SegError
from segcore.files import read_json, require_free, write_json
from segcore.progress import Progress, Silent
from segcore.provenance import collect

STUDY_FILE = "study.json"
_WORK = ".work"
_Outcome = tuple[Key, Row | Exception]
"""A run and what came of it."""


def run_study(
    data: Dataset | Path | str,
    out: Path | str,
    plan: StudyPlan,
    *,
    workers: int = 1,
    resume: bool = False,
    seconds: float | None = None,
    learner: Learner = learn,
    ended: Callable[[list[Row]], object] | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Make the rows of a plan that are not there yet; the table is the same for any number of workers and interruptions.

    Args:
        data: 2-D images of a split train and a split test, and of one for validation if there is; else some are held back.
        out: folder of the study: study.json and runs.csv, written anew after each run.
        plan: what is run.
        workers: processes. Each is started afresh, so a script that calls this needs `if __name__ == "__main__":`.
        resume: go on with a study that is there, or begin one. More levels, runs and methods may be asked for than before.
        seconds: begin no run that is not expected to end within so many; what is missing is for a later call.
        learner: what learns.
        ended: is given the rows that are returned; where runs failed, those that are there, before the failure is raised.
        progress: hears of the number of runs, then of each.

    Returns:
        The rows of the plan that are there, in its order.

    Raises:
        ConfigError: the plan does not fit the dataset, or the study that is there has other settings.
        OutputError: out exists and resume is off, cannot be written, or another process works in it.
        InputError: a file cannot be used.
        RunError: a process was killed from outside, or training failed. Where runs fail, the others are made first.
    """
    start = time.monotonic()
    data = data if isinstance(data, Dataset) else open_dataset(data)
    heard, out = progress or Silent(), Path(out)
    if workers < 1:
        raise ConfigError(f"workers is a whole number from 1, got {workers}.")
    plan = _on_device(plan)
    train, test = parts(data, plan)
    if not resume:
        if (out / STUDY_FILE).exists():
            raise OutputError(f"{out} holds a study already. Go on with it by --resume, or choose another -o.")
        require_free(out)
    with locked(out):
        ledger = _open(out, plan, fingerprint(data))
        jobs = _jobs(data, train, test, ledger, learner)
        done, left = len(ledger.order) - len(jobs), len(data) - len(train) - len(test)
        if resume and not ledger.rows:
            heard.say(f"there is no run in {out} to go on with: the study begins")
        heard.say(f"{len(ledger.order)} runs, {done} of them done; {len(train)} images to learn from, {len(test)} to test")
        if left:
            heard.say(f"{left} images of other splits than train, validation and test are left out")
        try:
            if learner is learn and (words := forecast(data, plan, jobs, min(workers, len(jobs)))):
                heard.say(words)
            heard.step("runs", done, len(ledger.order))
            _fill(ledger, jobs, workers, _Clock(rows=ledger.rows, seconds=seconds, start=start), heard)
        except SegError:
            if ended and ledger.rows:
                ended(ledger.wanted())
            raise
        finally:
            shutil.rmtree(out / _WORK, ignore_errors=True)
            if not ledger.rows:
                (out / STUDY_FILE).unlink(missing_ok=True)  # nothing is bound to these settings
        if ended:
            ended(ledger.wanted())
    return ledger.wanted()


def _on_device(plan: StudyPlan) -> StudyPlan:
    """The plan with the device that auto means here: rows of a GPU and of a processor are not mixed."""
    from segcore.device import choose_device

    device = cast("Literal['cpu', 'cuda']", choose_device(plan.learning.device))
    return replace(plan, learning=replace(plan.learning, device=device))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ledger:
    """The folder of a study while it grows."""

    out: Path
    plan: StudyPlan
    settings: str
    order: tuple[Key, ...]
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        write_table(self.out / TABLE_FILE, self.rows, self.order)

    def wanted(self) -> list[Row]:
        """The rows of the plan that are there, in its order."""
        there = {row.key: row for row in self.rows}
        return [there[key] for key in self.order if key in there]


def _open(out: Path, plan: StudyPlan, data: str) -> _Ledger:
    """The study that is there, or a new one; one without a row may have any settings."""
    for name in (Path(STUDY_FILE), Path(TABLE_FILE)):
        for stray in out.glob(f".{name.stem}.????????{name.suffix}"):
            stray.unlink()  # half a file of a process that was killed
    made = collect({}, {"data": data})
    settings = {**plan.settings(data), "defaults": defaults(), "version": made["version"]}
    digest = digest_of(settings)
    filled = any(path.name != LOCK_FILE for path in out.iterdir())
    if filled and not (out / STUDY_FILE).exists():
        raise InputError(f"a study goes on in its own folder; {out} holds other files and no {STUDY_FILE}. Choose another -o.")
    found = read_json(out / STUDY_FILE).get("settings") if filled else None
    rows = read_table(out / TABLE_FILE)
    if rows:
        _require_same(found if isinstance(found, dict) else {}, settings, out)
    strange = [row for row in rows if row.settings != digest]
    if strange:
        raise ConfigError(
            f"the rows of a study have one set of settings, {digest}; {out / TABLE_FILE} has one of {strange[0].settings!r:.40} "
            f"({strange[0].key.words}). Remove such rows, or begin in another folder."
        )
    shutil.rmtree(out / _WORK, ignore_errors=True)
    points = {**asdict(plan), "learning": None}
    write_json(out / STUDY_FILE, {"settings": settings, "digest": digest, "plan": points, **made})
    return _Ledger(out=out, plan=plan, settings=digest, order=tuple(plan.keys()), rows=rows)


def _require_same(found: dict[str, Any], wanted: dict[str, Any], out: Path) -> None:
    """Refuse to go on with other settings; the first that differs is named."""
    flat_found, flat_wanted = (
        {**{k: v for k, v in own.items() if k != "learning"}, **dict(own.get("learning") or {})} for own in (found, wanted)
    )
    for name, value in flat_wanted.items():
        if name not in flat_found or flat_found[name] != value:
            what = f"other ones: {name} {flat_found.get(name)!r:.40} there, {value!r:.40} now"
            what = "other images, labels or splits than this dataset" if name == "data" else what
            raise ConfigError(f"a study goes on with the settings it began with; {out} has {what}. Begin in another folder.")


def _jobs(data: Dataset, train: Sequence[str], test: Sequence[str], ledger: _Ledger, learner: Learner) -> list[Job]:
    done = {row.key for row in ledger.rows}
    commit = str(collect({}, {})["commit"] or "")[:12]
    common: dict[str, Any] = {"plan": ledger.plan, "data": data.path, "train": tuple(train), "test": tuple(test)}
    common |= {"work": ledger.out / _WORK, "learner": learner, "commit": commit, "settings": ledger.settings}
    return [Job(key=key, **common) for key in ledger.order if key not in done]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """Whether there is time for another run."""

    rows: list[Row]
    """All that are there; they grow while the clock runs."""
    seconds: float | None
    start: float
    """Of the call."""

    def fits(self, job: Job) -> bool:
        """A run is taken to last as long as the longest of its method, or of all where its method has none."""
        if self.seconds is None:
            return True
        own = [row.seconds for row in self.rows if row.net == job.key.net] or [row.seconds for row in self.rows]
        return time.monotonic() - self.start + max(own, default=0.0) <= self.seconds


def _fill(ledger: _Ledger, jobs: Sequence[Job], workers: int, clock: _Clock, heard: Progress) -> None:
    """Make the rows; a run that fails takes no other with it, and is said at the end.

    Raises:
        SegError: of the class of the first failure. Where settings or data are refused with clean labels, no further run is begun.
    """
    failed, hopeless = list[tuple[Key, Exception]](), False

    def fits(job: Job) -> bool:
        return not hopeless and clock.fits(job)

    with closing(_serial(jobs, fits) if workers == 1 else _spread(jobs, workers, fits)) as outcomes:
        for key, made in outcomes:
            if isinstance(made, Row):
                ledger.add(made)
                heard.say(f"{key.words}: Dice {made.dice:.3f}, {made.seconds:.0f} s")
                heard.step("runs", len(ledger.wanted()), len(ledger.order))
                continue
            failed.append((key, made))
            heard.say(f"{key.words} failed: {_line(made)}")
            hopeless |= key.perturbation == CLEAN and not ledger.rows and isinstance(made, ConfigError | InputError)
    if failed:
        key, first = failed[0]
        kind = type(first) if isinstance(first, SegError) else RunError
        count = "1 run failed" if len(failed) == 1 else f"{len(failed)} runs failed, first"
        rest = " What is done is kept; --resume makes the others." if ledger.rows else ""
        raise kind(f"{_line(first)} {count}: {key.words}.{rest}") from first


def _line(error: Exception) -> str:
    """An error in one line; one that is not ours with its class."""
    text = " ".join(str(error).split())
    return text if isinstance(error, SegError) else f"{type(error).__name__}: {text}."


def _serial(jobs: Sequence[Job], fits: Callable[[Job], bool]) -> Generator[_Outcome]:
    for job in filter(fits, jobs):
        try:
            made: Row | Exception = job.make()
        except Exception as error:
            clear_frames(error.__traceback__)  # what a failed run held may fill a GPU
            made = error
        yield job.key, made


def _spread(jobs: Sequence[Job], workers: int, fits: Callable[[Job], bool]) -> Generator[_Outcome]:
    """Outcomes as they come, by processes; as many are under way as there are workers, and none waits."""
    rest, running, killed = list(jobs), dict[Future[Row], Job](), False
    pool = ProcessPoolExecutor(max(1, min(workers, len(jobs))), mp_context=get_context("spawn"), initializer=_follow_parent)
    try:
        while True:
            while not killed and len(running) < workers and (job := next(filter(fits, rest), None)) is not None:
                rest.remove(job)
                running[pool.submit(job.make)] = job
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, error = running.pop(future), future.exception()
                if isinstance(error, BrokenProcessPool):
                    killed = True  # what others have done by now still comes
                elif error is None or isinstance(error, Exception):
                    yield job.key, error or future.result()
                else:
                    raise error
    except BrokenProcessPool:
        killed = True
    finally:
        pool.shutdown(cancel_futures=True)
    if killed:
        raise RunError(
            "a process of the study ended early: for want of memory, or because the script that started it does so outside of "
            "if __name__ == '__main__'. Take fewer workers and go on with --resume."
        )


def _follow_parent() -> None:
    """In a worker: end when the process that started it has ended, however that was."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=watch, daemon=True).start()
