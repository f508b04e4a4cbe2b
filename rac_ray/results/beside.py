"""A sweep beside another one: which of its recipes is set beside which, and the tables that follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from rac_ray.errors import BadInput
from rac_ray.results.against import against_table, as_text, rulings
from rac_ray.results.answers import distinct
from rac_ray.results.columns import DIFFERENCE, RECIPE_COLUMNS, VARIANT
from rac_ray.results.formats import FEW_SEEDS, TOO_FEW_SEEDS, wide
from rac_ray.results.sheet import Sheet, rounded, stacked
from rac_ray.results.summaries import BY_SIZE

if TYPE_CHECKING:
    from rac_ray.results.analysis import Analysis

CELL = ["source", "model", *BY_SIZE]
"""Columns of trials that both sweeps' are matched by."""
SETTINGS = [*RECIPE_COLUMNS, VARIANT]
"""Columns of trials in which two recipes may differ."""


class Pair(NamedTuple):
    """The trials of one recipe here, and those there whose recipe is the most alike."""

    here: "Analysis"
    there: "Analysis"
    differing: Sequence[str]
    """Columns of trials in which the recipes differ."""


@dataclass(frozen=True)
class Comparison:
    """A sweep beside another one."""

    here: "Analysis"
    there: "Analysis"
    name: str
    """What the other one was asked for by: ``reference``, a folder, a capsule."""

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """Each recipe with one of the other sweep's, by its name here."""
        found = {}
        for recipe, part in self.here.by_recipe.items():
            others = [Pair(part, other, differing(part, other)) for other in self.there.by_recipe.values()]
            found[recipe] = min(others, key=lambda pair: len(pair.differing))
        return found

    @cached_property
    def means(self) -> pd.DataFrame:
        """The ``against_table`` of each recipe."""
        return stacked(
            {name: against_table(pair.here.answers, pair.there.answers) for name, pair in self.pairs.items()}
        )

    def require_shared(self) -> None:
        """Raise BadInput where the sweeps have nothing in common."""
        if self.means.empty:
            raise BadInput(
                f"nothing here can be set beside {self.name!r}: no finished trial of the same source, model and size, "
                "asked the same evaluation set, is in both"
            )

    @cached_property
    def rulings(self) -> Mapping[str, pd.DataFrame]:
        """Each claim's verdict here and there, of each recipe."""
        return {recipe: rulings(pair.here.verdicts, pair.there.verdicts) for recipe, pair in self.pairs.items()}

    @cached_property
    def sheets(self) -> list[Sheet]:
        """Differences of means, and verdicts."""
        of_recipe = [DIFFERENCE] if len(self.pairs) > 1 else []
        recipes = "; ".join(_recipes_in_words(recipe, pair) for recipe, pair in self.pairs.items())
        title = (
            f"Beside {self.name}: mean here less mean there, over the sizes that both have [95% interval over seeds "
            f"and clips; {FEW_SEEDS} {TOO_FEW_SEEDS}]; top-1 in points of a percent; {recipes}"
        )
        shown = wide(self.means, [*of_recipe, "source", "model", "measure"], ["target", "split"], as_text(self.means))
        claims = stacked(self.rulings)
        told = rounded(claims if of_recipe else claims.drop(columns=[DIFFERENCE]))
        return [
            Sheet("against", title, self.means, shown),
            Sheet("against-claims", f"Claims: each verdict here, and there in {self.name}", claims, told),
        ]


def differing(here: "Analysis", there: "Analysis") -> list[str]:
    """In which settings the recipes differ of the models and sizes that both have."""
    first, second = (distinct(each.tables.trials, [*CELL, *SETTINGS]).astype(str) for each in (here, there))
    both = first.merge(second, on=CELL, suffixes=("", " there"))
    return [name for name in SETTINGS if both[name].tolist() != both[f"{name} there"].tolist()]


def _recipes_in_words(recipe: str, pair: Pair) -> str:
    """Whether the recipes are the same, of which one here and of which one there."""
    of = f"{recipe}: " * bool(recipe)
    other = f"{pair.there.recipe} there; " * bool(pair.there.recipe)
    said = f"recipes differ in {', '.join(pair.differing)}" if pair.differing else "recipes are the same"
    return f"{of}{other}{said}"
