"""The queue as a state machine: order, retries, budgets, back-off, and the invariant at every step."""

import random

import pytest

from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.queue import Queue
from rac_ray.identity import Trial


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trials(make_trial) -> list[Trial]:
    return [make_trial(seed=seed) for seed in range(4)]


def queue_of(trials: list[Trial], clock: Clock, **settings) -> Queue:
    states = {trial.trial_id: "pending" for trial in trials}
    return Queue(states, trials, Packing(Machine(2)), clock=clock, **settings)  # type: ignore[arg-type]


def test_trials_come_in_the_given_order_and_end(trials: list[Trial], clock: Clock) -> None:
    queue = queue_of(trials, clock, attempts={trials[1].trial_id: 2})
    tickets = [queue.next() for _ in trials]
    assert [ticket and (ticket.trial, ticket.attempt) for ticket in tickets] == [
        (trials[0], 1), (trials[1], 3), (trials[2], 1), (trials[3], 1),
    ]  # fmt: skip
    assert queue.next() is None
    assert not queue.over
    for trial in trials:
        queue.started(trial.trial_id)
    assert queue.counts() == {"done": 0, "failed": 0, "running": 4, "pending": 0}
    for trial in trials:
        queue.done(trial.trial_id)
    assert queue.over
    assert queue.counts() == {"done": 4, "failed": 0, "running": 0, "pending": 0}


def test_no_more_at_once_than_there_is_room_for(trials: list[Trial], clock: Clock) -> None:
    queue = queue_of(trials, clock, at_once=2)
    first, second = queue.next(), queue.next()
    assert first
    assert second
    assert queue.next() is None
    assert not queue.over
    queue.started(first.trial.trial_id)
    assert queue.next() is None
    queue.done(first.trial.trial_id)
    third = queue.next()
    assert third
    assert third.trial == trials[2]
    assert queue.next() is None
    queue.interrupted(second.trial.trial_id)
    assert queue.next()


def test_a_retry_comes_after_its_pause_and_before_shorter_trials(trials: list[Trial], clock: Clock) -> None:
    queue = queue_of(trials, clock, pause=5.0)
    first = trials[0].trial_id
    queue.next()
    queue.started(first)
    assert queue.failed(first, "preempted") == 5.0
    assert queue.counts()["pending"] == 4
    assert queue.next().trial == trials[1]  # type: ignore[union-attr]
    clock.now = 5.0
    again = queue.next()
    assert again
    assert (again.trial, again.attempt) == (trials[0], 2)
    queue.started(first)
    assert queue.failed(first, "preempted") == 10.0


def test_each_class_has_its_own_account(trials: list[Trial], clock: Clock) -> None:
    """A lost node does not use up the code's budget."""
    queue = queue_of(trials[:1], clock, budgets=Budgets(preempted=2, code=1), pause=0.0)
    (trial,) = trials[:1]

    def fail(failure_class: str) -> float | None:
        assert queue.next()
        queue.started(trial.trial_id)
        return queue.failed(trial.trial_id, failure_class)

    assert [fail("preempted"), fail("code"), fail("preempted")] == [0.0, 0.0, 0.0]
    assert not queue.over
    assert fail("code") is None
    assert queue.over
    assert queue.counts() == {"done": 0, "failed": 1, "running": 0, "pending": 0}


def test_memory_that_ran_out_lowers_the_packing_of_its_class(make_trial, clock: Clock) -> None:
    trial = make_trial()
    packing = Packing(Machine(8, 1, 0, 40e9), trials_per_gpu=4)
    queue = Queue({trial.trial_id: "pending"}, [trial], packing, pause=0.0, clock=clock)
    shares = []
    for _ in range(3):
        ticket = queue.next()
        assert ticket
        shares.append(ticket.resources["GPU"])
        queue.started(trial.trial_id)
        queue.failed(trial.trial_id, "out of memory")
    assert shares == [0.25, 0.5, 1.0]


def test_a_reason_to_stop_ends_it(trials: list[Trial], clock: Clock) -> None:
    reasons = iter(["", "the disk is full", "never asked"])
    queue = queue_of(trials, clock, guard=lambda: next(reasons))
    ticket = queue.next()
    assert ticket
    queue.started(ticket.trial.trial_id)
    assert queue.next() is None
    assert queue.over
    assert queue.stop_reason == "the disk is full"
    queue.interrupted(ticket.trial.trial_id)
    queue.stop("a later reason")
    assert queue.stop_reason == "the disk is full"
    assert queue.counts() == {"done": 0, "failed": 0, "running": 0, "pending": 4}


def test_whatever_happens_every_trial_is_in_one_state_and_the_queue_ends(make_trial, clock: Clock) -> None:
    chance = random.Random(0)
    trials = [make_trial(seed=seed) for seed in range(40)]
    queue = queue_of(trials, clock, budgets=Budgets(1, 1, 1, 1, 1, 1), pause=1.0)
    running: list[str] = []
    for _ in range(2000):
        ticket = queue.next() if len(running) < 3 else None
        if ticket:
            queue.started(ticket.trial.trial_id)
            running.append(ticket.trial.trial_id)
        elif running:
            trial_id = running.pop(chance.randrange(len(running)))
            if chance.random() < 0.5:
                queue.failed(trial_id, chance.choice(["code", "preempted", "out of memory", "stalled"]))
            else:
                queue.done(trial_id)
        clock.now += 0.3
        counts = queue.counts()
        assert sum(counts.values()) == 40
        assert counts["running"] == len(running)
        if queue.over:
            break
    assert queue.over
    assert queue.counts()["done"] > 20
    assert queue.counts()["failed"] > 0
