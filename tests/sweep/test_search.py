"""Searches as plain data: candidates, choices, and trials with what was chosen."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rac_ray import api
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe
from rac_ray.store.record import Damaged
from rac_ray.store.storage import Storage
from rac_ray.sweep.only import Only
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.remembered import last_options, remember_options
from rac_ray.sweep.search import (
    SEARCH_SEED,
    Candidate,
    Search,
    SearchBook,
    SearchRecord,
    cell_of,
    chosen_words,
    tuned_fields,
)
from tests.sweep.tiny_sweep import GRID, plan_of, study_of

RATES = ["learning_rate=log(1e-4,1e-1)"]


def plan(folder: Path, only: str = "", grid: Any = GRID, **asked: Any) -> Plan:
    given = {"tune": RATES, "tune_trials": 4} | asked
    narrowed = Only.parse(only) if only else None
    return plan_of(grid, folder / "results", folder / "data", asked=given, only=narrowed)


def one_search(folder: Path, **asked: Any) -> Search:
    (search,) = plan(folder, **asked).searches
    return search


def record_of(search: Search, *states: str, tops: tuple[float, ...] = ()) -> SearchRecord:
    """A file in which the search's first candidates came to these ends."""
    training = search.task.training
    given = vars(training.recipe)
    ended = [
        Candidate(
            training_id=task.training_id,
            changes={k: v for k, v in vars(task.training.recipe).items() if v != given[k]},
            state=state,  # type: ignore[arg-type]
            val_top1=[top1],
        )
        for task, state, top1 in zip(search.candidates(), states, tops or [0.5] * len(states), strict=False)
    ]
    return SearchRecord(
        study="tiny", search_id=search.search_id, model=training.model, hidden_units=2, size="", source="2dot",
        about={}, given=dict(given), space=search.space.texts, rungs=[1], candidates=ended, trials=search.trials,
    )  # fmt: skip


def test_there_is_one_search_for_each_model_size_and_source(tmp_path: Path) -> None:
    grid = replace(GRID, models=("timesformer1", "cnn3d"), hidden_units=(2, 4), sources=("2dot", "mnist_bg"))
    made = plan(tmp_path, grid=grid)
    assert len(made.searches) == 8
    assert {search.name for search in made.searches} >= {"cnn3d h=4 mnist_bg", "timesformer1 h=2 2dot"}
    assert len({search.search_id for search in made.searches}) == 8
    assert [trial.variant for trial in made.trials] == [""] * 24, "nothing is chosen yet"


def test_candidates_have_a_seed_of_their_own_and_look_at_no_target(tmp_path: Path) -> None:
    search = one_search(tmp_path)
    candidates = search.candidates()
    assert len({task.training_id for task in candidates}) == 4
    assert {task.training.seed for task in candidates} == {SEARCH_SEED}
    assert {task.evaluations for task in candidates} == {()}
    assert {tuple(task.counts.evaluated) for task in candidates} == {()}
    assert candidates[0].training.recipe == search.task.training.recipe, "the recipe as given is the first"
    changed = [task.training.recipe for task in candidates[1:]]
    assert all(replace(recipe, learning_rate=0.01) == search.task.training.recipe for recipe in changed)
    assert candidates[1].training.name.startswith("timesformer1 h=2 2dot learning_rate=")


def test_more_candidates_are_more_of_the_same_search(tmp_path: Path) -> None:
    """What has run for four is what eight begin with."""
    few, many = one_search(tmp_path), one_search(tmp_path, tune_trials=8)
    assert few.search_id == many.search_id
    ids = [task.training_id for task in many.candidates()]
    assert [task.training_id for task in few.candidates()] == ids[:4]


def test_what_targets_hold_has_no_part_in_a_search(tmp_path: Path) -> None:
    """Other target clips, and further target domains: the same search, the same candidates."""
    other = plan(tmp_path, grid=replace(GRID, test_clips=9, paired_clips=8)).searches[0]
    search = one_search(tmp_path)
    assert other.search_id == search.search_id
    assert [task.training_id for task in other.candidates()] == [task.training_id for task in search.candidates()]


def test_a_space_with_few_points_has_few_candidates(tmp_path: Path) -> None:
    search = one_search(tmp_path, tune=["optimiser=sgd|adamw", "schedule=constant|cosine"], tune_trials=16)
    recipes = {(task.training.recipe.optimiser, task.training.recipe.schedule) for task in search.candidates()}
    assert (len(search.candidates()), len(recipes)) == (4, 4)


