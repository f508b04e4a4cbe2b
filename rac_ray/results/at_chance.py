"""Which trials and models are at chance, so that their ratios say nothing, and the rule in words."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rac_ray.results.robustness import LUCK, least_learned
from rac_ray.results.tables import Tables

MOSTLY = 0.5
"""Share of a model's trials that must have learned for its ratios to say something."""
AT_CHANCE = "at chance"


def guesses(learned: NDArray[np.bool_]) -> bool:
    """Whether fewer than MOSTLY of some trials have learned."""
    return bool(learned.mean() < MOSTLY)


def guessing(table: pd.DataFrame) -> NDArray[np.bool_]:
    """(rows,) whether fewer than MOSTLY of a row's trials have learned, by its columns trials and never_learned."""
    trials, never = (table[name].to_numpy(float) for name in ("trials", "never_learned"))
    return trials - never < MOSTLY * trials


def fewest_seeds(trials: pd.DataFrame) -> int:
    """Seeds of the model that has the fewest; 0 without trials."""
    pairs = set(zip(trials["model"], trials["seed"], strict=True))
    return min(Counter(model for model, _ in pairs).values(), default=0)


def without_guesses(table: pd.DataFrame, figures: list[str]) -> pd.DataFrame:
    """The table with NaN in these columns in rows at chance."""
    return table.assign(**{name: table[name].astype(float).mask(guessing(table)) for name in figures})


def rule_in_words(tables: Tables, source: str) -> str:  # noqa: ARG001 - the query reads it
    """What counts as above guessing in the trials of a source, and why; empty before one has finished."""
    asked = tables.evaluations.query("source == @source and role == 'source_val'")["clips"].tolist()
    pairs = tables.trials.query("source == @source")[["epochs", "classes"]].dropna().astype(int).to_numpy().tolist()
    if not asked or not pairs:
        return ""
    clips, classes = max(asked), max(classes for _, classes in pairs)
    limits = sorted({least_learned(clips, epochs, classes) for epochs, _ in pairs})
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


def marked(texts: Sequence[str], long: pd.DataFrame) -> list[str]:
    """The texts of a long table's means, and what stands in place of the ratios of models at chance."""
    silent = long["mean"].isna().to_numpy() & guessing(long)
    return [AT_CHANCE if empty else text for text, empty in zip(texts, silent, strict=True)]
