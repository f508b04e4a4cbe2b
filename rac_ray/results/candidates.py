"""Recipes that searches tried, as rows of a table."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from rac_ray.results.columns import CANDIDATE_COLUMNS, SIZE_NAME
from rac_ray.store.redaction import without_credentials
from rac_ray.sweep.search import SearchRecord


def candidate_rows(records: Sequence[SearchRecord], wanted: Collection[str] | None) -> pd.DataFrame:
    """A row per candidate of the searches that are wanted, in their order."""
    rows = [
        {
            "trial_id": each.training_id,
            "search_id": record.search_id,
            "source": record.source,
            "model": record.model,
            SIZE_NAME: record.size,
            "hidden_units": record.hidden_units,
            "number": number,
            "recipe": in_words(each.changes) or "as given",
            "state": each.state,
            "epochs": len(each.val_top1),
            "best_val_top1": each.best_val_top1,
            "chosen": each.training_id == record.chosen,
            "reason": without_credentials(each.reason),
        }
        for record in records
        if wanted is None or record.search_id in wanted
        for number, each in enumerate(record.candidates)
    ]
    return pd.DataFrame(rows, columns=CANDIDATE_COLUMNS)


def in_words(values: Mapping[str, Any]) -> str:
    """``learning_rate 0.01, optimiser adamw``."""
    return ", ".join(f"{name} {value}" for name, value in values.items())
