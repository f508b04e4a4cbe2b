"""Searches on a real Ray: who is cut, what is chosen, and that no interruption changes it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rac_ray.data.feed import Opening
from rac_ray.results import load
from rac_ray.store.record import Record
from rac_ray.sweep.attempt import run_task
from rac_ray.sweep.halving import Halving, Searching, candidates_of
from rac_ray.sweep.outcomes import Results
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.queue import Queue
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import queue_for, run_plan
from rac_ray.sweep.search import SearchBook
from rac_ray.training.task import Task
from tests.sweep import tiny_search
from tests.sweep.tiny_search import SEARCHED, TRIALS, TUNE
from tests.sweep.tiny_sweep import plan_of

ROOT = Path(__file__).parents[2]
LOCAL = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def test_rungs_are_those_of_tunes_asha() -> None:
    for most in (1, 6, 9, 27, 100, 300):
        halving = Halving(most)
        (bracket,) = halving._asha._brackets
        assert sorted(epochs for epochs, _ in bracket._rungs) == halving.rungs


def test_a_candidate_is_cut_when_it_is_not_among_the_best_third() -> None:
    halving = Halving(9)
    assert halving.rungs == [1, 3, 9]
    assert halving.cut_of("first", [0.2, 0.3, 0.4, 0.5]) is None, "there is nobody to compare it with"
    assert halving.cut_of("worse", [0.1, 0.9]) == 1
    assert halving.cut_of("later worse", [0.3, 0.2, 0.2, 0.9]) == 3, "its best so far counts: 0.3 is less than 0.4"
    assert halving.cut_of("as good", [0.3, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.5]) is None
    assert halving.cut_of("at last worse", [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]) is None


def test_what_was_heard_before_is_not_judged_again() -> None:
    """An attempt that goes on tells its epochs once more."""
    halving = Halving(9)
    for candidate, curve in {"a": [0.5, 0.5, 0.5], "b": [0.6, 0.6], "b again": []}.items():
        assert halving.cut_of(candidate, curve) is None
    assert halving.cut_of("c", [0.7]) is None
    assert halving.cut_of("b", [0.6, 0.6, 0.6]) is None


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, tiny_search.search(folder, say=lambda _line: None)


def searches(folder: Path) -> dict[str, Any]:
    return {path.name: json.loads(path.read_bytes()) for path in (folder / "results/tiny/search").glob("*.json")}


def records(folder: Path) -> list[Record]:
    ledger = SearchBook(plan_of(SEARCHED, folder / "results", folder / "data").sweep).ledger
    return [entry.record for entry in ledger.scan().values() if entry.record]


def test_what_a_search_tried_and_chose_is_written_down(undisturbed: tuple[Path, Results]) -> None:
    folder, _ = undisturbed
    found = searches(folder)
    assert sorted(search["model"] for search in found.values()) == ["cnn3d", "timesformer1"]
    for search in found.values():
        assert len(search["candidates"]) == TRIALS
        assert search["candidates"][0]["changes"] == {}
        states = [each["state"] for each in search["candidates"]]
        assert states[0] == "done"
        assert set(states) == {"done", "cut"}
        tops = {each["training_id"]: max(each["val_top1"]) for each in search["candidates"] if each["state"] == "done"}
        assert tops[search["chosen"]] == max(tops.values())
        for each in search["candidates"]:
            assert len(each["val_top1"]) in ([9] if each["state"] == "done" else search["rungs"])


def test_no_target_is_looked_at(undisturbed: tuple[Path, Results]) -> None:
    """No checkpoint of a candidate was asked anything, and nothing predicted."""
    folder, _ = undisturbed
    assert {len(record.evaluations) for record in records(folder)} == {0}
    assert not list((folder / "results/tiny/search").rglob("predictions.parquet"))


def test_tuned_trials_stand_beside_the_given_ones(undisturbed: tuple[Path, Results]) -> None:
    folder, results = undisturbed
    assert results.code == 0
    trials = results.analysis.tables.trials
    assert trials["state"].tolist() == ["done"] * 4
    variant = f"tuned learning_rate+optimiser x{TRIALS}"
    assert trials.groupby("recipe")["model"].apply(list).to_dict() == {
        "as given": ["cnn3d", "timesformer1"],
        variant: ["cnn3d", "timesformer1"],
    }
    sheets = {sheet.name: sheet for sheet in results.analysis.sheets}
    assert set(sheets["tuned"].long["model"]) == {"cnn3d", "timesformer1"}
    assert set(sheets["tuned-claims"].long.columns) == {"recipe", "claim_id", "as_given", "tuned", "changed"}
    assert len(sheets["search"].long) == 2 * TRIALS
    assert sheets["search"].long["chosen"].tolist().count(True) == 2
    assert any(line.startswith(f"{variant}: tuning changes") for line in results.lines())
    again = load(folder / "results/tiny")
    assert len(again.candidates) == 2 * TRIALS
    assert sorted(again.trials["recipe"].unique()) == ["as given", variant]


@pytest.mark.slow
def test_the_same_command_again_runs_nothing_and_more_candidates_go_on(
    undisturbed: tuple[Path, Results], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(undisturbed[0], tmp_path / "copy"))
    lines: list[str] = []
    tiny_search.search(folder, say=lines.append)
    assert not any(" start " in line for line in lines)
    tiny_search.search(folder, say=lines.append, tune_trials=TRIALS + 1)
    begun = [line for line in lines if " start " in line and "seed=999983" in line]
    assert len(begun) == 2, "one further candidate of each"
    before, after = searches(undisturbed[0]), searches(folder)
    for name, search in before.items():
        assert after[name]["candidates"][:TRIALS] == search["candidates"]


def test_a_candidate_that_fails_is_a_visible_rival_and_may_be_tried_again(local_ray: None, tmp_path: Path) -> None:
    grid = replace(SEARCHED, models=("cnn3d",))
    asked = {"tune": ["learning_rate=0.01|1e38|0.02"], "tune_trials": 3}
    plan = plan_of(grid, tmp_path / "results", tmp_path / "data", asked=asked)
    candidates = candidates_of(plan)
    assert candidates is not None
    assert run_plan(candidates, Resources(pause=0.1), lambda _line: None) == ""
    (search,) = searches(tmp_path).values()
    failed = next(each for each in search["candidates"] if each["changes"].get("learning_rate") == 1e38)
    assert (failed["state"], failed["val_top1"]) == ("failed", [])
    assert "loss is nan in epoch 1" in failed["reason"]
    assert search["chosen"] != failed["training_id"]
    assert candidates_of(plan) is None
    again = candidates_of(replace(plan, retry_failed=True))
    assert again is not None
    assert failed["training_id"] not in again.settled


def begun(plan: Plan) -> tuple[list[Task], Queue, Searching]:
    """The candidates of a plan's search, and their queue as a run would have it."""
    candidates = candidates_of(plan)
    assert candidates is not None
    lock: Any = SimpleNamespace(holder=SimpleNamespace(token="me"), stop_reason="")
    price: Any = SimpleNamespace(expected={task.training_id: 1.0 for task in candidates.tasks})
    queue = queue_for(candidates, Resources(), Packing(Machine(2)), candidates.entries(), price, lock)
    searching = Searching(candidates, lambda _line: None)
    searching.begin(queue)
    return list(candidates.tasks), queue, searching


