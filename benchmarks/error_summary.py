"""The study of annotation errors in a few lines, made from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from error_findings import findings_grid

from cellseg.study.grids import level_name
from cellseg.study.plan import CLEAN
from cellseg.study.statistics import losses, points
from cellseg.study.table import Row
from segcore.nets.names import NET_NAMES

NAMES = {"unet": "U-Net", "segnet": "SegNet", "msd": "MSD"}
VERDICTS = ("holds", "does not hold", "open", "not seen", "not measured yet")


def summary(sets: dict[str, Sequence[Row]], titles: dict[str, str]) -> str:
    """Markdown: what clean labels give and what worse ones cost, a line for each set, and how many findings hold."""
    lines = [f"- **{titles[name]}.** {_clean(rows)}.{_losses(rows)}" for name, rows in sets.items()]
    return "\n".join([*lines, f"- **Findings of the thesis.** {_verdicts(sets)}"])


def _clean(rows: Sequence[Row]) -> str:
    found = [point for point in points(rows) if point.perturbation == CLEAN]
    best = max((point for point in found if point.net not in NET_NAMES), key=lambda point: point.mean, default=None)
    words = [f"{NAMES[point.net]} {point.mean:.3f}" for point in found if point.net in NET_NAMES]
    words += [f"best without a network {best.mean:.3f} ({best.net})"] if best else []
    return f"Clean labels: {', '.join(words)}"


def _losses(rows: Sequence[Row]) -> str:
    """Points of Dice that the networks lose at each level, and the runs where they are fewer than elsewhere."""
    levels = dict.fromkeys((point.perturbation, point.level) for point in points(rows) if point.perturbation != CLEAN)
    words = []
    for kind, level in levels:
        lost = {net: losses(rows, net, kind, level) for net in NET_NAMES}
        some = [f"{NAMES[net]} {100 * mean(own):+.1f}" for net, own in lost.items() if own]
        if some:
            runs = min(len(own) for own in lost.values() if own)
            words.append(f"{level_name(kind, level)}: {', '.join(some)}{' (one run)' if runs == 1 else ''}")
    return f" Points of Dice lost with {'; '.join(words)}." if words else ""


def _verdicts(sets: dict[str, Sequence[Row]]) -> str:
    grid = findings_grid(sets)[1:]
    counts = {verdict: sum(line[-1] == verdict for line in grid) for verdict in VERDICTS}
    return f"Of {len(grid)}: {', '.join(f'{count} {verdict}' for verdict, count in counts.items() if count)}."
