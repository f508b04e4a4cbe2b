"""Recipes that searches tried, as rows."""

from rac_ray.results.candidates import candidate_rows, in_words
from rac_ray.results.columns import CANDIDATE_COLUMNS
from rac_ray.sweep.search import Candidate, SearchRecord


def record(search_id: str) -> SearchRecord:
    tried = [
        Candidate(training_id="a", changes={}, state="done", val_top1=[0.2, 0.4, 0.3]),
        Candidate(training_id="b", changes={"learning_rate": 0.01}, state="cut", val_top1=[0.1], reason="after 1"),
        Candidate(training_id="c", changes={"learning_rate": 1.0}, state="failed", val_top1=[], reason="nan"),
    ]
    return SearchRecord(
        study="s", search_id=search_id, model="cnn3d", hidden_units=4, size="", source="2dot", about={}, given={},
        space=["learning_rate=log(0.01,1)"], rungs=[1, 3], candidates=tried, trials=3, chosen="a",
    )  # fmt: skip


def test_each_candidate_is_a_row_with_what_it_came_to() -> None:
    table = candidate_rows([record("x"), record("y")], wanted=["x"])
    assert list(table.columns) == CANDIDATE_COLUMNS
    told = ["trial_id", "number", "recipe", "state", "epochs", "best_val_top1", "chosen", "reason"]
    assert table[told].to_numpy().tolist() == [
        ["a", 0, "as given", "done", 3, 0.4, True, ""],
        ["b", 1, "learning_rate 0.01", "cut", 1, 0.1, False, "after 1"],
        ["c", 2, "learning_rate 1.0", "failed", 0, 0.0, False, "nan"],
    ]  # fmt: skip
    assert set(table["search_id"]) == {"x"}
    assert set(candidate_rows([record("x"), record("y")], wanted=None)["search_id"]) == {"x", "y"}


def test_no_search_is_an_empty_table() -> None:
    assert list(candidate_rows([], None).columns) == CANDIDATE_COLUMNS
    assert in_words({}) == ""