def test_a_search_of_a_small_space_has_ended_with_its_last_candidate(tmp_path: Path) -> None:
    search = one_search(tmp_path, tune=["optimiser=sgd|adamw"], tune_trials=16)
    for states, ended in ((("done",), False), (("done", "cut"), True)):
        record = msgspec.structs.replace(record_of(search, *states), most=2)
        assert record.ended(16) == ended
        assert (record.best_of(16) is not None) == ended


def test_the_best_of_those_that_ran_to_their_end_is_chosen(tmp_path: Path) -> None:
    search = one_search(tmp_path)
    ids = [task.training_id for task in search.candidates()]
    record = record_of(search, "done", "cut", "done", "done", tops=(0.4, 0.9, 0.6, 0.6))
    best = record.best_of(4)
    assert best is not None
    assert best.training_id == ids[2], "not the cut one; the earlier one on ties"
    first = record.best_of(2)
    assert first is not None
    assert first.training_id == ids[0], "what two would have chosen is still known"
    assert record.best_of(5) is None, "the fifth has not ended"
    assert record_of(search, "failed", "failed").best_of(2) is None


def test_trials_with_the_chosen_recipe_stand_beside_the_given_ones(tmp_path: Path) -> None:
    search = one_search(tmp_path)
    SearchBook(plan(tmp_path).sweep).write(record_of(search, "done", "done", "cut", "failed", tops=(0.4, 0.6, 0.9, 0)))
    made = plan(tmp_path)
    chosen = search.candidates()[1].training.recipe
    tuned = [trial for trial in made.trials if trial.variant]
    assert [trial.training.seed for trial in tuned] == [0, 1, 2]
    assert {trial.training.recipe for trial in tuned} == {chosen}
    assert {trial.variant for trial in tuned} == {"tuned learning_rate x4"}
    assert len(made.tasks) == len({task.training_id for task in made.tasks}) == 6
    assert all(task.evaluations for task in made.tasks), "they are evaluated as all trials are"
    narrowed = plan(tmp_path, "variant=tuned learning_rate x4,seed=1")
    assert [trial.trial_id for trial in narrowed.trials] == [tuned[1].trial_id]
    assert chosen_words(SearchBook(made.sweep).best(search), 4) == (
        f"learning_rate {chosen.learning_rate} is the best of 4, with a val top-1 of 0.600"
    )


def test_a_choice_of_the_given_recipe_trains_nothing_twice(tmp_path: Path) -> None:
    search = one_search(tmp_path)
    SearchBook(plan(tmp_path).sweep).write(record_of(search, "done", "done", "cut", "cut", tops=(0.6, 0.5, 0.4, 0.4)))
    made = plan(tmp_path)
    assert len(made.tasks) == 3
    assert len(set(made.trial_ids)) == 6
    assert [[trial.variant for trial in task.asked] for task in made.tasks] == [["", "tuned learning_rate x4"]] * 3


def test_other_recipes_and_spaces_are_other_searches(tmp_path: Path) -> None:
    search = one_search(tmp_path)
    assert one_search(tmp_path, tune=["learning_rate=log(1e-4,1)"]).search_id != search.search_id
    assert one_search(tmp_path, optimiser=["adamw"]).search_id != search.search_id
    both = plan(tmp_path, optimiser=["sgd", "adamw"]).searches
    assert [each.name for each in both] == [
        "timesformer1 h=2 2dot optimiser=sgd",
        "timesformer1 h=2 2dot optimiser=adamw",
    ]
    assert both[0].search_id == search.search_id, "the same recipe under another name"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"tune": None}, "--tune-trials says how many recipes are tried, but --tune names no field"),
        ({"learning_rate": [0.1, 0.2]}, "learning_rate is to be tuned and has 2 values to run; valid: one of both"),
        ({"tune": ["batch_size=8|17"]}, "16 training clips do not fill one batch of 17"),
        ({"tune": ["normalisation=batch|layer"]}, "model 'timesformer1' has no choice of normalisation"),
        ({"tune": ["learning_rate=log(1,0)"]}, r"--tune has learning_rate=log\(1,0\); valid: a low end below"),
    ],
)
def test_what_cannot_be_searched_is_named_before_anything_runs(
    asked: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=message):
        plan(tmp_path, **asked)


