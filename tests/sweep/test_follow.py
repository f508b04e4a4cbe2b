"""What the follower makes of Tune's events, with Tune's trials played by a small stand-in; test_faults has the real."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import ActorDiedError
from ray.tune.search import Searcher

from rac_ray.store.entry import STATES
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.follow import HALT, RESUMED, WHOSE, Follower, QueueSearcher
from rac_ray.sweep.metrics import SweepMetrics
from rac_ray.sweep.monitor import Monitor
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.queue import Queue
from rac_ray.training.task import Task
from tests.records import BROKEN, finish, record_of

NONE = dict.fromkeys(STATES, 0)


class TuneTrial:
    """As much of a Tune trial as the follower looks at."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.trial_id = "a trial of Tune"
        self.last_result: dict[str, Any] = {}
        self.error: Exception | None = None

    def get_pickled_error(self) -> Exception | None:
        return self.error


@pytest.fixture
def task(make_task) -> Task:
    return make_task()


@pytest.fixture
def queue(task: Task) -> Queue:
    states, budgets = {task.training_id: "pending"}, Budgets(code=1, preempted=1)
    return Queue(states, [task.training], Packing(Machine(2)), budgets, pause=0.0)  # type: ignore[arg-type]


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def follower(queue: Queue, task: Task, tmp_path: Path, lines: list[str]) -> Follower:
    monitor = Monitor(queue, lines.append)
    return Follower(queue, {task.training_id: task}, Ledger(Storage.at(tmp_path)), monitor, SweepMetrics("test"))


def begun(follower: Follower) -> TuneTrial:
    """The queue's next attempt, started."""
    ours = TuneTrial(QueueSearcher(follower.queue).suggest("tune's id"))
    follower.on_trial_start(0, [], ours)
    return ours


def test_the_searcher_waits_while_something_may_come_and_then_ends(queue: Queue, task: Task) -> None:
    searcher = QueueSearcher(queue)
    config = searcher.suggest("a")
    assert (config["training_id"], config["attempt"], config["resources"]) == (task.training_id, 1, {"CPU": 1})
    assert searcher.suggest("b") is None
    queue.started(task.training_id)
    queue.done(task.training_id)
    assert searcher.suggest("c") == Searcher.FINISHED


def test_a_failure_that_the_trial_wrote(follower: Follower, task: Task, lines: list[str]) -> None:
    for attempt, retry in ((1, True), (2, False)):
        ours = begun(follower)
        follower.ledger.fail(task.training_id, attempt, BROKEN)
        follower.on_trial_complete(0, [], ours)
        failure = follower.ledger.failure(task.training_id, attempt)
        assert failure
        assert (failure["class"], failure["retry"]) == ("code", retry)
    assert [line.split()[1] for line in lines] == ["start", "failed", "start", "FAILED"]
    assert follower.queue.counts()["failed"] == 1


def test_a_process_that_died_without_a_word(follower: Follower, task: Task, lines: list[str]) -> None:
    ours = begun(follower)
    ours.error = ActorDiedError()
    follower.on_trial_error(0, [], ours)
    failure = follower.ledger.failure(task.training_id, 1)
    assert failure
    assert (failure["class"], failure["retry"]) == ("preempted", True)
    assert follower.queue.counts()["pending"] == 1


def test_a_process_that_died_after_its_record(follower: Follower, task: Task) -> None:
    ours = begun(follower)
    finish(follower.ledger, task)
    follower.on_trial_error(0, [], ours)
    assert follower.queue.counts()["done"] == 1
    assert follower.ledger.failures(task.training_id) == []


def test_a_process_that_died_between_training_and_evaluation(follower: Follower, task: Task) -> None:
    """The record has no evaluations yet: the training is not done, and is tried again."""
    ours = begun(follower)
    follower.ledger.trained(record_of(task, evaluations=[]), [{"epoch": 0, "val_top1": 0.5}], b"weights")
    follower.on_trial_error(0, [], ours)
    assert follower.queue.counts() == {**NONE, "pending": 1}
    assert [failure["class"] for failure in follower.ledger.failures(task.training_id)] == ["preempted"]


def test_a_trial_that_ended_with_nothing_at_all_is_no_success(follower: Follower, task: Task) -> None:
    follower.on_trial_complete(0, [], begun(follower))
    assert follower.queue.counts()["done"] == 0
    failure = follower.ledger.failure(task.training_id, 1)
    assert failure
    assert "neither it nor Ray says why" in failure["reason"]


def test_an_epoch_of_an_earlier_attempt_is_told_to_people_only(
    follower: Follower, task: Task, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    monkeypatch.setattr(follower.listener, "epoch", lambda _training, row: heard.append(row["epoch"]))
    ours = begun(follower)
    row = {"epoch": 1, "val_top1": 0.25, "best_val_top1": 0.5, "seconds": 2.0, "clips": 480, WHOSE: task.training_id}
    follower.on_trial_result(0, [], ours, {**row, RESUMED: True})
    follower.on_trial_result(0, [], ours, {**row, "epoch": 2})
    assert heard == [2]
    assert lines[1:] == [f"{task.training_id} resume {task.training.name}: after epoch 2 of 3, val top-1 0.500 at best"]


def test_a_halt_stops_the_sweep_and_blames_no_trial(follower: Follower, task: Task) -> None:
    ours = begun(follower)
    ours.last_result = {HALT: "the disk is full"}
    follower.on_trial_complete(0, [], ours)
    assert follower.queue.stop_reason == "the disk is full"
    assert follower.queue.counts()["pending"] == 1
    assert follower.ledger.failures(task.training_id) == []


def test_a_trial_that_dies_while_the_sweep_stops_is_not_blamed(follower: Follower, task: Task) -> None:
    ours = begun(follower)
    follower.queue.stop("cancelled")
    follower.on_trial_error(0, [], ours)
    assert follower.queue.counts() == {**NONE, "pending": 1}
    assert follower.ledger.failures(task.training_id) == []


def test_tune_may_pickle_what_it_likes(follower: Follower) -> None:
    for each in (follower, QueueSearcher(follower.queue)):
        assert type(pickle.loads(pickle.dumps(each))) is type(each)
