"""What annotation errors cost U-Net, SegNet and Mixed-Scale Dense networks: `cellseg study` on simulated nuclei and on tissue.

Simulated volumes are made under --out (kept out of git); the tissue is CoNSeP: --data, $GEOCELLSEG_DATA or ../shared/data, exit 3
where it is needed and absent. Each call does what fits into its time and says what is left; the next one goes on. Rows go to
docs/studies/data/error_study.csv (not of a smoke run). The last line is one JSON object.

    python benchmarks/error_study.py --budget cpu       five sets at few levels, two runs; calls of at most 40 minutes on 2 cores
    python benchmarks/error_study.py --budget gpu       all five sets, three networks, three runs; calls of at most 9 minutes
    python benchmarks/error_study.py --budget full      the size of the thesis: days
    python benchmarks/error_study.py --budget smoke     a minute, to see that it runs
    python benchmarks/error_study.py --report           only write docs/studies/annotation_errors.md again, from the CSV
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from error_findings import findings_grid
from error_sets import BUDGETS, data_of, plan_of
from error_settings import differences, made_by, read_made, require_made, write_made
from error_summary import summary

from cellseg.study.figure import draw_perturbation, perturbations
from cellseg.study.grids import dice_grid, markdown, run_grid, versus_grid
from cellseg.study.statistics import losses, points
from cellseg.study.sweep import run_study
from cellseg.study.table import COLUMNS, TABLE_FILE, Row, cells_of, read_table, row_of
from segcore.errors import SegError
from segcore.files import fresh_file
from segcore.nets.names import NET_NAMES

ROOT = Path(__file__).parents[1]
TABLE, PAGE, IMAGES = ROOT / "docs/studies/data/error_study.csv", ROOT / "docs/studies/annotation_errors.md", ROOT / "docs/images"
MADE = ROOT / "docs/studies/data/error_study.json"
SETS = tuple(BUDGETS["full"].sets)
TITLES = {
    "hl60": "HL60 nuclei",
    "granulocyte": "Granulocytes",
    "combined_hl60": "HL60 nuclei among granulocytes",
    "combined_granulocyte": "Granulocytes among HL60 nuclei",
    "consep": "Epithelial nuclei in tissue",
}

Rows = dict[tuple[str, str], list[Row]]
"""(budget, set) -> rows."""


class Lines:
    """Progress as plain lines."""

    def say(self, line: str) -> None:
        print(line, flush=True)

    def step(self, task: str, done: int, total: int) -> None:
        """Shown by what is said."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GEOCELLSEG_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=Path("runs/error_study"))
    parser.add_argument("--budget", choices=BUDGETS, default="cpu")
    parser.add_argument("--sets", help=f"only these, parted by commas, of {', '.join(SETS)}")
    parser.add_argument("--workers", type=int, help="processes of one thread each")
    parser.add_argument("--seconds", type=float, help="of this call")
    parser.add_argument("--report", action="store_true", help="run nothing, write the page")
    options = parser.parse_args()
    failed: list[str] = []
    if options.report:
        rows = read_rows()
    else:
        rows, failed = run(options)
    if options.report or options.budget != "smoke":
        write_page(rows)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print(json.dumps({"name": "error_study", "machine": machine, "budget": options.budget, "figures": figures(chosen(rows))}))
    if failed:
        sys.exit(f"runs failed in {', '.join(failed)}; what is done is kept")


def run(options: argparse.Namespace) -> tuple[Rows, list[str]]:
    """Every set of the budget, as far as the time goes: all rows of the study that are there by now, and sets in which a run failed."""
    start, budget, folder = time.monotonic(), BUDGETS[options.budget], options.out / options.budget
    wanted = options.sets.split(",") if options.sets else list(budget.sets)
    if not set(wanted) <= set(budget.sets):
        sys.exit(f"--sets takes {', '.join(budget.sets)} with --budget {options.budget}; got {options.sets}")
    data = {name: data_of(budget.sets[name], budget, folder, options.data) for name in wanted}
    known, rows, failed = read_rows(), Rows(), list[str]()
    for name in wanted:
        plan = plan_of(budget, budget.sets[name])
        left = (options.seconds or budget.seconds) - (time.monotonic() - start)
        longest = max(
            (row.seconds for (own, _), found in (*known.items(), *rows.items()) if own == options.budget for row in found), default=0
        )
        if left <= longest:
            print(f"{name}: left for another call", flush=True)
            continue
        print(f"{name}, {options.budget}: {left:.0f} s left", flush=True)
        try:
            run_study(
                data[name],
                folder / name,
                plan,
                workers=options.workers or budget.workers,
                resume=True,
                seconds=left,
                progress=Lines(),
            )
        except SegError as error:
            print(f"{name}: {error}", flush=True)
            failed.append(name)
        rows[options.budget, name] = read_table(folder / name / TABLE_FILE)
        if options.budget != "smoke":
            known = keep({(options.budget, name): rows[options.budget, name]})
            if rows[options.budget, name]:
                write_made(MADE, {f"{options.budget} {name}": made_by(folder / name, options.budget, name)})
        missing = len({*plan.keys()} - {row.key for row in rows[options.budget, name]})
        print(f"{name}: {f'{missing} runs are left for another call' if missing else 'done'}", flush=True)
    return rows if options.budget == "smoke" else known, failed


