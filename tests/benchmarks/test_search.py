"""The benchmark of searches on a grid of seconds."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.search import GIVEN, GRID, chosen, searched


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_row_per_model_and_size_says_what_was_chosen(tmp_path: Path) -> None:
    quick = replace(GIVEN, max_epochs=1)
    few = replace(GRID, models=("timesformer1",), hidden_units=(2,), train_clips=32, val_clips=8, test_clips=2)
    table = searched(tmp_path, 2, replace(few, recipes={"timesformer1": quick}))
    assert table["number"].tolist() == [0, 1]
    (row,) = chosen(table).to_dict("records")
    assert (row["model"], row["h"], row["epochs of all"]) == ("timesformer1", 2, 2)
    assert row["chosen"] in table["recipe"].tolist()
    assert searched(tmp_path, 2, replace(few, recipes={"timesformer1": quick})).equals(table), "nothing runs again"
