"""Models of which not all trials were asked about every evaluation set: what is said of them in tables of one row."""

from collections.abc import Sequence
from typing import cast

import pandas as pd

from rac_ray.results.answers import Answers
from rac_ray.results.at_chance import counted
from rac_ray.results.looks import look_of
from rac_ray.results.names import Domains, set_name
from rac_ray.results.summaries import BASIS, FIGURE3_ROLES


def fullest(table: pd.DataFrame, keys: Sequence[str] = ("model",)) -> pd.DataFrame:
    """Of each model, or of each value of ``keys``, the row that stands on the most trials; the first one of several."""
    ordered = table.sort_values("trials", ascending=False, kind="stable")
    return table.loc[ordered.drop_duplicates(list(keys)).index.sort_values()]


def in_one_row(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """A long table whose counts are the same in all rows of one value of ``keys``, so that they can be one row: those
    of ``BASIS``, and the column ``never learned``, in words, of the most trials."""
    most = fullest(table, keys)
    words = dict(zip(_rows(most, keys), counted(most), strict=True))
    return counts_in_one_row(table, keys, BASIS).assign(**{"never learned": [words[row] for row in _rows(table, keys)]})


def counts_in_one_row(table: pd.DataFrame, keys: Sequence[str], counts: Sequence[str]) -> pd.DataFrame:
    """A long table with the same counts in all rows of one value of ``keys``: those that differ by evaluation set are
    told as ``1 to 3``."""
    told = {}
    for name in counts:
        ends = cast(pd.DataFrame, table.groupby(list(keys), sort=False)[name].agg(["min", "max"]))
        words = [least if least == most else f"{least} to {most}" for least, most in ends.to_numpy().tolist()]
        if any(isinstance(each, str) for each in words):
            told_of = dict(zip(_rows(ends.reset_index(), keys), words, strict=True))
            told[name] = [told_of[row] for row in _rows(table, keys)]
    return table.assign(**told)


def _rows(table: pd.DataFrame, keys: Sequence[str]) -> list[tuple[object, ...]]:
    return list(table[list(keys)].itertuples(index=False, name=None))


def unasked(answers: Answers, source: str, domains: Domains) -> str:
    """A warning which models' trials of a source were not all asked about an evaluation set; empty if all were."""
    told = []
    for part in answers.parts(source, FIGURE3_ROLES):
        counts = []
        for model in answers.models(source):
            places = answers.places(source=source, model=model)
            asked = len(answers.asked(places, part))
            counts += [f"{look_of(model).label} {asked} of {len(places)}"] if asked < len(places) else []
        named = set_name(domains, *part, answers.role_of[source, *part])
        told += [f"{named}: {', '.join(counts)}"] if counts else []
    return f"; not all trials were asked about everything ({'; '.join(told)})" if told else ""
