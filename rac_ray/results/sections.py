"""Parts of a report as data: a heading with a table, a figure, or both."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from rac_ray.store.redaction import without_credentials

Group = Literal["main", "figures", "tables", "claims"]
"""Where a part stands: above all others, among figures, among the tables that no figure shows, below the claims."""


@dataclass(frozen=True)
class Section:
    """One part of a report."""

    heading: str
    note: str
    """Plain text below the heading; empty for none."""
    table: pd.DataFrame | None = None
    svg: str | None = None
    """A figure as SVG text; it is shown as a picture, so its ids cannot meet those of another one."""
    caption: str = ""
    """Below the figure."""
    more: pd.DataFrame | None = None
    """Further columns of the table, shown to who asks for them."""
    files: Sequence[str] = ()
    """Names of files that have the table's numbers."""
    group: Group = "figures"


def value_of(section: Section) -> dict[str, Any]:
    """A section as JSON holds it."""
    table, svg, more = section.table, section.svg, section.more
    return {
        "heading": section.heading,
        "note": section.note,
        "table": None if table is None else table_value(table),
        "more": None if more is None or more.empty else table_value(more),
        "files": list(section.files),
        "svg": None if svg is None else base64.b64encode(svg.encode()).decode(),
        "caption": section.caption,
        "group": section.group,
    }


def table_value(table: pd.DataFrame) -> dict[str, Any]:
    """Names of columns, and rows of plain values; a named index becomes a column."""
    shown = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
    columns = [" ".join(map(str, name)).strip() if isinstance(name, tuple) else str(name) for name in shown.columns]
    return {"columns": columns, "rows": rows_of(shown)}


def rows_of(frame: pd.DataFrame) -> list[list[Any]]:
    """Rows of plain values."""
    return [[plain(value) for value in row] for row in frame.itertuples(index=False, name=None)]


def plain(value: Any) -> Any:
    """A cell as JSON holds it: whole numbers without a fraction, None for what is missing, text without credentials."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    if isinstance(value, float):
        return _short(value)
    return value if isinstance(value, bool | int) else without_credentials(str(value))


def _short(value: float) -> float | int | None:
    """Six digits at most."""
    if not np.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else float(f"{value:.6g}")
