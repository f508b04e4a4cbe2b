"""A table as it is shown and written. Pandas."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from rac_ray.results.columns import DIFFERENCE


@dataclass(frozen=True)
class Sheet:
    """A table as it is shown and written."""

    name: str
    """Beginning of the names of its files."""
    title: str
    """What it shows, in one sentence."""
    long: pd.DataFrame
    """One figure a row, numbers as they are."""
    shown: pd.DataFrame
    """Wide, numbers as text."""
    page: pd.DataFrame | None = None
    """Rows of ``shown``, by its numbers of rows, with the columns that a report shows at first; None: as ``shown``."""


def stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables by recipe as one, the recipe in its first column."""
    table = pd.concat([each.assign(**{DIFFERENCE: recipe}) for recipe, each in tables.items()], ignore_index=True)
    table.insert(0, DIFFERENCE, table.pop(DIFFERENCE))
    return table


def rounded(table: pd.DataFrame, digits: int = 3) -> pd.DataFrame:
    """Every cell as text: numbers with ``digits`` decimals where they have any, a dash for what is missing."""
    return table.map(
        lambda value: "-" if pd.isna(value) else f"{value:.{digits}f}" if isinstance(value, float) else str(value)
    )
