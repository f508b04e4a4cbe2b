"""Verdicts of a sweep that adds seeds until its claims are decided: p values over looks, rulings as they fell.

A look at n seeds stands on the trials of the first n seeds alone, however many there are by then for another claim's
sake: what it comes to does not depend on who was given seeds. What a look came to counts as it was written down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from rac_ray.counted import counted
from rac_ray.results.answers import Answers
from rac_ray.results.claims import DECIDED, Claim
from rac_ray.results.columns import P_VALUES
from rac_ray.results.schedule import sequential
from rac_ray.results.verdicts import Ruling, Verdict, by_itself, decided


@dataclass(frozen=True)
class Seen:
    """What is known of one claim after some looks."""

    seeds: tuple[int, ...]
    """Those of the look that its verdict is of."""
    p_values: Mapping[str, float]
    """By name (``verdicts.P_VALUES``), corrected over looks, not over claims."""
    ruling: str = ""
    """As it fell at that look; one that is no decision is found out again."""


def seen_of(rows: pd.DataFrame) -> dict[str, Seen]:
    """What the looks of a record came to, by claim: the look that decided it, or the last one."""
    found = {}
    for claim, mine in _by_claim(rows):
        shown = _shown(mine)
        p_values = {name: sequential(zip(mine[name], mine["weight"], strict=True)) for name in P_VALUES}
        seeds = tuple(map(int, str(shown["which_seeds"]).split()))
        found[claim] = Seen(seeds, p_values, str(shown["outcome"]))
    return found


def _by_claim(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The looks at each claim; where two records have it, those of the first."""
    groups: Any = rows.groupby("claim_id", sort=False)
    return [(str(claim), mine[mine["record_id"] == mine["record_id"].iloc[0]]) for claim, mine in groups]


def _shown(looks: pd.DataFrame) -> Mapping[str, Any]:
    """The look that a claim's verdict is of: the one that decided it, or the last."""
    ordered = looks.sort_values("look")
    deciding = ordered[ordered["outcome"].isin(DECIDED)]
    return (deciding if len(deciding) else ordered.tail(1)).iloc[0].to_dict()


def judge_over_looks(answers: Answers, claims: Sequence[Claim], seen: Mapping[str, Seen]) -> list[Verdict]:
    """A verdict on each claim by its p values over looks, corrected over claims.

    A claim that was not declared has not been run.
    """
    found = []
    for claim in claims:
        its = seen.get(claim.claim_id)
        if its is None:
            found.append(Verdict(claim, "not run", (), lacking="it was not declared before the first look"))
            continue
        alone = by_itself(of_seeds(answers, its.seeds), claim, len(claims))
        run = alone.outcome != "not run"
        found.append(replace(alone, **its.p_values) if run else alone)
    return [_as_it_fell(each, seen.get(each.claim.claim_id)) for each in decided(found)]


def _as_it_fell(verdict: Verdict, seen: Seen | None) -> Verdict:
    if seen is None or seen.ruling not in DECIDED or verdict.outcome == "not run":
        return verdict
    return replace(verdict, outcome=cast(Ruling, seen.ruling))


def of_seeds(answers: Answers, seeds: Sequence[int]) -> Answers:
    """The answers of the trials of some seeds, on the same resampled clips."""
    places = np.flatnonzero(answers.trials["seed"].isin(list(seeds)))
    return replace(
        answers,
        trials=answers.trials.iloc[places].reset_index(drop=True),
        top1={part: draws[:, places] for part, draws in answers.top1.items()},
        right={part: right[:, places] for part, right in answers.right.items()},
    )


def looks_in_words(rows: pd.DataFrame) -> dict[str, str]:
    """``decided at look 2 of 5 (7 seeds), p over looks`` of each claim of a record."""
    return {claim: _in_words(_shown(mine)) for claim, mine in _by_claim(rows)}


def _in_words(look: Mapping[str, Any]) -> str:
    at = f"look {look['look']} of {look['looks']} ({counted(look['seeds'], 'seed')}), p over looks"
    if look["outcome"] in DECIDED:
        return f"decided at {at}"
    if not look["look"]:
        return f"not looked at yet, the first of {counted(look['looks'], 'look')} is to come"
    if not look["ended"]:
        return f"not decided at {at}"
    why = "at the last look" if look["look"] == look["looks"] else f"within the budget of {look['budget']}"
    return f"undecided {why}: {at}"
