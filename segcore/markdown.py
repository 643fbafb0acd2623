"""Tables and text for Markdown pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def table_lines(rows: Sequence[Sequence[str]], *, left: int = 1) -> Iterator[str]:
    """Lines of a table whose first row is its head; the first `left` columns stand left, the others right."""
    head, *rest = rows
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * left}{'---:|' * (len(head) - left)}"
    yield from (f"| {' | '.join(row)} |" for row in rest)


def escaped(text: str) -> str:
    """Text from data on one line, neither Markdown nor HTML."""
    special = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
    return "".join(f"\\{c}" if c in "\\`*_[]|#!~$" else special.get(c, " " if c in "\r\n" else c) for c in text)
