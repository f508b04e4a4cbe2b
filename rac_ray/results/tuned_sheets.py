"""The tables of a search for recipes, and of training on other clips: before and after, with verdicts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from rac_ray.results.columns import DIFFERENCE, SIZE_NAME
from rac_ray.results.formats import wide
from rac_ray.results.names import set_name
from rac_ray.results.sheet import Sheet, rounded, stacked
from rac_ray.results.tables import Tables
from rac_ray.results.tuned import before_and_after, other_clips, pairs_of, side_by_side

if TYPE_CHECKING:
    from rac_ray.results.analysis import Analysis


def tuned_sheets(analysis: "Analysis") -> list[Sheet]:
    """Each tuned recipe beside the given one, and other training clips beside the study's own; with verdicts."""
    trials, variants = analysis.tables.trials, analysis.study.variants
    return [
        *_pairs(
            analysis, "tuned", "search for a recipe: mean over seeds as given to tuned", pairs_of(trials),
            analysis.verdict_changes,
        ),
        *_pairs(
            analysis, "other-clips", "change of training clips: mean over seeds on the study's own to those on others",
            other_clips(trials, variants), analysis.clip_changes,
        ),
    ]  # fmt: skip


def candidate_sheet(tables: Tables) -> Sheet:
    """The recipes that each search tried."""
    table = tables.candidates
    title = (
        "Recipes that each search tried, by source-validation top-1 alone: those that ran to their end (done), "
        "that others had left behind (cut), and that failed"
    )
    return Sheet("search", title, table, rounded(table.drop(columns=["trial_id"])))


def _with_learned(tables: Tables) -> pd.DataFrame:
    """A sweep's evaluations, each with whether its trial has learned."""
    learned = tables.trials[["trial_id", "learned"]].dropna()
    return tables.evaluations.merge(learned, on="trial_id")


def _pairs(
    analysis: "Analysis", name: str, what: str, pairs: Mapping[str, str], changes: Mapping[str, pd.DataFrame]
) -> list[Sheet]:
    if not pairs:
        return []
    parts = analysis.by_recipe
    long = stacked(
        {
            new: before_and_after(_with_learned(parts[given].tables), _with_learned(parts[new].tables))
            for new, given in pairs.items()
        }
    )
    verdicts = stacked(changes)
    sizes = [SIZE_NAME] if any(long[SIZE_NAME]) else []
    rows = [DIFFERENCE, "source", "model", *sizes, "hidden_units", "measure"]
    title = f"Before and after the {what}, and the difference [95% interval over seeds]; top-1 in %"
    sets = long[["target", "split", "role"]].itertuples(index=False, name=None)
    named = long.assign(set=[set_name(analysis.study.domains, *each) for each in sets])
    return [
        Sheet(name, title, long, wide(named, rows, ["set"], side_by_side(long))),
        Sheet(f"{name}-claims", "Claims: each verdict before and after", verdicts, rounded(verdicts)),
    ]
