"""Everything that is computed from a sweep's records, each thing once, when it is first asked for.

A sweep of several recipes is several analyses, one of each (``Analysis.by_recipe``): what has one row or one mean per
model stands on trials of one recipe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from rac_ray.results.answers import Answers
from rac_ray.results.at_chance import marked
from rac_ray.results.beside import Comparison
from rac_ray.results.claim_sheets import claim_sheets, paper_sheets
from rac_ray.results.claims import Claim
from rac_ray.results.columns import SIZE_NAME
from rac_ray.results.comparisons import comparison_table, seeds_compared
from rac_ray.results.findings import Measurements, measure_all
from rac_ray.results.flips import flip_table
from rac_ray.results.formats import FEW_SEEDS, TOO_FEW_SEEDS, cells, wide
from rac_ray.results.looks import called, look_of
from rac_ray.results.names import SPLITS, domain_name
from rac_ray.results.over_looks import judge_over_looks, seen_of
from rac_ray.results.page_tables import COUNTS, comparison_page, spread_page
from rac_ray.results.partly_asked import in_one_row, unasked
from rac_ray.results.recipes import by_recipe
from rac_ray.results.sheet import Sheet, rounded, stacked
from rac_ray.results.summaries import accuracy_table, ratio_table, robustness_table
from rac_ray.results.tables import Tables
from rac_ray.results.tuned import other_clips, pairs_of, verdict_changes
from rac_ray.results.tuned_sheets import candidate_sheet, tuned_sheets
from rac_ray.results.verdicts import Verdict, rulings

if TYPE_CHECKING:
    from rac_ray.studies.study import Study

SPREAD_NOTE = f"[95% interval over seeds and clips; {FEW_SEEDS} {TOO_FEW_SEEDS}]"


@dataclass(frozen=True)
class Analysis:
    """A sweep's tables and what follows from them."""

    tables: Tables
    study: "Study"
    """Adds claims, tables and figures of its own."""
    planned: int | None = None
    """Trials of the plan; None: those that have left a trace."""
    recipe: str = ""
    """What tells these trials from the sweep's other ones, where it has several recipes."""
    other: "tuple[str, Analysis] | None" = None
    """Another sweep that this one is set beside, and what it was asked for by."""

    @cached_property
    def beside(self) -> Comparison | None:
        """This sweep and the other one, where there is one."""
        return Comparison(self, self.other[1], self.other[0]) if self.other else None

    @cached_property
    def by_recipe(self) -> "dict[str, Analysis]":
        """An analysis of each recipe, in order of appearance; this one, with an empty name, where there is only one."""
        parts = by_recipe(self.tables)
        if len(parts) < 2:
            return {"": self}
        return {recipe: Analysis(tables, self.study, None, recipe) for recipe, tables in parts.items()}

    @cached_property
    def answers(self) -> Answers:
        """What the trials said. Raises BadInput as ``Answers.of`` does: for trials of several recipes, too."""
        return Answers.of(self.tables)

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        return accuracy_table(self.answers)

    @cached_property
    def accuracy_by_size(self) -> pd.DataFrame:
        return accuracy_table(self.answers, by_size=True)

    @cached_property
    def ratios(self) -> pd.DataFrame:
        return ratio_table(self.answers)

    @cached_property
    def robustness(self) -> pd.DataFrame:
        return robustness_table(self.tables, self.answers)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        return comparison_table(self.tables, self.answers)

    @cached_property
    def flips(self) -> pd.DataFrame:
        return flip_table(self.answers)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Of a sweep that adds seeds until its claims are decided, by its p values over looks."""
        looks = self.tables.looks
        if len(looks):
            return judge_over_looks(self.answers, self.study.claims, seen_of(looks))
        return rulings(self.study.claims, self.measurements)

    @property
    def readings(self) -> Sequence[Sequence[Claim]]:
        """The study's claims with each choice of limits, as given first."""
        return self.study.readings or [self.study.claims]

    @cached_property
    def measurements(self) -> Measurements:
        """Every contrast of every reading, measured once."""
        claims = [claim for reading in self.readings for claim in reading]
        return measure_all(self.answers, claims, len(self.study.claims))

    @property
    def stamp(self) -> str:
        """What every table and figure stands on: how much of the grid, what data, which checkpoint."""
        return f"{self.recipe}: {self.tables.stamp}" if self.recipe else self.tables.stamped(self.planned)

    def imbalance(self, source: str) -> str:
        """A warning while the models of a source stand on different seeds and sizes, or on trials of which some were
        not asked about everything; empty when they do not."""
        answers = self.answers
        partly = unasked(answers, source, self.study.domains)
        keys = ["seed", *answers.strata]
        trials = {
            model: answers.trials.loc[answers.places(source=source, model=model)] for model in answers.models(source)
        }
        if len({frozenset(rows[keys].itertuples(index=False, name=None)) for rows in trials.values()}) < 2:
            return partly
        counts = ", ".join(f"{look_of(model).label} {len(rows)}" for model, rows in trials.items())
        said = f"; models stand on different seeds and sizes (trials: {counts}): only paired comparisons compare them"
        return said + partly

    @cached_property
    def sheets(self) -> list[Sheet]:
        """All tables in the order of the report; those without a row are left out.

        Where there are several recipes, every table has the rows of each, with the recipe as its first column.
        """
        of_all = [
            sheet
            for sheet in (*tuned_sheets(self), candidate_sheet(self.tables), *paper_sheets(self), *self._against())
            if len(sheet.long)
        ]
        of_recipes = {recipe: part.own_sheets for recipe, part in self.by_recipe.items()}
        if len(of_recipes) == 1:
            return [*next(iter(of_recipes.values())), *of_all]
        found: dict[str, dict[str, Sheet]] = {}
        for recipe, sheets in of_recipes.items():
            for sheet in sheets:
                found.setdefault(sheet.name, {})[recipe] = sheet
        return [*(_joined(sheets) for sheets in found.values()), *of_all]

    @cached_property
    def verdict_changes(self) -> dict[str, pd.DataFrame]:
        """What tuning makes of each claim's verdict, by tuned recipe; empty where nothing was tuned."""
        return self._changes(pairs_of(self.tables.trials))

    @cached_property
    def clip_changes(self) -> dict[str, pd.DataFrame]:
        """The same of training on other clips than the study's own, as on clips that are drawn anew for each epoch."""
        return self._changes(other_clips(self.tables.trials, self.study.variants))

    def _changes(self, pairs: Mapping[str, str]) -> dict[str, pd.DataFrame]:
        parts = self.by_recipe
        return {new: verdict_changes(parts[given].verdicts, parts[new].verdicts) for new, given in pairs.items()}

    def _against(self) -> list[Sheet]:
        return self.beside.sheets if self.beside else []

    @cached_property
    def own_sheets(self) -> list[Sheet]:
        """The tables of trials of one recipe."""
        per_source = [sheet for source in self.answers.sources for sheet in self._sheets_of(source)]
        of_study = self.study.sheets(self)
        sheets = [
            *per_source,
            *of_study,
            self._comparisons(),
            self._flips(),
            *claim_sheets(self),
            self._without_ratio(),
        ]
        return [sheet for sheet in sheets if len(sheet.long)]

    def _sheets_of(self, source: str) -> list[Sheet]:
        sheets = []
        for name, (file, title, rows, columns, scale, digits) in SPREAD_SHEETS.items():
            long: pd.DataFrame = getattr(self, name).query("source == @source")
            index = [row for row in rows if row != SIZE_NAME or any(long[SIZE_NAME])]
            text = cells(long, scale=scale, digits=digits)
            if "split" not in columns:  # ratios; accuracy is told of models at chance, too, if they were asked
                text = marked(text, long)
            counts = in_one_row(long, [row for row in index if row not in COUNTS])
            named = counts.assign(
                model=called(long["model"]), **{column: self._named(long, column) for column in columns}
            )
            shown = wide(named, [*index, "never learned"], columns, text)
            title = (
                f"Trained on {domain_name(self.study.domains, source)}: {title} {SPREAD_NOTE}{self.imbalance(source)}"
            )
            parts = [column for column in shown if column not in (*index, "never learned")]
            sheets.append(Sheet(f"{file}-{source}", title, long, shown, spread_page(shown, parts)))
        return sheets

    def _named(self, long: pd.DataFrame, column: str) -> list[str]:
        """Display names of targets and splits."""
        values: list[str] = long[column].tolist()
        return [
            domain_name(self.study.domains, value) if column == "target" else SPLITS.get(value, value)
            for value in values
        ]

    def _comparisons(self) -> Sheet:
        title = (
            "Models against each other: difference of the robustness ratio (first minus second), paired by seed and "
            "hidden units, with p of the mean over seeds (corrected by Holm over the source's comparisons; the 95% "
            "intervals are each comparison's own, so one may exclude zero where p does not tell); at equal parameters "
            "(ratio) and at matched source-validation top-1 (target top-1)"
        )
        seeds = seeds_compared(self.answers, self.comparisons)
        page = comparison_page(self.comparisons, seeds, self.study.domains, self.answers.sources)
        return Sheet("comparisons", title, self.comparisons, rounded(self.comparisons), page)

    def _flips(self) -> Sheet:
        title = (
            "Counterfactual clips: change of top-1 when only the looks of the same trajectories change, and the shares "
            "of clips whose answer is lost, gained or kept"
        )
        return Sheet("flips", title, self.flips, rounded(self.flips))

    def _without_ratio(self) -> Sheet:
        trials = self.tables.trials
        wrong = trials.query("state != 'done' or learned == False")
        columns = ["trial_id", "model", "hidden_units", "source", "seed", "state", "best_val_top1", "reason"]
        columns[2:2] = [SIZE_NAME] if any(trials[SIZE_NAME]) else []
        table = wrong[columns].assign(reason=wrong["reason"].where(wrong["state"] != "done", "never learned"))
        title = (
            "Trials without a robustness ratio: they failed, have not run, never reached the level that they are "
            "compared at, or never learned (validation top-1 is not above guessing)"
        )
        best = [f"{100 * share:.1f}" if pd.notna(share) else "-" for share in table["best_val_top1"]]
        page = rounded(table).drop(columns=["best_val_top1"]).assign(**{"best validation %": best})
        return Sheet("without-ratio", title, table, rounded(table), page.reset_index(drop=True))