def test_only_narrows_the_searches_too(tmp_path: Path) -> None:
    grid = replace(GRID, models=("timesformer1", "cnn3d"))
    assert [each.name for each in plan(tmp_path, "model=cnn3d", grid).searches] == ["cnn3d h=2 2dot"]


def test_verbs_that_run_nothing_know_what_was_searched(tmp_path: Path) -> None:
    made = plan(tmp_path)
    remember_options(made, made.asked)
    last = last_options(study_of(GRID), "all", str(tmp_path / "results"))
    assert (last["tune"], last["tune_trials"]) == (RATES, 4)


def test_checkpoints_of_candidates_that_have_ended_can_go(tmp_path: Path) -> None:
    search, book = one_search(tmp_path), SearchBook(plan(tmp_path).sweep)
    first, second = (task.training_id for task in search.candidates()[:2])
    book.write(record_of(search, "cut"))
    for training_id in (first, second):
        for name in ("last.ckpt", "best.ckpt", "epochs.parquet"):
            book.ledger.folder(training_id).write_bytes(name, b"12")
    assert book.leftovers() == {f"search/trials/{first}/last.ckpt": 2}, "the second one goes on from its own"
    assert sorted(book.leftovers(best_checkpoints=True)) == [
        f"search/trials/{first}/best.ckpt",
        f"search/trials/{first}/last.ckpt",
    ]
    found = api.clean(study_of(GRID), where=api.Where(str(tmp_path / "results")), yes=True)
    assert found.files == {f"search/trials/{first}/last.ckpt": 2}
    assert book.leftovers() == {}


def test_a_file_that_is_no_record_of_a_search_is_named(tmp_path: Path) -> None:
    search, book = one_search(tmp_path), SearchBook(plan(tmp_path).sweep)
    assert book.read(search.search_id) is None
    folder = Storage.at(tmp_path / "results/tiny/search")
    folder.write_bytes(f"{search.search_id}.json", b'{"schema": 1')
    with pytest.raises(Damaged, match=rf"{search.search_id}.json is not the record of a search"):
        book.read(search.search_id)
    book.write(msgspec.structs.replace(record_of(search), schema=9))
    with pytest.raises(Damaged, match="has schema 9; valid: 1"):
        book.read(search.search_id)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("training_id", "../x", "matching regex"),
        ("changes", {"max_epochs": 5}, "'max_epochs' is no field of a recipe that is searched"),
        ("changes", {"learning_rate": "fast"}, "Expected `float`, got `str`"),
        ("changes", {"learning_rate": -1.0}, "learning_rate is -1.0; valid: above 0"),
        ("val_top1", [2.0], "Expected `float` <= 1.0"),
        ("state", "lost", "Invalid enum value 'lost'"),
    ],
)
def test_a_candidate_with_a_value_that_none_has_is_damage(place: str, value: Any, said: str, tmp_path: Path) -> None:
    search, book = one_search(tmp_path), SearchBook(plan(tmp_path).sweep)
    written = msgspec.to_builtins(record_of(search, "done"))
    written["candidates"][0][place] = value
    Storage.at(tmp_path / "results/tiny/search").write_json(f"{search.search_id}.json", written)
    with pytest.raises(Damaged, match=f"{search.search_id}.json is not the record of a search: .*{re.escape(said)}"):
        book.read(search.search_id)


@pytest.mark.parametrize(("trials", "valid"), [(1, "2 or more"), (10_001, "at most 10000")])
def test_a_number_of_candidates_is_checked_wherever_it_comes_from(trials: int, valid: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"^--tune-trials is {trials}; valid: {valid}"):
        plan(tmp_path, tune_trials=trials)


def test_cells_do_not_know_their_seed(tmp_path: Path) -> None:
    made = plan(tmp_path)
    assert len({cell_of(task.training) for task in made.tasks}) == 1
    other = replace(made.tasks[0].training, recipe=Recipe(precision="32"))
    assert cell_of(other) != cell_of(made.tasks[0].training)


def test_a_variant_says_which_fields_a_search_chose() -> None:
    assert tuned_fields("tuned learning_rate+optimiser x16") == ("learning_rate", "optimiser")
    assert tuned_fields("codec=no; tuned momentum x4") == ("momentum",)
    assert tuned_fields("codec=no") == tuned_fields("") == tuned_fields("tuned") == tuned_fields("tuned seed x2") == ()
