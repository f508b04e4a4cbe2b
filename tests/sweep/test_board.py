"""Names of trials in Ray's dashboard, and the actor that has a task for each; test_dashboard looks at it in Ray."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util.state import list_tasks

from rac_ray.identity import Training
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.board import Board, name_of
from rac_ray.sweep.failures import summary
from rac_ray.sweep.follow import HALT
from rac_ray.training.task import Task
from tests.conftest import OBJECT_STORE
from tests.records import BROKEN
from tests.sweep.test_follow import TuneTrial
from tests.sweep.test_metrics import wait_until


@pytest.fixture
def trainings(make_training) -> list[Training]:
    return [make_training("cnn3d", 2, seed=seed) for seed in (7, 1, 2, 3, 4, 5)]


def test_a_name_says_its_trial(trainings: list[Training]) -> None:
    assert name_of(trainings[:1]) == trainings[0].name == "cnn3d h=2 2dot seed=7"
    assert name_of(trainings[:1], attempt=2) == "cnn3d h=2 2dot seed=7, attempt 2"


def test_a_name_of_a_stack_says_its_seeds_as_far_as_there_is_room(trainings: list[Training]) -> None:
    assert name_of(trainings[:2]) == "cnn3d h=2 2dot seeds=7,1"
    assert name_of(trainings[:4]) == "cnn3d h=2 2dot seeds=7,1,2,3"
    assert name_of(trainings, attempt=3) == "cnn3d h=2 2dot seeds=7,1,2,3 and 2 more, attempt 3"


@pytest.fixture
def dashboard() -> Iterator[str]:
    """The URL of a local Ray's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    small = {"num_cpus": 1, "object_store_memory": OBJECT_STORE, "log_to_driver": False}
    ray.init("local", include_dashboard=True, dashboard_port=port, **small)
    yield f"http://127.0.0.1:{port}"
    ray.shutdown()


def test_rays_list_of_tasks_says_how_each_trial_stands(
    dashboard: str, make_task: Callable[..., Task], tmp_path: Path
) -> None:
    ledger = Ledger(Storage.at(tmp_path))
    tasks = {task.training_id: task for task in (make_task(seed=seed) for seed in range(5))}
    board = Board("a sweep", tasks, ledger)
    trials = {number: TuneTrial({"training_id": each, "attempt": 1}) for number, each in enumerate(tasks)}
    for number, trial in trials.items():
        trial.trial_id = f"tune-{number}"
        board.on_trial_start(0, [], trial)
    board.on_trial_complete(0, [], trials[0])
    ledger.fail(trials[1].config["training_id"], 1, BROKEN)
    board.on_trial_error(0, [], trials[1])
    trials[2].last_result = {HALT: "the disk is full"}
    board.on_trial_complete(0, [], trials[2])
    names = [task.training.name for task in tasks.values()]
    expected = ["FINISHED", "FAILED", "FAILED", "RUNNING", "RUNNING"]

    def shown() -> dict[str, Any]:
        found: list[Any] = list_tasks(dashboard, detail=True, raise_on_missing_output=False)
        return {each.name: each for each in found}

    def states() -> list[str]:
        tasks = shown()
        return [tasks[name].state if name in tasks else "" for name in names]

    wait_until(lambda: states() == expected)
    assert states() == expected
    errors = [shown()[name].error_message or "" for name in names[:3]]
    assert errors[0] == ""
    assert errors[1].strip().endswith(f"RuntimeError: {summary(BROKEN)}")
    assert errors[2].strip().endswith("RuntimeError: the disk is full")
    assert not [name for name in shown() if name.endswith(".end")], "what ends a trial is no row"
    board.on_experiment_end([])
    wait_until(lambda: states() == [*expected[:3], "FAILED", "FAILED"])
    assert states() == [*expected[:3], "FAILED", "FAILED"]