def _joined(sheets: Mapping[str, Sheet]) -> Sheet:
    """One table of several recipes, which stand in its first column."""
    first, titles = next(iter(sheets.values())), {recipe: sheet.title for recipe, sheet in sheets.items()}
    one = len(set(titles.values())) == 1
    title = first.title if one else "; ".join(f"{recipe}: {title}" for recipe, title in titles.items())
    long = stacked({recipe: sheet.long for recipe, sheet in sheets.items()})
    return Sheet(first.name, title, long, _stacked_shown(sheets))


def _stacked_shown(sheets: Mapping[str, Sheet]) -> pd.DataFrame:
    return stacked({recipe: sheet.shown for recipe, sheet in sheets.items()}).fillna("-")


SPREAD_SHEETS: dict[str, tuple[str, str, Sequence[str], Sequence[str], float, int]] = {
    "accuracy": (
        "figure3", "mean top-1 in % over hidden units and seeds",
        ["model", "trials", "seeds", "sizes"], ["target", "split"], 100, 1,
    ),
    "robustness": (
        "robustness", "ratios, area under ratio against log parameters, effective robustness",
        ["model", "trials", "sizes", "statistic"], ["target"], 1, 2,
    ),
    "ratios": (
        "figure4", "robustness ratio by hidden units", ["model", SIZE_NAME, "hidden_units", "seeds"], ["target"], 1, 2,
    ),
    "accuracy_by_size": (
        "accuracy-by-size", "mean top-1 in % by hidden units",
        ["model", SIZE_NAME, "hidden_units", "seeds"], ["target", "split"], 100, 1,
    ),
}  # fmt: skip
"""File, title, rows and columns of the wide form, factor and digits of numbers, by attribute of an Analysis."""
