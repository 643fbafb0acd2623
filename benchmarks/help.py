"""How long `--help` takes: the median wall time of fresh processes, for geoseg, cellseg and each of their commands.

The target is under 0.3 s for the slowest. --quick takes 3 processes each instead of 5.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from segcli.main import GROUPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    folder = Path(sys.executable).parent
    if missing := [group for group in GROUPS if not (folder / group).exists()]:
        print(f"commands are timed as installed; {', '.join(missing)} not in {folder}; run make install first.", file=sys.stderr)
        sys.exit(3)
    words = [[group, *name] for group, commands in GROUPS.items() for name in ((), *((name,) for name in commands.table))]
    times = {" ".join(own): median_seconds([str(folder / own[0]), *own[1:], "--help"], 3 if quick else 5) for own in words}
    print("| command | --help, median s |\n|---|---|")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.3f} |")
    figures = {"group_help_s": round(max(times[group] for group in GROUPS), 3), "slowest_help_s": round(max(times.values()), 3)}
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"name": "help", "mode": "quick" if quick else "default", "machine": machine, "figures": figures}))


def median_seconds(words: list[str], runs: int) -> float:
    return statistics.median(seconds(words) for _ in range(runs))


def seconds(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
