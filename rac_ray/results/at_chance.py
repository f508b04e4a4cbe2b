"""Which trials and models are at chance, so that their ratios say nothing, and the rule in words."""

import pandas as pd

from rac_ray.results.robustness import LUCK, least_learned
from rac_ray.results.tables import Tables

MOSTLY = 0.5
"""Share of a model's trials that must have learned for its ratios to say something."""
AT_CHANCE = "at chance"


def guessing(table: pd.DataFrame, mostly: float = MOSTLY) -> pd.Series:
    """Whether fewer than ``mostly`` of a row's trials have learned; needs the columns trials and never_learned."""
    return table["trials"] - table["never_learned"] < mostly * table["trials"]


def without_guesses(table: pd.DataFrame, figures: list[str]) -> pd.DataFrame:
    """The table with NaN in these columns in rows at chance."""
    return table.assign(**{name: table[name].astype(float).mask(guessing(table)) for name in figures})


def rule_in_words(tables: Tables, source: str) -> str:
    """What counts as above guessing in the trials of a source, and why; empty before one has finished."""
    evaluations, trials = (table[table["source"] == source] for table in (tables.evaluations, tables.trials))
    asked, trials = evaluations.query("role == 'source_val'"), trials.dropna(subset=["epochs", "classes"])
    if asked.empty or trials.empty:
        return ""
    clips, classes = int(asked["clips"].max()), int(trials["classes"].max())
    limits = sorted({least_learned(clips, int(epochs), classes) for epochs in set(trials["epochs"])})
    low, high = (f"{100 * limit:.1f}%" for limit in (limits[0], limits[-1]))
    least = low if low == high else f"{low} to {high}, more with more epochs"
    return (
        f"A trial has learned if its best accuracy on the {clips} validation clips is at least {least}: guessing is "
        f"right in {100 / classes:.0f}%, and gets that far by luck in one of {1 / LUCK:,.0f} trials. A model of which "
        "fewer than half of the trials have learned is at chance: it has no ratio, for who knows nothing loses nothing."
    )


def counted(table: pd.DataFrame) -> list[str]:
    """``none``, ``2 of 6``, ``3 of 3: at chance`` of each row's trials that never learned."""
    rows = zip(table["never_learned"], table["trials"], guessing(table), strict=True)
    return [
        f"{never} of {trials}{f': {AT_CHANCE}' if guesses else ''}" if never else "none"
        for never, trials, guesses in rows
    ]
