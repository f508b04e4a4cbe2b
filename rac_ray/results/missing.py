"""Trials of a sweep that no board can count: how many failed, have not run, or have nothing to rank by."""

from collections.abc import Mapping

import pandas as pd

from rac_ray.counted import counted

FAILED, NOT_RUN, UNRANKED = KINDS = ("failed", "not_run", "unranked")
"""Kinds of missing trials, as columns are called."""
OF_STATE = {"failed": FAILED, "pending": NOT_RUN, "running": NOT_RUN}
"""Kind by state; those that ended otherwise are UNRANKED."""
SAID = {
    FAILED: ("failed", "failed"),
    NOT_RUN: ("has not run", "have not run"),
    UNRANKED: ("has no accuracy to rank by", "have no accuracy to rank by"),
}
"""What is said of one and of several trials, by kind."""


def counts_of(missing: pd.DataFrame) -> dict[str, int]:
    """How many there are of each kind, by their states."""
    kinds = [OF_STATE.get(state, UNRANKED) for state in missing["state"]]
    return {kind: kinds.count(kind) for kind in KINDS}


def in_words(counts: Mapping[str, int], total: int) -> str:
    """``3 of 6 trials failed, 1 has not run``; empty where none is missing."""
    told = [(counts[kind], SAID[kind][counts[kind] != 1]) for kind in KINDS if counts[kind]]
    of = f" of {counted(total, 'trial')}"
    return ", ".join(f"{count}{'' if place else of} {said}" for place, (count, said) in enumerate(told))


def in_short(counts: Mapping[str, int]) -> str:
    """``3 failed, 1 not run``; a dash where none is missing."""
    return ", ".join(f"{counts[kind]} {kind.replace('_', ' ')}" for kind in KINDS if counts[kind]) or "-"
