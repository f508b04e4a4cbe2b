"""Rows as Markdown tables: what every section's tables are made of. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.gpu.rows import Row


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(value: Any, form: str = ".1e") -> str:
    """A number, or a dash for none."""
    return "-" if value is None else format(value, form)


def of(rows: Iterable[Row], section: str, **wanted: Any) -> list[Row]:
    """Rows of a section without errors that have these values."""
    return [
        row
        for row in rows
        if row["section"] == section
        and "error" not in row
        and all(row.get(name) == value for name, value in wanted.items())
    ]


def yes(value: Any) -> str:
    return "yes" if value else "no"


def equal(value: Any) -> str:
    return "equal" if value else "differs"
