"""What made the rows of the study of annotation errors, kept beside them: settings of the sweep, and how its dataset came about."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from error_sets import BUDGETS, TEST_EACH, plan_of

from cellseg.study.learners import defaults
from cellseg.study.plan import digest_of
from cellseg.study.sweep import STUDY_FILE
from segcore.files import read_json, write_json

Made = dict[str, Any]
"""settings, their digest, and data: the recipe of the dataset."""


def recipe(budget: str, name: str) -> dict[str, Any]:
    """How the script makes the dataset of a set today, as JSON has it."""
    size, own = BUDGETS[budget], BUDGETS[budget].sets[name]
    if own.kind == "consep":
        return {"kind": own.kind, "shrink": own.shrink, "test_each": TEST_EACH}
    return {"kind": own.kind, "volumes": size.volumes, "slices": size.slices, "shape": list(size.shape)}


def made_by(folder: Path, budget: str, name: str) -> Made:
    """What stands in the folder of a study."""
    found = read_json(folder / STUDY_FILE)
    return {"settings": found["settings"], "digest": found["digest"], "data": recipe(budget, name)}


def read_made(path: Path) -> dict[str, Made]:
    """What made the rows of each "budget set"."""
    return read_json(path) if path.exists() else {}


def write_made(path: Path, new: dict[str, Made]) -> None:
    """Keep these beside those of other sets."""
    write_json(path, dict(sorted({**read_made(path), **new}.items())))


def require_made(made: Made | None, settings: str, what: str) -> Made:
    """Refuse rows whose settings nobody knows.

    Raises:
        ValueError: the digest of the rows is not that of what is kept, or not that of its settings.
    """
    if made is None or made["digest"] != settings or digest_of(made["settings"]) != settings:
        raise ValueError(f"rows of {what} have settings {settings}, which are not those kept beside them; run the study again")
    return made


def differences(made: Made, budget: str, name: str) -> list[str]:
    """Names of settings that the script has otherwise today; the same call would not go on with these rows."""
    plan = plan_of(BUDGETS[budget], BUDGETS[budget].sets[name])
    today = {"format": plan.settings("")["format"], "defaults": defaults(), "data": recipe(budget, name), **asdict(plan.learning)}
    then = {key: made["settings"].get(key) for key in ("format", "defaults")}
    then |= {"data": made["data"], **made["settings"]["learning"]}
    today = json.loads(json.dumps(today))
    return [key for key, value in today.items() if key != "device" and then.get(key) != value]
