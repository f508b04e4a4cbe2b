"""What tells trials apart that would pass for replicates of each other: other recipes, other data, older versions.

After two presets on one storage, a model has trials of two recipes from one source. No table, figure or verdict
averages over these: each recipe is looked at on its own (``Analysis.by_recipe``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from rac_ray.results.columns import CELL, DIFFERENCE, VARIANT
from rac_ray.sweep.search import TUNED, tuned_fields

if TYPE_CHECKING:
    from rac_ray.results.tables import Tables

READINGS: dict[str, Callable[[Any], str]] = {
    "variant": lambda value: value or "as given",
    "learning_rate": lambda value: f"learning rate {value:g}",
    "batch_size": lambda value: f"batch {value:.0f}",
    "max_epochs": lambda value: f"{value:.0f} epochs",
    "patience": lambda value: f"patience {value:.0f}",
    "momentum": lambda value: f"momentum {value:g}",
    "weight_decay": lambda value: f"weight decay {value:g}",
    "optimiser": lambda value: str(value),
    "schedule": lambda value: f"{value} rate",
    "warm_up": lambda value: f"warm-up {value:g}",
    "label_smoothing": lambda value: f"label smoothing {value:g}",
    "clip_norm": lambda value: f"clip norm {value:g}",
    "normalisation": lambda value: f"{value} normalisation",
    "stop_at": lambda value: f"stop at {value:g}",
    "precision": lambda value: f"precision {value}",
    "level": lambda value: f"level {value:g}",
    "training_version": lambda value: f"version {value:.0f}",
    "data": lambda value: f"data {value[:6]}",
}
"""Reading of a value in words, by column of trials. The first of columns that serve equally well is named."""


def recipe_column(trials: pd.DataFrame, variants: Sequence[str] = ()) -> pd.Series:
    """What tells each trial from others of its model, source and experiment: ``learning rate 0.005``.

    The fewest columns that tell all of them apart, and of these the ones with the fewest values, since models of one
    preset mostly share them. ``variants`` are columns of the study's own. Empty for all while nothing differs.
    """
    cells = trials.groupby(list(CELL), dropna=False, sort=False).ngroup()
    readings = {**{name: partial(value_of, name) for name in variants}, **READINGS}
    read = {name: [_read(name, value, readings) for value in trials[name]] for name in readings if name in trials}
    words = pd.DataFrame(read, index=trials.index)
    for variant in trials[VARIANT].unique():  # what a search chose differs by size, and is one recipe
        words.loc[trials[VARIANT] == variant, list(tuned_fields(variant))] = TUNED
    named: list[str] = []
    while _kinds(cells, words, named) < _kinds(cells, words, list(words)):
        others = [name for name in words if name not in named]
        named.append(max(others, key=lambda name: (_kinds(cells, words, [*named, name]), -words[name].nunique())))
    texts = [", ".join(row) for row in words[[name for name in words if name in named]].to_numpy()]
    return pd.Series(texts, index=trials.index, name=DIFFERENCE, dtype=str)


def by_recipe(tables: "Tables") -> "dict[str, Tables]":
    """The tables of each recipe that trials have, in order of appearance."""
    return {str(name): _only(tables, rows) for name, rows in tables.trials.groupby(DIFFERENCE, sort=False)}


def _only(tables: "Tables", trials: pd.DataFrame) -> "Tables":
    chosen = set(trials["trial_id"])
    kept = {name: frame[frame["trial_id"].isin(chosen)].reset_index(drop=True) for name, frame in vars(tables).items()}
    return replace(tables, **kept)


def value_of(name: str, value: Any) -> str:
    """Reading of a variant of the study: ``feed online``."""
    return f"{name.replace('_', ' ')} {value}"


def _read(name: str, value: Any, readings: Mapping[str, Callable[[Any], str]]) -> str:
    return f"no {name.replace('_', ' ')}" if pd.isna(value) else readings[name](value)


def _kinds(cells: pd.Series, words: pd.DataFrame, names: Sequence[str]) -> int:
    """Different trials, as far as their cells and these columns say."""
    return len(words[list(names)].assign(cell=cells).drop_duplicates())
