"""One leaderboard: models of any number of sweeps that were trained on the same clips and asked about the same ones.

A row is a model in one recipe of one sweep. A trial that two sweeps have counts for the one that was named first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from rac_ray.counted import counted
from rac_ray.results.answers import Answers, Part
from rac_ray.results.at_chance import AT_CHANCE, guesses
from rac_ray.results.claims import Term
from rac_ray.results.columns import DIFFERENCE
from rac_ray.results.entered import Asked, Entered, Ground
from rac_ray.results.findings import FEW
from rac_ray.results.places import Gap, Pair, ahead, gap_of, lead, ranges
from rac_ray.results.recipes import by_recipe, recipe_column
from rac_ray.results.sides import Side, side_of
from rac_ray.results.statistics import NOTHING, Estimate, interval
from rac_ray.results.tables import Tables


@dataclass(frozen=True)
class Row:
    """A model in one recipe of one sweep."""

    sweep: Entered
    model: str
    recipe: str
    """What tells it from other rows of the model, in words; empty where nothing does."""
    trials: pd.DataFrame


@dataclass(frozen=True)
class Board:
    """Rows that can be compared."""

    ground: Ground
    rows: Sequence[Row]

    @cached_property
    def answers(self) -> Answers:
        """What the trials of all rows said; the model of each is the number of its row."""
        parts = [_renamed(row, str(number), self.ground.asked) for number, row in enumerate(self.rows)]
        joined = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
        return Answers.of(Tables(epochs=pd.DataFrame(), failures=pd.DataFrame(), **joined))

    @cached_property
    def parts(self) -> list[Part]:
        """Sets of other domains that it is about, in the order of the study: all of the first one's split."""
        found = self.answers.parts(self.ground.source, ["target"])
        return [(target, split) for target, split in found if split == found[0][1]]

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(target for target, _ in self.parts)

    @cached_property
    def unable(self) -> dict[int, str]:
        """Why rows have no place, whomever they would be compared with."""
        told = {}
        for number, row in enumerate(self.rows):
            learned, seeds = row.trials["learned"].to_numpy(bool), len(set(row.trials["seed"]))
            if not self.targets:
                told[number] = "asked about no other domain"
            elif guesses(learned):
                told[number] = f"{AT_CHANCE}: {(~learned).sum()} of {counted(len(learned), 'trial')} never learned"
            elif seeds < FEW:
                told[number] = f"too few seeds: {seeds} of the {FEW} that a place needs"
        return told

    @cached_property
    def compared(self) -> dict[Pair, Gap | str]:
        """Each two rows that could have a place: the gap between them, or why it cannot be told."""
        able = [number for number in range(len(self.rows)) if number not in self.unable]
        sides = {number: self._side(number) for number in able}
        return {(one, other): gap_of(sides[one], sides[other]) for one, other in combinations(able, 2)}

    def _side(self, number: int) -> Side:
        side = side_of(self.answers, Term(str(number), self.ground.source, self.targets, self.parts[0][1]))
        assert side is not None, self.ground  # all trials of a ground were asked all of it
        return side

    @cached_property
    def gaps(self) -> dict[Pair, Gap]:
        return {pair: gap for pair, gap in self.compared.items() if isinstance(gap, Gap)}

    @cached_property
    def ranked(self) -> list[int]:
        """Rows that were compared with another one at least."""
        return sorted({number for pair in self.gaps for number in pair})

    @cached_property
    def places(self) -> dict[int, tuple[int, int]]:
        """The first and the last place that each ranked row can have."""
        order = {number: place for place, number in enumerate(self.ranked)}
        gaps = {(order[one], order[other]): gap for (one, other), gap in self.gaps.items()}
        return dict(zip(self.ranked, ranges(ahead(gaps, len(order))), strict=True))

    def reason(self, number: int) -> str:
        """Why a row has no place; empty where it has one."""
        if number in self.ranked:
            return ""
        others = [why for pair, why in self.compared.items() if number in pair]
        alone = "nobody else has trials enough to be compared with"
        return self.unable.get(number) or next((str(why) for why in others), alone)

    @cached_property
    def order(self) -> list[int]:
        """Rows by their places and leads; those without a place below, by what they get right on targets."""

        def key(number: int) -> tuple[float, ...]:
            if number in self.places:
                return (0, *self.places[number], -lead(self.gaps, number)[0].estimate)
            return (1, -np.nan_to_num(self.away("top1", number).estimate))

        return sorted(range(len(self.rows)), key=key)

    def home(self, number: int) -> float:
        """Mean top-1 on the source's test clips, or on those that chose the checkpoint where there are no others."""
        source = self.ground.source
        part = next(iter([*self.answers.parts(source, ["source_test"]), *self.answers.parts(source, ["source_val"])]))
        return float(self.answers.measure("top1", part, self.answers.places(model=str(number)))[0].mean())

    def away(self, measure: str, number: int) -> Estimate:
        """Mean of a measure over targets, sizes and seeds."""
        places = self.answers.places(model=str(number))
        if not self.parts:
            return NOTHING
        values = np.mean([self.answers.measure(measure, part, places) for part in self.parts], axis=0)
        return interval(self.answers.per_seed(values, places)).within(*self.answers.possible(measure, places))


