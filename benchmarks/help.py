"""How long `--help` takes: the median wall time of fresh processes, for geoseg and each of its commands.

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

from segcli.main import GEOSEG


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    command = Path(sys.executable).with_name("geoseg")
    if not command.exists():
        print(f"the command geoseg is timed as installed; {command} is not there; run make install first.", file=sys.stderr)
        sys.exit(3)
    times = {name: median_seconds([str(command), *name.split(), "--help"], 3 if quick else 5) for name in ["", *GEOSEG]}
    print("| command | --help, median s |\n|---|---|")
    for name, seconds in times.items():
        print(f"| geoseg {name} | {seconds:.3f} |")
    figures = {"group_help_s": round(times[""], 3), "slowest_help_s": round(max(times.values()), 3)}
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
