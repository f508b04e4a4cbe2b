"""The tables of a leaderboard: a row per model, and the comparisons behind its place."""

from itertools import combinations

import numpy as np
import pandas as pd

from rac_ray.results.at_chance import guesses
from rac_ray.results.board import Board
from rac_ray.results.columns import VARIANT
from rac_ray.results.missing import KINDS, counts_of
from rac_ray.results.places import Gap, corrected, lead
from rac_ray.results.statistics import ALPHA, NOTHING
from rac_ray.results.summaries import BY_SIZE

BOARD_COLUMNS = [
    "board", "study", "source", "first_place", "last_place", "model", "recipe", "variant", "lead", "low",
    "high", "compared", "reason", "source_top1", "target_top1", "robustness_ratio", "ratio_low", "ratio_high",
    "trials", "seeds", "sizes", "never_learned", *KINDS, "fewest_parameters", "most_parameters", "seconds", "epochs",
    "max_epochs", "sweep", "preset", "commit", "capsule", "device", "which_seeds", "data",
]  # fmt: skip
PAIR_COLUMNS = [
    "board", "source", "first", "first_recipe", "first_sweep", "second", "second_recipe", "second_sweep", "difference",
    "low", "high", "p", "holm", "decided", "seeds", "trials", "reason",
]  # fmt: skip
WHOLE = dict.fromkeys(("first_place", "last_place", "fewest_parameters", "most_parameters"), "Int64")
"""Columns of whole numbers that a row may lack."""


def board_table(board: Board, number: int) -> pd.DataFrame:
    """A row per model of the board with this number, in the order of places."""
    rows = [{"board": number, **_row(board, place)} for place in board.order]
    return pd.DataFrame(rows, columns=BOARD_COLUMNS).astype(WHOLE)


def _row(board: Board, number: int) -> dict[str, object]:
    row, ground = board.rows[number], board.ground
    trials, learned, known = row.trials, row.trials["learned"].to_numpy(bool), row.known
    gap, compared = lead(board.gaps, number)
    ratio = NOTHING if board.silent(number) or guesses(learned) else board.away("robustness_ratio", number)
    first, last = board.places.get(number, (pd.NA, pd.NA))
    trained = trials.drop_duplicates("training_id")
    sizes = trials["parameters"].astype(int).tolist()
    return {
        "study": ground.study, "source": ground.source, "first_place": first, "last_place": last, "model": row.model,
        "recipe": row.recipe, "variant": _listed(known, VARIANT),
        "lead": gap.estimate, "low": gap.low, "high": gap.high, "compared": compared,
        "reason": board.reason(number), "source_top1": board.home(number),
        "target_top1": board.away("top1", number).estimate, "robustness_ratio": ratio.estimate,
        "ratio_low": ratio.low, "ratio_high": ratio.high, "trials": len(trials), "seeds": len(set(trials["seed"])),
        "sizes": len(trials[BY_SIZE].drop_duplicates()), "never_learned": int((~learned).sum()),
        **counts_of(row.missing),
        "fewest_parameters": min(sizes, default=pd.NA), "most_parameters": max(sizes, default=pd.NA),
        "seconds": _mean(trained, "seconds_total"), "epochs": _mean(trained, "epochs"),
        "max_epochs": max(known["max_epochs"].astype(int).tolist()), "sweep": row.sweep.name,
        "preset": row.sweep.preset, "commit": _listed(trials, "commit"),
        "capsule": row.sweep.digest, "device": _listed(trials, "device"),
        "which_seeds": _listed(trials, "seed"), "data": ground.data,
    }  # fmt: skip


def pair_table(board: Board, number: int) -> pd.DataFrame:
    """Each two models that could have a place, in the order of the board: the first less the second."""
    p = corrected(board.gaps)
    rows = []
    for pair in combinations([place for place in board.order if place not in board.unable], 2):
        one, other = (board.rows[place] for place in pair)
        key = (min(pair), max(pair))
        row = {
            "board": number, "source": board.ground.source, "first": one.model, "first_recipe": one.recipe,
            "first_sweep": one.sweep.name, "second": other.model, "second_recipe": other.recipe,
            "second_sweep": other.sweep.name, "decided": False, "reason": "",
        }  # fmt: skip
        gap = board.compared[key]
        if isinstance(gap, Gap):
            effect = gap.effect if pair == key else gap.effect.turned
            row |= {"difference": effect.estimate, "low": effect.low, "high": effect.high, "p": gap.p, "holm": p[key]}
            row |= {"decided": p[key] < ALPHA, "seeds": gap.seeds, "trials": gap.trials}
        rows.append(row if isinstance(gap, Gap) else {**row, "reason": gap})
    return pd.DataFrame(rows, columns=PAIR_COLUMNS).astype({"seeds": "Int64", "trials": "Int64"})


def _mean(trials: pd.DataFrame, name: str) -> float:
    """NaN of none."""
    return float(np.mean(trials[name].to_numpy(float))) if len(trials) else float("nan")


def _listed(trials: pd.DataFrame, name: str) -> str:
    """Different values of a column, in ascending order."""
    return ", ".join(map(str, sorted(set(trials[name].dropna()))))
