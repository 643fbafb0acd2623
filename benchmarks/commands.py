"""Runs geoseg as a user does, each command in a process of its own, and tells what each cost."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_commands(commands: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Run geoseg with each list of words; name -> seconds_NAME and peak_gb_NAME (resident memory). A failure ends the script."""
    program = str(Path(sys.executable).with_name("geoseg"))
    cost = {}
    for name, words in commands.items():
        start = time.monotonic()
        _, status, usage = os.wait4(os.posix_spawn(program, [program, *words, "--overwrite"], os.environ), 0)
        if status:
            sys.exit(f"geoseg {name} failed")
        cost[f"seconds_{name}"] = round(time.monotonic() - start, 1)
        cost[f"peak_gb_{name}"] = round(usage.ru_maxrss / 2**20, 2)
    return cost