def keep(new: Rows) -> Rows:
    """The rows of the CSV and these, written; rows of other settings make room for them."""
    rows = read_rows()
    for key, own in new.items():
        same = [row for row in rows.get(key, []) if own and row.settings == own[0].settings]
        rows[key] = list({row.key: row for row in (*same, *own)}.values()) if own else rows.get(key, [])
    with fresh_file(TABLE) as scratch, scratch.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["budget", "set", *COLUMNS])
        for (budget, name), own in sorted(rows.items(), key=lambda item: (list(BUDGETS).index(item[0][0]), SETS.index(item[0][1]))):
            writer.writerows([budget, name, *cells_of(row)] for row in own)
    return read_rows()


def read_rows() -> Rows:
    """Rows of the CSV by budget and set; none where there is no CSV.

    Raises:
        ValueError: rows of other settings are among them, or a run is there twice.
    """
    rows: Rows = {}
    if not TABLE.exists():
        return rows
    with TABLE.open(encoding="utf-8", newline="") as stream:
        for line, cells in enumerate(csv.DictReader(stream), 2):
            rows.setdefault((cells["budget"], cells["set"]), []).append(row_of(cells, f"line {line} of {TABLE}"))
    for (budget, name), own in rows.items():
        if len({row.settings for row in own}) > 1 or len({row.key for row in own}) < len(own):
            raise ValueError(f"{TABLE} mixes runs of other settings in {name}, {budget}; run the study again")
    return rows


def chosen(rows: Rows) -> dict[str, tuple[str, list[Row]]]:
    """(budget, rows) of each set: the budget with most runs, of equals the larger one."""
    found: dict[str, tuple[str, list[Row]]] = {}
    for name in SETS:
        own = [(len(rows[budget, name]), place, budget) for place, budget in enumerate(BUDGETS) if rows.get((budget, name))]
        if own:
            budget = max(own)[2]
            found[name] = (budget, rows[budget, name])
    return found


def figures(sets: dict[str, tuple[str, list[Row]]]) -> dict[str, float]:
    """Dice with clean labels, and what each level costs a network."""
    found = {}
    for name, (_, rows) in sets.items():
        clean = [point for point in points(rows) if point.perturbation == "clean"]
        found |= {f"dice_{point.net.replace('-', '_')}_{name}": round(point.mean, 4) for point in clean}
        for point in points(rows):
            lost = losses(rows, point.net, point.perturbation, point.level)
            if point.perturbation != "clean" and point.net in NET_NAMES and lost:
                level = point.level if point.perturbation == "bias" else 100 * point.level
                found[f"loss_{point.net}_{name}_{point.perturbation}_{level:g}"] = round(sum(lost) / len(lost), 4)
    return found


def results(sets: dict[str, tuple[str, list[Row]]]) -> str:
    """Markdown: a section a set."""
    parts = []
    for name in SETS:
        parts.append(f"### {TITLES[name]}\n")
        if name not in sets:
            parts.append("Not measured yet.\n")
            continue
        budget, rows = sets[name]
        parts += [f"{settings(budget, name, rows)}\n", markdown(dice_grid(rows)), ""]
        parts += [f"![{TITLES[name]}: {kind}](../images/{picture(name, kind)})\n" for kind in perturbations(rows)]
        if len({row.net for row in rows if row.net in NET_NAMES}) > 1:
            parts += ["Networks compared, pairs of runs with the same labels, levels averaged:\n", markdown(versus_grid(rows), left=2), ""]
        parts += ["All points:\n", markdown(run_grid(rows), left=2), ""]
    return "\n".join(parts)


def settings(budget: str, name: str, rows: Sequence[Row]) -> str:
    """What made the rows of a set, in words taken from their columns."""
    nets = [row for row in rows if row.net in NET_NAMES]
    words = [f"Budget `{budget}`, {len(rows)} runs in {sum(row.seconds for row in rows) / 3600:.1f} hours of single threads or GPU"]
    if nets:
        own = nets[0]
        patches = f"{own.patches} patches an epoch" if own.patches else "each patch about once an epoch"
        words.append(f"{own.epochs} epochs, {patches}, {own.patch or 256} px")
    widths = sorted({row.width for row in nets if row.width})
    words += [f"U-Net and SegNet from {widths[0]} channels"] if widths else []
    depths = sorted({row.depth for row in nets if row.depth})
    words += [f"MSD of depth {depths[0]}"] if depths else []
    made = require_made(read_made(MADE).get(f"{budget} {name}"), rows[0].settings, f"{name}, {budget}")
    shrink = made["data"].get("shrink", 1)
    words += [f"tiles at 1/{shrink} of their resolution"] if shrink > 1 else []
    commits = ", ".join(dict.fromkeys(row.commit for row in rows))
    other = differences(made, budget, name)
    later = f" The script has other settings by now: {', '.join(other)}." if other else ""
    return f"{'; '.join(words)}. Commit {commits}, settings {rows[0].settings}.{later}"


def picture(name: str, kind: str) -> str:
    return f"error_study_{name}_{kind}.png"


def page(text: str, rows: Rows) -> str:
    """The page with what stands between its markers made anew."""
    sets = chosen(rows)
    own = {name: found for name, (_, found) in sets.items()}
    blocks = {"summary": summary(own, TITLES), "findings": markdown(findings_grid(own), left=3), "results": results(sets)}
    for name in blocks:
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n\n{blocks[name].strip()}\n\n{end}{after}"
    return text


def write_page(rows: Rows) -> None:
    """The page and its figures."""
    for name, (_, own) in chosen(rows).items():
        for kind in perturbations(own):
            draw_perturbation(IMAGES / picture(name, kind), own, kind, title=f"{TITLES[name]}: {kind}")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
