"""Everything that is computed from a sweep's records, each thing once, when it is first asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from rac_ray.results.answers import Answers
from rac_ray.results.attributes import analysis, summary
from rac_ray.results.comparisons import comparison_table
from rac_ray.results.diving_tables import diving_table, domain_table, shown, shown_domains
from rac_ray.results.flips import flip_table
from rac_ray.results.formats import ONE_SEED, cells, wide
from rac_ray.results.summaries import accuracy_table, ratio_table, robustness_table
from rac_ray.results.tables import Tables
from rac_ray.results.verdicts import Verdict, judge, verdict_table

SPREAD_NOTE = f"[95% interval over seeds and clips; {ONE_SEED} one seed: over clips only]"


@dataclass(frozen=True)
class Sheet:
    """A table as it is shown and written."""

    name: str
    """Of its files."""
    title: str
    """What it shows, in one sentence."""
    long: pd.DataFrame
    """One figure a row, numbers as they are."""
    shown: pd.DataFrame
    """Wide, numbers as text."""


@dataclass(frozen=True)
class Study:
    """A sweep's tables and what follows from them."""

    tables: Tables
    planned: int | None = None
    """Trials of the plan; None: those that have left a trace."""

    @cached_property
    def answers(self) -> Answers:
        return Answers.of(self.tables)

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        return accuracy_table(self.tables, self.answers)

    @cached_property
    def accuracy_by_size(self) -> pd.DataFrame:
        return accuracy_table(self.tables, self.answers, by_size=True)

    @cached_property
    def ratios(self) -> pd.DataFrame:
        return ratio_table(self.tables, self.answers)

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
    def diving48(self) -> pd.DataFrame:
        return diving_table(self.answers)

    @cached_property
    def domains(self) -> pd.DataFrame:
        return domain_table(self.answers)

    @cached_property
    def attributes(self) -> pd.DataFrame:
        return analysis(self.tables)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        return judge(self.answers)

    @property
    def stamp(self) -> str:
        """What every table and figure stands on: how much of the grid, which digits, which checkpoint."""
        return self.tables.stamped(self.planned)

    def imbalance(self, source: str) -> str:
        """A warning while the models of a source stand on different seeds and sizes; empty when they do not."""
        answers = self.answers
        keys = ["seed", answers.stratum]
        trials = {
            model: answers.trials.loc[answers.places(source=source, model=model)] for model in answers.models(source)
        }
        if len({frozenset(rows[keys].itertuples(index=False, name=None)) for rows in trials.values()}) < 2:
            return ""
        counts = ", ".join(f"{model} {len(rows)}" for model, rows in trials.items())
        return f"; models stand on different seeds and sizes (trials: {counts}): only paired comparisons compare them"

    @cached_property
    def sheets(self) -> list[Sheet]:
        """All tables in the order of the report; those without a row are left out."""
        per_source = [sheet for source in self.answers.sources for sheet in self._sheets_of(source)]
        sheets = [
            *per_source,
            self._domains(),
            self._diving48(),
            self._attributes(),
            self._comparisons(),
            self._flips(),
            self._claims(),
            self._unfinished(),
        ]
        return [sheet for sheet in sheets if len(sheet.long)]

    def _sheets_of(self, source: str) -> list[Sheet]:
        sheets = []
        for name, (file, title, index, columns, scale, digits) in SPREAD_SHEETS.items():
            long: pd.DataFrame = getattr(self, name).query("source == @source")
            text = cells(long, scale=scale, digits=digits)
            shown = wide(long.assign(never_learned=_of_trials(long)), [*index, "never_learned"], columns, text)
            title = f"Trained on {source}: {title} {SPREAD_NOTE}{self.imbalance(source)}"
            sheets.append(
                Sheet(f"{file}-{source}", title, long, shown.rename(columns={"never_learned": "never learned"}))
            )
        return sheets

    def _domains(self) -> Sheet:
        title = "Diving48: top-1 in % [95% interval over seeds and clips], top-5, by experiment and domain"
        return Sheet("diving48-domains", title, self.domains, shown_domains(self.domains))

    def _diving48(self) -> Sheet:
        title = (
            "Diving48: shape and texture accuracy over validation accuracy, and over each other, ours and the paper's "
            "(tables 1 to 5; a-h: mean over the experiments); * lowest T/V, not accompanied by T/S1 below 1 "
            "[95% interval over seeds and clips]"
        )
        return Sheet("diving48", title, self.diving48, shown(self.diving48) if len(self.diving48) else self.diving48)

    def _attributes(self) -> Sheet:
        title = (
            "Diving48: five random clips of each class on S1, S2 and T: top-1 and top-5, and of the wrong answers on "
            "S1 and S2 the attributes that are right (tables 6 and 7; the paper's: four classes, other clips)"
        )
        return Sheet("attributes", title, self.attributes, rounded(summary(self.attributes)))

    def _comparisons(self) -> Sheet:
        title = (
            "Models against each other: difference of the robustness ratio (first minus second), paired by seed and "
            "hidden units, with p of the mean over seeds (Holm over the source's comparisons); at matched parameters "
            "(ratio) and at matched source-validation top-1 (target top-1)"
        )
        return Sheet("comparisons", title, self.comparisons, rounded(self.comparisons))

    def _flips(self) -> Sheet:
        title = (
            "Counterfactual clips: change of top-1 when only the looks of the same trajectories change, and the shares "
            "of clips whose answer is lost, gained or kept"
        )
        return Sheet("flips", title, self.flips, rounded(self.flips))

    def _claims(self) -> Sheet:
        title = "The paper's claims: each contrast's effect with its interval; p of a claim is corrected by Holm"
        table = verdict_table(self.verdicts)
        return Sheet("claims", title, table, rounded(table))

    def _unfinished(self) -> Sheet:
        trials = self.tables.trials
        wrong = trials.query("state != 'done' or learned == False")
        columns = ["trial_id", "model", "hidden_units", "source", "seed", "state", "best_val_top1", "reason"]
        table = wrong[columns].assign(reason=wrong["reason"].where(wrong["state"] != "done", "never learned"))
        title = "Trials that failed, have not run, or never learned (validation top-1 is not above guessing)"
        return Sheet("unfinished", title, table, rounded(table))


