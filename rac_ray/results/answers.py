"""The clips that every trial got right, and its scores on resampled clips. Numpy and pandas.

Rows are draws: row 0 is what was observed, each further row one resampling of an evaluation set's clips, the same one
for all trials, because all trials are asked the same clips. Columns are finished trials.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rac_ray.errors import BadInput
from rac_ray.results.columns import CELL, DIFFERENCE, EXPERIMENT, KEY, SIZE_NAME
from rac_ray.results.robustness import chance_corrected_ratio, robustness_ratio
from rac_ray.results.tables import Tables

CLIP_DRAWS = 1000
Part = tuple[str, str]
"""Evaluation domain and split."""
Draws = NDArray[np.float64]
"""(1 + D, ..), row 0 as observed."""


@dataclass(frozen=True)
class Answers:
    """Top-1 of each finished trial on each evaluation set, as observed and on resampled clips."""

    trials: pd.DataFrame
    """(N rows) trial_id, model, hidden_units, source, seed, size, experiment, learned, classes, recipe."""
    top1: dict[Part, Draws]
    """(1 + D, N) by evaluation set; NaN for a trial that was not asked."""
    right: dict[Part, NDArray[np.bool_]]
    """(n clips, N) by evaluation set, clips in the order of their ids; False for a trial that was not asked."""
    evaluations: pd.DataFrame
    """The ``evaluations`` of the tables."""

    @classmethod
    def of(cls, tables: Tables, draws: int = CLIP_DRAWS) -> "Answers":
        """The answers in the predictions of finished trials.

        Raises BadInput when they are of several recipes (``recipes.by_recipe`` parts them), when several are of one
        model, size, source and seed and nothing tells them apart, and for one without an accuracy at home.
        """
        asked = tables.trials.set_index("trial_id").loc[tables.evaluations["trial_id"].unique()]
        trials = asked[[*KEY, SIZE_NAME, EXPERIMENT, DIFFERENCE, "learned", "classes"]].reset_index()
        if unknown := trials.loc[trials["learned"].isna(), "trial_id"].tolist():
            raise BadInput(
                f"trial {unknown[0]} was not asked about its source's validation clips; valid: an evaluation with "
                "the role source_val of each trial"
            )
        trials = trials.astype({"learned": bool, "classes": int})
        _require_one_kind(trials)
        place = {trial_id: column for column, trial_id in enumerate(trials["trial_id"])}
        top1, right = {}, {}
        if len(trials):
            known = tables.predictions["trial_id"].isin(list(place))
            for key, rows in tables.predictions.loc[known].groupby(["target", "split"], sort=False):
                target, split = cast(Part, key)
                columns = np.array([place[trial_id] for trial_id in rows["trial_id"]])
                part = (target, split)
                top1[part], right[part] = _resampled(rows, columns, len(trials), draws)
        return cls(trials, top1, right, tables.evaluations)

    @cached_property
    def roles(self) -> pd.DataFrame:
        """Each source's evaluation sets: source, target, split, role, in the study's order."""
        return distinct(self.evaluations, ["source", "target", "split", "role"])

    @cached_property
    def role_of(self) -> dict[tuple[str, str, str], str]:
        """Role of an evaluation set by source, target and split."""
        return {(source, target, split): role for source, target, split, role in self.roles.to_numpy().tolist()}

    @cached_property
    def experiments(self) -> list[str]:
        """The study's experiments that trials belong to, in ascending order; empty where it has none."""
        return sorted(filter(None, set(self.trials[EXPERIMENT])))

    @cached_property
    def strata(self) -> list[str]:
        """Columns that tell the trials of one model, source and seed apart; trials of two models pair on them."""
        sizes = [SIZE_NAME, "hidden_units"]
        if not self.experiments:
            return sizes
        one_each = not self.trials.duplicated([*CELL, "seed"]).any()
        return [EXPERIMENT] if one_each else [EXPERIMENT, *sizes]

    @property
    def sources(self) -> list[str]:
        return list(dict.fromkeys(self.roles["source"]))

    def models(self, source: str) -> list[str]:
        """Models that have a finished trial of this source."""
        return list(dict.fromkeys(self.trials.loc[self.places(source=source), "model"]))

    def parts(self, source: str, roles: Iterable[str]) -> list[Part]:
        """Evaluation sets of a source in these roles."""
        chosen = self.roles[(self.roles["source"] == source) & self.roles["role"].isin(list(roles))]
        return list(zip(chosen["target"], chosen["split"], strict=True))

    def places(self, **wanted: object) -> NDArray[np.int64]:
        """Columns of the trials with these properties, as in ``model="cnn3d", hidden_units=4``."""
        chosen = np.ones(len(self.trials), bool)
        for name, value in wanted.items():
            chosen &= (self.trials[name] == value).to_numpy()
        return np.flatnonzero(chosen)

    def asked(self, places: NDArray[np.int64], *parts: Part) -> NDArray[np.int64]:
        """Those of some trials that were asked about all of these evaluation sets."""
        nobody = np.full((1, len(self.trials)), np.nan)
        answered = [~np.isnan(self.top1.get(part, nobody)[0, places]) for part in parts]
        return places[np.all([np.ones(len(places), bool), *answered], axis=0)]

    def chance(self, source: str) -> float:
        """Top-1 of guessing among the classes of a source."""
        return 1 / int(self.trials["classes"].to_numpy()[self.places(source=source)].max())

    def measure(self, name: str, part: Part, places: NDArray[np.int64]) -> Draws:
        """(1 + D, len(places)) of ``top1``, ``robustness_ratio``, ``chance_corrected_ratio`` or
        ``ratio_to_source_test`` on an evaluation set; the trials must have one source."""
        if part not in self.top1:
            return np.full((1, len(places)), np.nan)
        top1 = self.top1[part][:, places]
        if name == "top1" or not len(places):
            return top1
        source = self.trials["source"].iloc[places[0]]
        against, formula = DENOMINATORS[name]
        reference = next(iter(self.parts(source, [against])), None)
        below = self.top1[reference][:, places] if reference else np.full_like(top1, np.nan)
        return formula(top1, below, self.chance(source))

    def possible(self, name: str, places: NDArray[np.int64]) -> tuple[float, float]:
        """The least and the most that the mean of a measure over some trials can be, given what they score on their
        source: a ratio's most is that of a target on which every answer is right. NaN where it is not known."""
        if name == "top1" or not len(places):
            return 0.0, 1.0
        source = self.trials["source"].iloc[places[0]]
        against, formula = DENOMINATORS[name]
        parts = self.parts(source, [against])
        if not parts or parts[0] not in self.top1:
            return float("nan"), float("nan")
        below, chance = self.top1[parts[0]][0, places], self.chance(source)
        ends = (formula(np.full_like(below, end), below, chance) for end in (0.0, 1.0))
        least, most = (float(end[~np.isnan(end)].mean()) if (~np.isnan(end)).any() else float("nan") for end in ends)
        return least, most

    def reference(self, source: str, against: str) -> Part:
        """The evaluation set that ``against`` names: a role of the source, or a target domain."""
        return next(iter(self.parts(source, [against])), (against, "test"))

    def relative(self, part: Part, against: str | None, places: NDArray[np.int64]) -> Draws:
        """(1 + D, len(places)) of top-1, divided by that on the ``reference`` that ``against`` names, if it does."""
        top1 = self.measure("top1", part, places)
        if against is None:
            return top1
        reference = self.reference(self.trials["source"].iloc[places[0]], against)
        return robustness_ratio(top1, self.measure("top1", reference, places))

    def per_seed(self, values: Draws, places: NDArray[np.int64]) -> Draws:
        """(1 + D, S): the mean of each seed's trials, seeds in ascending order; seeds without a value are left out."""
        return by_seed(values, self.trials["seed"].to_numpy()[places])

    def grid(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """(S, H) of ``places`` of one model and source, by seed and strata: the strata that at least half of the seeds
        have, and the seeds that have all of those."""
        trials = self.trials.loc[places, ["seed", *self.strata]].assign(place=places)
        table = trials.pivot(index="seed", columns=self.strata, values="place")
        return whole(table).to_numpy(np.int64)


def by_seed(values: Draws, seeds: NDArray[Any]) -> Draws:
    """(1 + D, S): the mean of each seed's values (1 + D, N), as in ``Answers.per_seed``."""
    valid = ~np.isnan(values[0])
    means = [values[:, valid & (seeds == seed)].mean(axis=1) for seed in np.unique(seeds[valid])]
    return np.stack(means, axis=1) if means else np.empty((len(values), 0))


def whole(table: pd.DataFrame) -> pd.DataFrame:
    """Of a table of seeds by strata the strata that at least half of the seeds have, and the seeds that have those."""
    return table.loc[:, table.notna().mean() >= 0.5].dropna()


def _of_all(target_top1: Draws, source_top1: Draws, _: float) -> Draws:
    return robustness_ratio(target_top1, source_top1)


DENOMINATORS: dict[str, tuple[str, Callable[[Draws, Draws, float], Draws]]] = {
    "robustness_ratio": ("source_val", _of_all),
    "chance_corrected_ratio": ("source_val", chance_corrected_ratio),
    "ratio_to_source_test": ("source_test", _of_all),
}
"""Role of the evaluation set below the line, and the ratio given chance, by measure."""


def _require_one_kind(trials: pd.DataFrame) -> None:
    """Refuse trials that would pass for replicates of each other and are none."""
    recipes = sorted(set(trials[DIFFERENCE]))
    if len(recipes) > 1:
        raise BadInput(f"trials of {len(recipes)} recipes have no mean: {'; '.join(recipes)}; valid: of one at a time")
    twice = int(trials.duplicated([*KEY, SIZE_NAME, EXPERIMENT], keep=False).sum())
    if twice:
        raise BadInput(
            f"{twice} trials have the same model, size, source and seed as another one, and the same recipe and data; "
            "show one at a time: `results --preset` of the sweep's own script, or a folder that it wrote with --to"
        )


def distinct(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The different rows of some columns, in order of appearance."""
    return cast(pd.DataFrame, table[list(columns)]).drop_duplicates(ignore_index=True)


def _resampled(
    rows: pd.DataFrame, columns: NDArray[np.int64], trials: int, draws: int
) -> tuple[Draws, NDArray[np.bool_]]:
    """Top-1 (1 + D, trials) and right answers (n clips, trials) of one evaluation set.

    Clips are drawn by their number, the same ones for all sets of one size: what is paired stays paired.
    """
    clip, names = pd.factorize(rows["clip_id"], sort=True)
    right = np.zeros((len(names), trials), bool)
    asked = np.zeros((len(names), trials))
    right[clip, columns] = (rows["label"] == rows["predicted"]).to_numpy()
    asked[clip, columns] = 1
    drawn = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    weights = np.vstack([np.ones(len(names)), drawn])
    counts = weights @ asked
    return weights @ right / np.where(counts == 0, np.nan, counts), right
