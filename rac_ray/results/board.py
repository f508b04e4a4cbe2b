"""One leaderboard: models of any number of sweeps that were trained on the same clips and asked about the same ones.

A row is a model in one recipe of one sweep, also where none of its trials has finished. A trial that two sweeps have
counts for the one that was named first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from rac_ray.counted import counted
from rac_ray.results.answers import Answers, Part
from rac_ray.results.at_chance import AT_CHANCE, guesses
from rac_ray.results.claims import Term
from rac_ray.results.columns import DIFFERENCE
from rac_ray.results.entered import Asked, Entered, Ground
from rac_ray.results.findings import FEW
from rac_ray.results.missing import counts_of, in_words
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
    """Those that count."""
    missing: pd.DataFrame
    """The others: failed ones, those that have not run, and those without an accuracy to rank by."""

    @property
    def known(self) -> pd.DataFrame:
        """Trials that tell the row's recipe: those that count, or else the others."""
        return self.trials if len(self.trials) else self.missing


@dataclass(frozen=True)
class Board:
    """Rows that can be compared."""

    ground: Ground
    rows: Sequence[Row]

    @cached_property
    def answers(self) -> Answers:
        """What the trials of all rows said; the model of each is the number of its row."""
        told = [(number, row) for number, row in enumerate(self.rows) if not self.silent(number)]
        parts = [_renamed(row, str(number), self.ground.asked) for number, row in told]
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
            if self.silent(number):
                told[number] = in_words(counts_of(row.missing), len(row.missing))
            elif not self.targets:
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
        """Rows by their places and leads; those without a place below, by what they get right on targets; last those
        of which nothing counts."""

        def key(number: int) -> tuple[float, ...]:
            if number in self.places:
                return (0, *self.places[number], -lead(self.gaps, number)[0].estimate)
            return (2,) if self.silent(number) else (1, -np.nan_to_num(self.away("top1", number).estimate))

        return sorted(range(len(self.rows)), key=key)

    def silent(self, number: int) -> bool:
        """Whether none of a row's trials counts."""
        return not len(self.rows[number].trials)

    def home(self, number: int) -> float:
        """Mean top-1 on the source's test clips, or on those that chose the checkpoint where there are no others; NaN
        where no trial counts."""
        if self.silent(number):
            return float("nan")
        source = self.ground.source
        part = next(iter([*self.answers.parts(source, ["source_test"]), *self.answers.parts(source, ["source_val"])]))
        return float(self.answers.measure("top1", part, self.answers.places(model=str(number)))[0].mean())

    def away(self, measure: str, number: int) -> Estimate:
        """Mean of a measure over targets, sizes and seeds."""
        places = self.answers.places(model=str(number))
        if not self.parts or self.silent(number):
            return NOTHING
        values = np.mean([self.answers.measure(measure, part, places) for part in self.parts], axis=0)
        return interval(self.answers.per_seed(values, places)).within(*self.answers.possible(measure, places))


def boards_of(sweeps: Sequence[Entered]) -> tuple[list[Board], dict[str, int]]:
    """A board of each ground, in order of appearance; and how many trials of each sweep earlier ones have.

    Trials that do not count are told in the row of their model and recipe, or have a row of their own, on a board of
    trials that learned from the same clips. Where there is no such board they are in none (``without_board``).
    """
    known: set[str] = set()
    rows: dict[Ground, list[Row]] = {}
    again: dict[str, int] = {}
    for sweep in sweeps:
        again |= {sweep.name: len(sweep.grounds.keys() & known)}
        for recipe, tables in by_recipe(sweep.tables).items():
            places: dict[tuple[Ground, str], list[int]] = {}
            for place, (trial_id, model) in enumerate(tables.trials[["trial_id", "model"]].to_numpy().tolist()):
                if trial_id in sweep.grounds and trial_id not in known:
                    places.setdefault((sweep.grounds[trial_id], model), []).append(place)
            for (ground, model), of in places.items():
                trials = tables.trials.iloc[of]
                rows.setdefault(ground, []).append(Row(sweep, model, recipe, trials, trials.iloc[:0]))
        known |= sweep.grounds.keys()
    _add_missing(rows, sweeps)
    boards = [Board(ground, _with_recipes(of)) for ground, of in rows.items()]
    return boards, {name: count for name, count in again.items() if count}


def _add_missing(rows: dict[Ground, list[Row]], sweeps: Sequence[Entered]) -> None:
    """Tell the rows of each ground which trials are missing, each trial once."""
    known: set[str] = set()
    for sweep in sweeps:
        known |= sweep.grounds.keys()
        for recipe, tables in by_recipe(sweep.tables).items():
            left = tables.trials.loc[~tables.trials["trial_id"].isin(list(known))]
            known |= set(left["trial_id"])
            groups: Any = left.groupby(["source", "data", "model"], sort=False, dropna=False)
            for (source, data, model), missing in groups:
                alike = [ground for ground in rows if ground[:3] == (sweep.study.name, source, data)]
                if alike:
                    _tell(rows, alike, Row(sweep, model, recipe, missing.iloc[:0], missing))


def _tell(rows: dict[Ground, list[Row]], grounds: Sequence[Ground], new: Row) -> None:
    """Add the missing trials of a row to the row that is the same otherwise, or the row itself, to the ground of which
    rows are the most like it."""

    def likeness(row: Row) -> tuple[bool, ...]:
        return row.sweep is new.sweep, row.recipe == new.recipe, row.model == new.model

    ground = max(grounds, key=lambda ground: max(map(likeness, rows[ground])))
    place = next((place for place, row in enumerate(rows[ground]) if all(likeness(row))), None)
    if place is None:
        rows[ground].append(new)
    else:
        rows[ground][place] = replace(rows[ground][place], missing=new.missing)


def without_board(boards: Sequence[Board], sweep: Entered) -> pd.DataFrame:
    """The trials of a sweep that no board tells of."""
    rows = [row for board in boards for row in board.rows]
    told = {trial_id for row in rows for trials in (row.trials, row.missing) for trial_id in trials["trial_id"]}
    return sweep.tables.trials.loc[~sweep.tables.trials["trial_id"].isin(list(told))]


def _with_recipes(rows: Sequence[Row]) -> list[Row]:
    """The rows of a board, with what tells those of one model apart."""
    trials = pd.concat([row.known for row in rows], ignore_index=True)
    own = [name for name in rows[0].sweep.study.every_variant if name in trials]
    words = recipe_column(trials, own).tolist()
    ends = np.cumsum([len(row.known) for row in rows]).tolist()
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
