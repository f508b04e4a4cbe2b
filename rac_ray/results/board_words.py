"""A leaderboard for people: its table in few columns, what it says in a sentence, what rows and sweeps stand on."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rac_ray.counted import counted, duration
from rac_ray.results import missing
from rac_ray.results.analysis import SPREAD_NOTE
from rac_ray.results.board import Board
from rac_ray.results.columns import DIFFERENCE
from rac_ray.results.formats import cells, signed
from rac_ray.results.looks import look_of
from rac_ray.results.missing import KINDS
from rac_ray.results.names import domain_name

LEAD = "points ahead"
TITLE = (
    f"{LEAD}: by how many points of a percent a model is right more often on other domains than the other models are "
    f"at the same accuracy on their own domain {SPREAD_NOTE}; place: those that this leaves it, at 5% over all pairs"
)
MISSING = "missing trials"
"""Column of trials that do not count."""
UNITS = {1e9: "G", 1e6: "M", 1e3: "k"}
"""Letters of numbers of parameters."""


def heading(board: Board) -> str:
    """``Trained on Day, asked about Fog and Rain``."""
    domains = board.rows[0].sweep.study.domains
    targets = ", ".join(domain_name(domains, target) for target in board.targets) or "no other domain"
    return f"Trained on {domain_name(domains, board.ground.source)}, asked about {targets}"


def shown_table(table: pd.DataFrame, sweeps: Mapping[str, int]) -> pd.DataFrame:
    """The rows of a ``board_table`` as text; ``sweeps`` numbers them by name."""
    ratio = table.assign(mean=table["robustness_ratio"], low=table["ratio_low"], high=table["ratio_high"])
    gaps = table[["lead", "low", "high"]].to_numpy(float) * 100
    recipes = [recipe or variant for recipe, variant in table[["recipe", "variant"]].to_numpy().tolist()]
    columns = {
        "model": [look_of(model).label for model in table["model"]],
        DIFFERENCE: recipes,
        "place": [place_in_words(*each) for each in table[["first_place", "last_place"]].to_numpy().tolist()],
        LEAD: [signed(*gap.tolist(), enough=True, digits=1) for gap in gaps],
        "own domain %": _percent(table["source_top1"].tolist()),
        "other domains %": _percent(table["target_top1"].tolist()),
        "robustness ratio": cells(ratio, digits=2),
        "parameters": [
            " to ".join(dict.fromkeys("-" if pd.isna(count) else in_short(count) for count in each))
            for each in table[["fewest_parameters", "most_parameters"]].to_numpy().tolist()
        ],
        "time per trial": ["-" if pd.isna(seconds) else duration(seconds) for seconds in table["seconds"]],
        MISSING: [missing.in_short(row) for row in table.to_dict("records")],
        "sweep": [str(sweeps[name]) for name in table["sweep"]],
    }
    unused = [*([] if any(recipes) else [DIFFERENCE]), *([] if table[list(KINDS)].to_numpy().any() else [MISSING])]
    return pd.DataFrame(columns).drop(columns=unused)


def _percent(shares: Sequence[float]) -> list[str]:
    return ["-" if pd.isna(share) else f"{100 * share:.0f}" for share in shares]


def place_in_words(first: Any, last: Any) -> str:
    """``1``, ``2 to 4``, a dash for none."""
    return "-" if pd.isna(first) else str(first) if first == last else f"{first} to {last}"


def in_short(count: float) -> str:
    """``850``, ``4.2k``, ``1.3M``, ``7G``, in three digits."""
    shown = float(f"{count:.3g}")
    unit = next((unit for unit in UNITS if shown >= unit), 1)
    return f"{shown / unit:g}{UNITS.get(unit, '')}"


def names(table: pd.DataFrame, sweeps: Mapping[str, int]) -> list[str]:
    """What each row is called: its model, and its recipe and sweep where the model has several rows."""
    rows = table[["model", "recipe", "sweep"]].to_numpy().tolist()
    models = [model for model, *_ in rows]
    told = []
    for model, recipe, sweep in rows:
        apart = ", ".join(filter(None, (recipe, f"sweep {sweeps[sweep]}")))
        told.append(f"{look_of(model).label}{f' ({apart})' if models.count(model) > 1 else ''}")
    return told


def answer(table: pd.DataFrame, sweeps: Mapping[str, int], number: int, several: bool) -> str:
    """Who may be first, in a sentence."""
    ranked = table.assign(name=names(table, sweeps)).dropna(subset=["first_place"])
    lasts = ranked["last_place"].tolist()
    of = f"Board {number}: " if several else ""
    if ranked.empty:
        return f"{of}no model has a place."
    count = counted(len(ranked), "model")
    first = ranked.loc[ranked["first_place"] == 1, "name"].tolist()
    if len(first) == 1:
        return f"{of}of {count} {first[0]} is the most robust one at the same accuracy on its own domain."
    if len(first) == len(ranked) and set(lasts) == {len(ranked)}:
        return f"{of}of {count} none is known to be more robust than another at the same accuracy on its own domain."
    return f"{of}of {count} {len(first)} may be the most robust one: {', '.join(first)}."


def without_place(table: pd.DataFrame, sweeps: Mapping[str, int]) -> list[str]:
    """A line for each row without a place, and why."""
    rows = zip(names(table, sweeps), table["reason"].tolist(), strict=True)
    return [f"no place: {name}: {reason}" for name, reason in rows if reason]


def sweeps_table(tables: Sequence[pd.DataFrame], sweeps: Mapping[str, int]) -> pd.DataFrame:
    """What each sweep that has a row says of itself."""
    rows = []
    every = pd.concat(tables)
    for name, number in sweeps.items():
        mine = every.loc[every["sweep"] == name]
        if mine.empty:
            continue
        rows.append(
            {
                "sweep": str(number),
                "name": name,
                "preset": mine["preset"].iloc[0] or "-",
                "capsule": mine["capsule"].iloc[0] or "-",
                "commit": _joined(mine["commit"]),
                "seeds": _joined(mine["which_seeds"]),
                "at most epochs": _joined(mine["max_epochs"]),
                "trials": str(mine["trials"].sum()),
                MISSING: _missing_of(mine),
                "device": _joined(mine["device"]),
            }
        )
    return pd.DataFrame(rows)


def _missing_of(rows: pd.DataFrame) -> str:
    """``3 of 24 trials failed, 1 has not run`` of all rows of a sweep; a dash where none is missing."""
    counts = {kind: sum(rows[kind].tolist()) for kind in KINDS}
    return missing.in_words(counts, sum(counts.values()) + sum(rows["trials"].tolist())) or "-"


def _joined(values: pd.Series) -> str:
    """Different values of cells, which may list several, in order of appearance; a dash for none."""
    words = dict.fromkeys(word for value in values for word in str(value).split(", "))
    return ", ".join(filter(None, words)) or "-"


def sweep_lines(table: pd.DataFrame) -> list[str]:
    """A line for each sweep of a ``sweeps_table``."""
    return [
        f"sweep {row['sweep']}: {row['name']}; preset {row['preset']}; capsule {row['capsule']}; commit "
        f"{row['commit']}; seeds {row['seeds']}; at most {row['at most epochs']} epochs; "
        f"{counted(int(row['trials']), 'trial')} on {row['device']}{'' if row[MISSING] == '-' else f'; {row[MISSING]}'}"
        for row in table.to_dict("records")
    ]