def boards_of(sweeps: Sequence[Entered]) -> tuple[list[Board], dict[str, int]]:
    """A board of each ground, in order of appearance; and how many trials of each sweep earlier ones have."""
    known: set[str] = set()
    rows: dict[Ground, list[Row]] = {}
    again: dict[str, int] = {}
    for sweep in sweeps:
        again |= {sweep.name: len(sweep.grounds.keys() & known)}
        for tables in by_recipe(sweep.tables).values():
            places: dict[tuple[Ground, str], list[int]] = {}
            for place, (trial_id, model) in enumerate(tables.trials[["trial_id", "model"]].to_numpy().tolist()):
                if trial_id in sweep.grounds and trial_id not in known:
                    places.setdefault((sweep.grounds[trial_id], model), []).append(place)
            for (ground, model), of in places.items():
                rows.setdefault(ground, []).append(Row(sweep, model, "", tables.trials.iloc[of]))
        known |= sweep.grounds.keys()
    boards = [Board(ground, _with_recipes(of)) for ground, of in rows.items()]
    return boards, {name: count for name, count in again.items() if count}


def _with_recipes(rows: Sequence[Row]) -> list[Row]:
    """The rows of a board, with what tells those of one model apart."""
    trials = pd.concat([row.trials for row in rows], ignore_index=True)
    own = [name for name in rows[0].sweep.study.every_variant if name in trials]
    words = recipe_column(trials, own).tolist()
    ends = np.cumsum([len(row.trials) for row in rows]).tolist()
    told = ("; ".join(dict.fromkeys(words[start:end])) for start, end in pairwise([0, *ends]))
    return [replace(row, recipe=recipe) for row, recipe in zip(rows, told, strict=True)]


def _renamed(row: Row, model: str, asked: Sequence[Asked]) -> dict[str, pd.DataFrame]:
    """The tables of a row's trials and what was asked of them, with this name for its model."""
    chosen, tables = list(row.trials["trial_id"]), row.sweep.tables
    sets = [(each.target, each.split) for each in asked]
    found = {"trials": row.trials}
    for name in ("evaluations", "predictions"):
        table: pd.DataFrame = getattr(tables, name)
        asked_of = pd.MultiIndex.from_arrays([table["target"], table["split"]])
        found[name] = table.loc[table["trial_id"].isin(chosen).to_numpy() & asked_of.isin(sets)]
    named = {"model": model, DIFFERENCE: ""}
    return {**found, **{name: found[name].assign(**named) for name in ("trials", "evaluations")}}