SPREAD_SHEETS: dict[str, tuple[str, str, Sequence[str], Sequence[str], float, int]] = {
    "accuracy": (
        "figure3", "mean top-1 in % over hidden units and seeds",
        ["model", "trials", "seeds", "sizes"], ["target", "split"], 100, 1,
    ),
    "robustness": (
        "robustness", "ratios, area under ratio against log parameters, effective robustness",
        ["model", "trials", "sizes", "statistic"], ["target"], 1, 3,
    ),
    "ratios": (
        "figure4", "robustness ratio by hidden units", ["model", "hidden_units", "seeds"], ["target"], 1, 3,
    ),
    "accuracy_by_size": (
        "accuracy-by-size", "mean top-1 in % by hidden units",
        ["model", "hidden_units", "seeds"], ["target", "split"], 100, 1,
    ),
}  # fmt: skip
"""By attribute of a Study: file, title, rows and columns of the wide form, factor and digits of its numbers."""


def _of_trials(long: pd.DataFrame) -> list[str]:
    pairs = zip(long["never_learned"], long["trials"], strict=True)
    return [f"{count} of {trials}" if count else "none" for count, trials in pairs]


def rounded(table: pd.DataFrame, digits: int = 3) -> pd.DataFrame:
    """Every cell as text: numbers with ``digits`` decimals where they have any, a dash for what is missing."""
    return table.map(
        lambda value: "-" if pd.isna(value) else f"{value:.{digits}f}" if isinstance(value, float) else str(value)
    )
