"""Tables for people and papers: wide frames, Markdown, LaTeX. Every text begins with what it stands on."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from rac_ray.results.findings import FEW
from rac_ray.store.storage import Storage

FEW_SEEDS, TOO_FEW_SEEDS = "*", "too few seeds for an interval"
"""Marks a mean of so few seeds, and what the mark says."""
CSV_DIGITS = "%.10g"
"""Format of numbers in CSV: the last digits of a float differ between processors."""
LATEX_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def cells(table: pd.DataFrame, *, scale: float = 1, digits: int = 3) -> list[str]:
    """``0.612 [0.581, 0.640]`` of each row's mean, low and high; ``0.612*`` where too few seeds have run; a dash for
    what has no mean."""
    rows = table[["mean", "low", "high", "seeds"]].to_numpy(float)
    return [_cell(*(scale * value for value in row[:3]), few=bool(row[3] < FEW), digits=digits) for row in rows]


def _cell(mean: float, low: float, high: float, *, few: bool, digits: int) -> str:
    if pd.isna(mean):
        return "-"
    mean, low, high = (round(value, digits) + 0.0 for value in (mean, low, high))
    said = f"{mean:.{digits}f}"
    return f"{said}{FEW_SEEDS}" if few or pd.isna(low) else f"{said} [{low:.{digits}f}, {high:.{digits}f}]"


def signed(estimate: float, low: float, high: float, *, enough: bool, digits: int = 2) -> str:
    """``+0.61 [-0.05, +1.27]`` of a difference; ``+0.61*`` where too few seeds have run; a dash for none."""
    if pd.isna(estimate):
        return "-"
    said = f"{estimate:+.{digits}f}"
    return f"{said} [{low:+.{digits}f}, {high:+.{digits}f}]" if enough and not pd.isna(low) else f"{said}{FEW_SEEDS}"


def p_in_words(p: float) -> str:
    """``<0.001``, or two digits that mean something."""
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def wide(table: pd.DataFrame, index: Sequence[str], columns: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """A long table with one row per ``index``, one column per value of ``columns``, in the order of appearance."""
    heads = table[list(columns)].astype(str).agg(" ".join, axis=1)
    frame = table[list(index)].assign(head=heads, value=list(values))
    spread = frame.set_index([*index, "head"])["value"].unstack("head", sort=False)
    return spread.fillna("-").rename_axis(None, axis=1).reset_index()


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON holds them."""
    return json.loads(str(table.to_json(orient="records")))


def text(table: pd.DataFrame) -> str:
    """Aligned columns, for a terminal."""
    return table.to_string(index=False)


def markdown(table: pd.DataFrame, caption: str) -> str:
    """A Markdown table under its caption."""
    rows = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    lines = ("| " + " | ".join(_in_markdown(cell) for cell in row) + " |" for row in rows)
    return f"{caption}\n\n" + "\n".join(lines) + "\n"


def _in_markdown(value: object) -> str:
    line = " ".join(str(value).split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("|", r"\|")


def latex(table: pd.DataFrame, caption: str) -> str:
    """A LaTeX ``table`` (needs the package booktabs)."""
    body = " \\\\\n".join(" & ".join(_escaped(cell) for cell in row) for row in table.astype(str).to_numpy().tolist())
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{_escaped(caption)}}}\n\\begin{{tabular}}{{{'l' * table.shape[1]}}}\n\\toprule\n"
        f"{' & '.join(_escaped(name) for name in table.columns)} \\\\\n\\midrule\n{body} \\\\\n"
        "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def _escaped(value: object) -> str:
    return "".join(LATEX_SPECIAL.get(letter, letter) for letter in " ".join(str(value).split()))


def write(folder: Storage, name: str, long: pd.DataFrame, shown: pd.DataFrame, caption: str) -> list[str]:
    """``<name>.csv`` of the long table; ``<name>-wide.csv``, ``.md`` and ``.tex`` of the wide one, with the caption.

    Returns their names.
    """
    texts = {
        f"{name}.csv": f"# {caption}\n" + long.to_csv(index=False, float_format=CSV_DIGITS),
        f"{name}-wide.csv": f"# {caption}\n" + shown.to_csv(index=False),
        f"{name}.md": markdown(shown, caption),
        f"{name}.tex": latex(shown, caption),
    }
    for file, content in texts.items():
        folder.write_bytes(file, content.encode())
    return list(texts)
