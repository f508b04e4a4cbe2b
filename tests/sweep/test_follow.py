"""What the follower makes of Tune's events, with Tune's trials played by a small stand-in; test_faults has the real."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import ActorDiedError
from ray.tune.search import Searcher

from rac_ray.ledger import Ledger
from rac_ray.storage import Storage
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.follow import HALT, Follower, QueueSearcher
from rac_ray.sweep.metrics import SweepMetrics
from rac_ray.sweep.monitor import Monitor
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.queue import Queue
from rac_ray.identity import Trial
from tests.test_ledger import BROKEN


class TuneTrial:
    """As much of a Tune trial as the follower looks at."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.last_result: dict[str, Any] = {}
        self.error: Exception | None = None

    def get_pickled_error(self) -> Exception | None:
        return self.error


@pytest.fixture
def trial(make_trial) -> Trial:
    return make_trial()


@pytest.fixture
def queue(trial: Trial) -> Queue:
    return Queue({trial.trial_id: "pending"}, [trial], Packing(Machine(2)), Budgets(code=1, preempted=1), pause=0.0)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def follower(queue: Queue, tmp_path: Path, lines: list[str]) -> Follower:
    monitor = Monitor(queue, lines.append)
    return Follower(queue, Ledger(Storage.at(tmp_path)), monitor, SweepMetrics("test"))


def begun(follower: Follower) -> TuneTrial:
    """The queue's next attempt, started."""
    ours = TuneTrial(QueueSearcher(follower.queue).suggest("tune's id"))
    follower.on_trial_start(0, [], ours)
    return ours


def test_the_searcher_waits_while_something_may_come_and_then_ends(queue: Queue, trial: Trial) -> None:
    searcher = QueueSearcher(queue)
    config = searcher.suggest("a")
    assert (config["trial"]["trial_id"], config["attempt"], config["resources"]) == (trial.trial_id, 1, {"CPU": 1})
    assert searcher.suggest("b") is None
    queue.started(trial.trial_id)
    queue.done(trial.trial_id)
    assert searcher.suggest("c") == Searcher.FINISHED


def test_a_failure_that_the_trial_wrote(follower: Follower, trial: Trial, lines: list[str]) -> None:
    for attempt, retry in ((1, True), (2, False)):
        ours = begun(follower)
        follower.ledger.fail(trial.trial_id, attempt, BROKEN)
        follower.on_trial_complete(0, [], ours)
        failure = follower.ledger.failure(trial.trial_id, attempt)
        assert failure
        assert (failure["class"], failure["retry"]) == ("code", retry)
    assert [line.split()[1] for line in lines] == ["start", "failed", "start", "FAILED"]
    assert follower.queue.counts()["failed"] == 1


def test_a_process_that_died_without_a_word(follower: Follower, trial: Trial, lines: list[str]) -> None:
    ours = begun(follower)
    ours.error = ActorDiedError()
    follower.on_trial_error(0, [], ours)
    failure = follower.ledger.failure(trial.trial_id, 1)
    assert failure
    assert (failure["class"], failure["retry"]) == ("preempted", True)
    assert follower.queue.counts()["pending"] == 1


def test_a_process_that_died_after_its_record(follower: Follower, trial: Trial) -> None:
    ours = begun(follower)
    record = {"best_val_top1": 0.5, "best_epoch": 0, "epochs": 1, "seconds": {"total": 1.0}}
    follower.ledger.folder(trial.trial_id).write_json("record.json", record)
    follower.on_trial_error(0, [], ours)
    assert follower.queue.counts()["done"] == 1
    assert follower.ledger.failures(trial.trial_id) == []


def test_a_trial_that_ended_with_nothing_at_all_is_no_success(follower: Follower, trial: Trial) -> None:
    follower.on_trial_complete(0, [], begun(follower))
    assert follower.queue.counts()["done"] == 0
    failure = follower.ledger.failure(trial.trial_id, 1)
    assert failure
    assert failure["reason"].endswith("Ray says nothing")


def test_a_halt_stops_the_sweep_and_blames_no_trial(follower: Follower, trial: Trial) -> None:
    ours = begun(follower)
    ours.last_result = {HALT: "the disk is full"}
    follower.on_trial_complete(0, [], ours)
    assert follower.queue.stop_reason == "the disk is full"
    assert follower.queue.counts()["pending"] == 1
    assert follower.ledger.failures(trial.trial_id) == []


def test_a_trial_that_dies_while_the_sweep_stops_is_not_blamed(follower: Follower, trial: Trial) -> None:
    ours = begun(follower)
    follower.queue.stop("cancelled")
    follower.on_trial_error(0, [], ours)
    assert follower.queue.counts() == {"done": 0, "failed": 0, "running": 0, "pending": 1}
    assert follower.ledger.failures(trial.trial_id) == []


def test_tune_may_pickle_what_it_likes(follower: Follower) -> None:
    for each in (follower, QueueSearcher(follower.queue)):
        assert type(pickle.loads(pickle.dumps(each))) is type(each)
