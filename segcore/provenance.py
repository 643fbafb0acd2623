"""Who made an artefact, from what, and when."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def collect(config: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """JSON-able record: version, commit where there is one, UTC time, the settings and what was read.

    config: plain settings (seeds among them); inputs: name -> sha256 or fingerprint. Both hold JSON values.
    """
    return {
        "version": _version(),
        "commit": _commit(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": dict(config),
        "inputs": dict(inputs),
    }


def _version() -> str:
    try:
        return version("geocellseg")
    except PackageNotFoundError:
        return "unknown"


def _commit() -> str | None:
    """Commit of the source tree this runs from; None where it was installed from a wheel or git is missing."""
    here = Path(__file__).resolve().parent
    if not (here.parent / ".git").exists():
        return None
    try:
        answer = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