def test_a_candidate_that_another_search_gave_up_is_a_failed_one_here(tmp_path: Path) -> None:
    """The recipe as given is the first candidate of each search of a model, by one id."""
    grid = replace(SEARCHED, models=("cnn3d",))
    tunes = (["learning_rate=0.001|0.02"], ["optimiser=sgd|adamw"])
    first, second = (
        plan_of(grid, tmp_path / "results", tmp_path / "data", asked={"tune": tune, "tune_trials": 2}) for tune in tunes
    )
    tasks, _, searching = begun(first)
    shared, ledger = tasks[0].training_id, searching.book.ledger
    ledger.begin(shared, 1, "me")
    ledger.fail(shared, 1, {"class": "not finite", "reason": "NotFinite: training loss is nan in epoch 1"})
    ledger.decide(shared, 1, retry=False)
    searching.ended(shared, "not finite: it is nan")
    tasks, queue, _ = begun(second)
    assert tasks[0].training_id == shared
    found = next(each for each in searches(tmp_path).values() if "optimiser" in str(each["space"]))
    assert [(each["state"], "nan in epoch 1" in each["reason"]) for each in found["candidates"]] == [("failed", True)]
    ticket = queue.next()
    assert ticket is not None
    assert ticket.training.training_id == tasks[1].training_id


class Blindfold:
    """A subject that can be trained and validated, and not asked about anything."""

    def __init__(self, subject: Any) -> None:
        self._subject = subject

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["_subject"], name)

    def __reduce__(self) -> Any:
        return Blindfold, (self._subject,)

    def feeds(self, opening: Opening) -> Any:
        feeds = self._subject.feeds(opening)
        object.__setattr__(feeds, "asked", looked)
        return feeds


def looked(part: str) -> Any:
    raise AssertionError(f"a candidate was asked about {part}")


def test_candidates_run_where_asking_is_an_error(local_ray: None, tmp_path: Path) -> None:
    grid = replace(SEARCHED, models=("cnn3d",))
    asked = {"tune": TUNE, "tune_trials": 2}
    plan = candidates_of(plan_of(grid, tmp_path / "results", tmp_path / "data", asked=asked))
    assert plan is not None
    blind = replace(plan, tasks=tuple(replace(task, subject=Blindfold(task.subject)) for task in plan.tasks))
    assert run_plan(blind, Resources(pause=0.1), lambda _line: None, run_task) == ""
    (search,) = searches(tmp_path).values()
    assert [each["state"] for each in search["candidates"]] in (["done", "done"], ["done", "cut"])


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.sweep.tiny_search", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | LOCAL, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_search_killed_at_a_random_moment_comes_to_the_same_choice(
    undisturbed: tuple[Path, Results], tmp_path: Path
) -> None:
    """SIGKILL to its driver, wherever it is; whoever gives the command again gets what nobody disturbed."""
    shutil.copytree(undisturbed[0] / "data", tmp_path / "data")
    seed = random.SystemRandom().randrange(10**6)
    print(f"moment of seed {seed}")
    moments = random.Random(seed)
    with start(tmp_path) as driver:
        said = driver.stdout
        assert said
        next((line for line in said if " start " in line), None)
        time.sleep(moments.uniform(0, 10))
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait(60)
    time.sleep(1)
    results = tiny_search.search(tmp_path, say=lambda _line: None)
    assert searches(tmp_path) == searches(undisturbed[0])
    found, expected = (each.analysis.tables.trials.set_index("trial_id") for each in (results, undisturbed[1]))
    assert found["best_val_top1"].to_dict() == expected["best_val_top1"].to_dict()
