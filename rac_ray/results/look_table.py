"""The looks that a sweep had at its claims while it added seeds, as rows of a table."""

from collections.abc import Mapping, Sequence

import pandas as pd

from rac_ray.results.columns import LOOK_COLUMNS, P_VALUES
from rac_ray.sweep.decisions import DecisionRecord


def look_rows(records: Sequence[DecisionRecord], trials: Mapping[str, str]) -> pd.DataFrame:
    """A row per look at each declared claim, or one with look 0 where there was none yet.

    ``trials`` are ids of trials by training: a record's rows have that of the first one that it is about, and there are
    none of a record that is about none of them.
    """
    rows = []
    for record in records:
        first = next((trials[each] for each in (*record.trainings, *record.trials_added) if each in trials), None)
        if first is None:
            continue
        for claim in record.claims:
            shared = {
                "trial_id": first, "record_id": record.record_id, "claim_id": claim,
                "looks": len(record.looks_at), "alpha": record.alpha, "spending": record.spending,
                "budget": record.budget.words, "ended": record.ended,
            }  # fmt: skip
            none = {"look": 0, "seeds": 0, "weight": 1.0, **dict.fromkeys(P_VALUES, 1.0), "outcome": ""}
            found = [
                {
                    "look": each.look,
                    "seeds": each.seeds,
                    "weight": record.weights[each.look - 1],
                    **{name: getattr(each, name) for name in P_VALUES},
                    "outcome": each.outcome,
                }
                for each in record.history(claim)
            ]
            rows += [
                {
                    **shared,
                    **each,
                    "which_seeds": " ".join(map(str, record.first_seeds(each["seeds"] or len(record.seeds)))),
                }
                for each in found or [none]
            ]
    return pd.DataFrame(rows, columns=LOOK_COLUMNS)
