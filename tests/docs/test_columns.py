"""docs/columns.md says of every table which columns it has: no more, no fewer."""

import re
from collections.abc import Set
from dataclasses import fields

import pandas as pd
import pytest

from rac_ray.results.analysis import Analysis
from rac_ray.results.board_tables import BOARD_COLUMNS, PAIR_COLUMNS
from rac_ray.results.columns import TOP5
from rac_ray.results.tables import Tables
from rac_ray.results.tuned import BEFORE_AND_AFTER_COLUMNS
from tests.docs.pages import ROOT
from tests.results.studies import SHAPES
from tests.results.synthetic import sweep
from tests.studies.diving48.sweep import DIVES, diving_sweep

ALL = "All tables"
LEADERBOARDS = {"leaderboard": BOARD_COLUMNS, "leaderboard-pairs": PAIR_COLUMNS}
RECORDS = [each.name for each in fields(Tables)]


def documented() -> dict[str, set[str]]:
    """Columns by table, as the page has them."""
    _, *parts = re.split(r"^## ", (ROOT / "docs/columns.md").read_text(), flags=re.MULTILINE)
    found: dict[str, set[str]] = {}
    for part in parts:
        title, _, text = part.partition("\n")
        cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
        columns = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
        found |= dict.fromkeys([title] if title == ALL else title.split(", "), columns)
    return found


PAGE = documented()


def check(table: str, columns: Set[str]) -> None:
    assert columns - PAGE[table] - PAGE[ALL] == set(), f"{table}: not on the page"
    assert PAGE[table] - columns == set(), f"{table}: on the page only"


def check_records(tables: Tables) -> None:
    """Of a real sweep (tests/sweep/test_worker.py); what only some studies have is left out."""
    for name in RECORDS:
        frame: pd.DataFrame = getattr(tables, name)
        check(name, {*frame.columns, *({TOP5} if name == "evaluations" else ())})


@pytest.fixture(scope="module")
def sheets() -> dict[str, set[str]]:
    """Columns by table, of sweeps that have most of them."""
    parts = {"2dot/paired": "paired", "mnist/paired": "paired"}
    shapes = sweep(
        lambda model, *_: 0.15 if model == "timesformer1" else 0.7, sizes=(2, 32), clips=200, more_parts=parts
    )
    dives = diving_sweep(lambda model, target: 0.4 if target == "original" else 0.2)
    found: dict[str, set[str]] = {}
    beside = Analysis(shapes, SHAPES, other=("itself", Analysis(shapes, SHAPES)))
    for analysis in (beside, Analysis(dives, DIVES)):
        for sheet in analysis.sheets:
            found[sheet.name.removesuffix("-2dot").removesuffix("-original")] = set(sheet.long.columns)
    return found


def test_the_page_has_every_table_of_results(sheets: dict[str, set[str]]) -> None:
    for name, columns in sheets.items():
        check(name, columns)


def test_what_stands_side_by_side_is_on_the_page() -> None:
    for name in ("tuned", "other-clips"):
        check(name, set(BEFORE_AND_AFTER_COLUMNS))


def test_the_page_has_the_tables_of_leaderboards() -> None:
    for name, columns in LEADERBOARDS.items():
        check(name, set(columns))


def test_no_table_is_on_the_page_that_nothing_writes(sheets: dict[str, set[str]]) -> None:
    others = {"tuned", "other-clips", "tuned-claims", "other-clips-claims", "diving48-domains", "attributes", ALL}
    assert set(PAGE) == {*RECORDS, *sheets, *others, *LEADERBOARDS}
