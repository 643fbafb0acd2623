"""The report of a study: report.md beside its figures, and report.html, one file that holds all."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from cellseg.study.figure import draw_perturbation, perturbations
from cellseg.study.grids import Grid, dice_grid, html, markdown, run_grid, versus_grid
from cellseg.study.plan import Learning, StudyPlan
from cellseg.study.table import Row
from segcore.errors import ConfigError
from segcore.files import fresh_file

MARKDOWN_FILE, HTML_FILE = "report.md", "report.html"

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0;font-size:13px}th,td{border-bottom:1px solid #ddd;padding:.25em .7em;text-align:right}
th:first-child,td:first-child{text-align:left}img{max-width:100%;display:block;margin:1em 0}"""

_INTERVALS = (
    "Intervals are Student's t over runs: they cover the chance of training and labels, not that of other test images. "
    "Reached is the share of the cells that was really left out or included; rates are rounded on each image."
)
_TEST = (
    "Wilcoxon's signed-rank test, two-sided. A pair is a run, in which both networks learn from the same labels and hold back the same "
    "images; Dice is averaged over the levels, and runs that lack one are left out. Holm's correction covers all lines of this table, "
    "clean labels among them. The last column is the least p after it that so many pairs can give: where that is above 0.05, "
    "the test decides nothing, whatever was measured."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, a paragraph, a table."""

    heading: str
    text: str
    grid: Grid
    left: int = 1
    """Columns of the grid that are words."""


def write_report(out: Path, rows: Sequence[Row], plan: StudyPlan) -> tuple[Path, ...]:
    """Write the report of rows: Markdown, HTML and a PNG a perturbation; earlier ones are replaced.

    Returns:
        The files written, the HTML page first.

    Raises:
        ConfigError: there are no rows yet.
        OutputError: the folder is closed or the disk is full.
    """
    if not rows:
        raise ConfigError("a report needs at least one run; the table is empty. Run the study first.")
    figures = {kind: out / f"{kind}.png" for kind in perturbations(rows)}
    for kind, path in figures.items():
        draw_perturbation(path, rows, kind, title=f"{rows[0].data}: {plan.target}, {kind}")
    parts, title = sections(rows, plan), f"Annotation errors: {rows[0].data}, {plan.target}"
    _write(out / MARKDOWN_FILE, _markdown(title, parts, figures))
    _write(out / HTML_FILE, _html(title, parts, figures))
    return out / HTML_FILE, out / MARKDOWN_FILE, *figures.values()


def sections(rows: Sequence[Row], plan: StudyPlan) -> list[Section]:
    """What the report says, in order."""
    wanted = len(list(plan.keys()))
    state = "All runs are done." if len(rows) >= wanted else f"{len(rows)} of {wanted} runs are done; the others are missing here."
    commits = ", ".join(dict.fromkeys(row.commit for row in rows if row.commit)) or "unknown"
    compared = versus_grid(rows)
    return [
        Section(
            heading="Dice",
            text=f"Pixels of all test images pooled, clean labels; mean ± standard deviation over runs, as the bands. {state}",
            grid=dice_grid(rows),
        ),
        Section(
            heading="Runs",
            text=f"{_learning(plan.learning)} {_INTERVALS} Code: {commits}; settings {rows[0].settings}.",
            grid=run_grid(rows),
            left=2,
        ),
        *([Section(heading="Networks compared", text=_TEST, grid=compared, left=2)] if len(compared) > 1 else []),
    ]


def _learning(own: Learning) -> str:
    from cellseg.training.settings import PATCH

    patch, epochs = f"{own.patch}" if own.patch else f"at most {PATCH}", "1 epoch" if own.epochs == 1 else f"{own.epochs} epochs"
    return (
        f"Networks: {epochs}, patches of {patch} px; the best epoch is chosen by the split validation or, where there is none, "
        f"by {100 * own.validation:g} % of the training images, with the same kind of labels; a network that calls everything "
        "background begins anew, and that is counted. The other methods learn from all of these images."
    )


def _markdown(title: str, parts: list[Section], figures: dict[str, Path]) -> str:
    lines = [f"# {title}", ""]
    for number, part in enumerate(parts):
        lines += [f"## {part.heading}", "", part.text, "", markdown(part.grid, left=part.left), ""]
        if number == 0:
            lines += [line for kind, path in figures.items() for line in (f"![{kind}]({path.name})", "")]
    return "\n".join(lines)


def _html(title: str, parts: list[Section], figures: dict[str, Path]) -> str:
    lines = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
    ]
    lines.append(f"<h1>{escape(title)}</h1>")
    for number, part in enumerate(parts):
        lines += [f"<h2>{escape(part.heading)}</h2>", f"<p>{escape(part.text)}</p>", html(part.grid)]
        if number == 0:
            lines += [
                f'<img alt="{kind}" src="data:image/png;base64,{b64encode(path.read_bytes()).decode()}">' for kind, path in figures.items()
            ]
    return "\n".join([*lines, "</body></html>", ""])


def _write(path: Path, text: str) -> None:
    with fresh_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8", newline="\n")
