"""What a terminal gets of a sweep: accuracy in whole percent beside chance, and no line wider than WIDEST."""

import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from rac_ray.results.claim_rows import NOT_PRINTED, ClaimRow
from rac_ray.results.columns import DIFFERENCE, EXPERIMENT
from rac_ray.results.formats import FEW_SEEDS, TOO_FEW_SEEDS, cells
from rac_ray.results.looks import called
from rac_ray.results.names import domain_name, set_name
from rac_ray.results.partly_asked import fullest
from rac_ray.results.verdict_words import p_in_short
from rac_ray.results.verdicts import Verdict

if TYPE_CHECKING:
    from rac_ray.results.analysis import Analysis

WIDEST = 100
"""Columns of a terminal that are used at most."""
GAP, INDENT = "  ", " " * 4
KEYS = (DIFFERENCE, EXPERIMENT, "model")
"""Leading columns that are told again where the others do not fit beside each other."""
ACCURACY = "figure3"
"""Beginning of the names of the tables of accuracy."""


def printed_tables(analysis: "Analysis") -> list[str]:
    """The lines of the tables that the study wants on a terminal: accuracy first."""
    wanted = tuple(name for name in analysis.study.printed if name != ACCURACY)
    lines = [line for part in analysis.by_recipe.values() for line in _accuracy(part)]
    others = [sheet for sheet in analysis.sheets if sheet.name.startswith(wanted)]
    return [*lines, *(line for sheet in others for line in ("", *wrapped(sheet.title), *fitted(sheet.shown)))]


def _accuracy(analysis: "Analysis") -> list[str]:
    """Of each source of one recipe: a row per model, a column per domain."""
    lines = []
    for source in analysis.answers.sources if ACCURACY in analysis.study.printed else []:
        long = analysis.accuracy.query(f"source == {source!r}")
        table = accuracy_by_domain(analysis, long)
        stars = f"; {FEW_SEEDS} {TOO_FEW_SEEDS}" if any(FEW_SEEDS in cell for cell in table.to_numpy().flat) else ""
        title = (
            f"{f'{analysis.recipe}: ' if analysis.recipe else ''}Trained on "
            f"{domain_name(analysis.study.domains, source)}: accuracy in % [95% interval over seeds and clips{stars}]; "
            f"chance is {100 * analysis.answers.chance(source):.3g}%{analysis.imbalance(source)}"
        )
        lines += ["", *wrapped(title), *fitted(table)]
    return lines


def accuracy_by_domain(analysis: "Analysis", long: pd.DataFrame) -> pd.DataFrame:
    """Rows of an accuracy table as text: models, how many trials have learned, and whole percent by domain."""
    most = fullest(long)[["model", "trials", "never_learned"]].to_numpy().tolist()
    learned = {model: f"{all_ - never} of {all_}" for model, all_, never in most}
    said = long.assign(
        model=called(long["model"]),
        learned=[learned[model] for model in long["model"]],
        domain=[
            set_name(analysis.study.domains, target, split, role)
            for target, split, role in long[["target", "split", "role"]].to_numpy().tolist()
        ],
        cell=cells(long, scale=100, digits=0),
    )
    keys = ["model", "learned"]
    spread = said.set_index([*keys, "domain"])["cell"].unstack("domain", sort=False)
    return spread.fillna("-").rename_axis(None, axis=1).reset_index()


def verdict_lines(verdict: Verdict, row: ClaimRow) -> list[str]:
    """A verdict and its claim; below it what was seen, the paper's number, and why the ruling is not more."""
    claim = verdict.claim
    head = textwrap.wrap(
        f'{row.ruling}  {claim.claim_id}: "{row.quote}" ({row.where})', WIDEST, subsequent_indent=INDENT
    )
    if verdict.outcome == "not run":
        return [*head, *_indented(row.means)]
    paper = "" if row.paper == NOT_PRINTED else f"; the paper: {row.paper}"
    return [*head, *_indented(f"{row.effect}; {p_in_short(verdict)}{paper}"), *_indented(row.means)]


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, WIDEST, initial_indent=INDENT, subsequent_indent=INDENT)


def near(address: str) -> str:
    """An address as somebody here would type it: a path below the current folder without that."""
    here, path = Path.cwd(), Path(address)
    return shlex.quote(str(path.relative_to(here)) if "://" not in address and path.is_relative_to(here) else address)


def wrapped(text: str) -> list[str]:
    """A sentence, broken into lines between words."""
    return textwrap.wrap(text, WIDEST, break_long_words=False, break_on_hyphens=False)


def fitted(table: pd.DataFrame) -> list[str]:
    """Aligned columns under headings of one or more lines; what does not fit follows below, beside the keys again."""
    names = [str(name) for name in table]
    count = max(1, next((place for place, name in enumerate(names) if name not in KEYS), len(names)))
    columns = [_column(str(name), table[name].astype(str).tolist()) for name in table]
    depth = max((len(heading) for heading, _ in columns), default=0)
    blocks = [columns[:count]]
    for column in columns[count:]:
        if len(blocks[-1]) > count and _width([*blocks[-1], column]) > WIDEST:
            blocks.append(columns[:count])
        blocks[-1] = [*blocks[-1], column]
    return [line for block in blocks for line in _lines(block, count, depth)]


Column = tuple[list[str], list[str]]
"""Lines of a heading, and cells, all of one width."""


def _column(name: str, values: list[str]) -> Column:
    words = [len(word) for word in name.split()] or [0]
    width = max([*words, *map(len, values)])
    return [line.rjust(width) for line in textwrap.wrap(name, width)], [value.rjust(width) for value in values]


def _width(block: list[Column]) -> int:
    return sum(len(heading[0]) for heading, _ in block) + len(GAP) * (len(block) - 1)


def _lines(block: list[Column], keys: int, depth: int) -> list[str]:
    """Keys stand at the left of their columns, all else at the right."""
    rows = zip(*([" " * len(head[0])] * (depth - len(head)) + head + cells for head, cells in block), strict=True)
    widths = [len(head[0]) for head, _ in block[:keys]]
    return [
        GAP.join([*(cell.strip().ljust(width) for cell, width in zip(row, widths, strict=False)), *row[keys:]]).rstrip()
        for row in rows
    ]
