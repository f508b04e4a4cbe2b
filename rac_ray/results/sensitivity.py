"""How much verdicts hang on limits that a paper leaves open, such as what counts as "very low". Pandas."""

from collections import Counter
from collections.abc import Sequence
from typing import get_args

import pandas as pd

from rac_ray.results.at_chance import MOSTLY
from rac_ray.results.claims import Claim
from rac_ray.results.findings import Measurements
from rac_ray.results.verdicts import Ruling, rulings

SHARES = (0.25, MOSTLY, 0.75)
"""Of a model's trials that must have learned for a claim on its ratios; the middle one is ours."""


def sensitivity_table(measurements: Measurements, readings: Sequence[Sequence[Claim]]) -> pd.DataFrame:
    """One row per claim and verdict: how many of all choices give it.

    A choice is one of ``readings``, the study's claims with limits of their own, the first one as given, and one of
    SHARES. ``measurements`` are of the contrasts of all readings. Columns claim_id, choices, as_given, outcome, count,
    share.
    """
    counts: dict[str, Counter[str]] = {}
    for claims in readings:
        for share in SHARES:
            for verdict in rulings(claims, measurements, share):
                counts.setdefault(verdict.claim.claim_id, Counter())[verdict.outcome] += 1
    choices = len(readings) * len(SHARES)
    given = {each.claim.claim_id: each.outcome for each in rulings(readings[0], measurements)}
    rows = [
        (claim_id, choices, given[claim_id], outcome, found[outcome], found[outcome] / choices)
        for claim_id, found in counts.items()
        for outcome in sorted(found, key=get_args(Ruling).index)
    ]
    return pd.DataFrame(rows, columns=["claim_id", "choices", "as_given", "outcome", "count", "share"])


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """A row per claim: ``reproduced 81, underpowered 162``."""
    rows = []
    for claim_id, of_claim in table.groupby("claim_id", sort=False):
        told = ", ".join(
            f"{outcome} {count}" for outcome, count in of_claim[["outcome", "count"]].itertuples(index=False)
        )
        first = of_claim.iloc[0]
        rows.append({"claim": claim_id, "as given": first["as_given"], "choices": first["choices"], "verdicts": told})
    return pd.DataFrame(rows, columns=["claim", "as given", "choices", "verdicts"])
