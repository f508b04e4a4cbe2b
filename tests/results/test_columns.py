"""Names of columns: each once in a table, and the same in the tables that are joined by them."""

from dataclasses import fields

import pytest

from rac_ray.identity import Recipe
from rac_ray.results.columns import (
    CELL,
    DIFFERENCE,
    EVALUATION_COLUMNS,
    EXPERIMENT,
    FAILURE_COLUMNS,
    KEY,
    OUTCOME,
    SIZE_NAME,
    STUDY,
    TRIAL_COLUMNS,
)
from rac_ray.store.record import Record


@pytest.mark.parametrize("columns", [TRIAL_COLUMNS, EVALUATION_COLUMNS, FAILURE_COLUMNS])
def test_a_name_stands_for_one_column(columns: list[str]) -> None:
    assert len(set(columns)) == len(columns)
    assert columns[0] == "trial_id"


def test_evaluations_repeat_what_tells_their_trials_apart() -> None:
    told = {"trial_id", STUDY, *KEY, SIZE_NAME, EXPERIMENT, DIFFERENCE, *CELL}
    assert told <= set(TRIAL_COLUMNS) & set(EVALUATION_COLUMNS)


def test_a_trials_row_has_its_recipe_and_the_fields_of_its_record() -> None:
    """A field that is renamed in records, and not here, would be an empty column."""
    assert {field.name for field in fields(Recipe)} <= set(TRIAL_COLUMNS)
    assert set(OUTCOME) - {"precision_used"} <= set(Record.__struct_fields__)
