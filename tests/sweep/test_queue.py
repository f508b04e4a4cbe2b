"""The queue as a state machine: order, retries, budgets, back-off, and the invariant at every step."""

import random

import pytest

from rac_ray.identity import Training
from rac_ray.store.entry import STATES, State
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.queue import Queue, Ticket

NONE = dict.fromkeys(STATES, 0)


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
def trainings(make_training) -> list[Training]:
    return [make_training(seed=seed) for seed in range(4)]


def queue_of(trainings: list[Training], clock: Clock, **settings) -> Queue:
    states = {training.training_id: "pending" for training in trainings}
    return Queue(states, trainings, Packing(Machine(2)), clock=clock, **settings)  # type: ignore[arg-type]


def test_trials_come_in_the_given_order_and_end(trainings: list[Training], clock: Clock) -> None:
    queue = queue_of(trainings, clock, attempts={trainings[1].training_id: 2})
    tickets = [queue.next() for _ in trainings]
    assert [ticket and (ticket.training, ticket.attempt) for ticket in tickets] == [
        (trainings[0], 1), (trainings[1], 3), (trainings[2], 1), (trainings[3], 1),
    ]  # fmt: skip
    assert queue.next() is None
    assert not queue.over
    for training in trainings:
        queue.started(training.training_id)
    assert queue.counts() == {**NONE, "running": 4}
    for training in trainings:
        queue.done(training.training_id)
    assert queue.over
    assert queue.counts() == {**NONE, "done": 4}


def test_no_more_at_once_than_there_is_room_for(trainings: list[Training], clock: Clock) -> None:
    queue = queue_of(trainings, clock, at_once=2)
    first, second = queue.next(), queue.next()
    assert first
    assert second
    assert queue.next() is None
    assert not queue.over
    queue.started(first.training.training_id)
    assert queue.next() is None
    queue.done(first.training.training_id)
    third = queue.next()
    assert third
    assert third.training == trainings[2]
    assert queue.next() is None
    queue.interrupted(second.training.training_id)
    assert queue.next()


def test_as_many_wait_for_processes_as_there_is_room_for_and_one_where_there_is_none(
    trainings: list[Training], clock: Clock
) -> None:
    queue = queue_of(trainings, clock)
    assert queue.room == 2
    ids, seen = [training.training_id for training in trainings], []
    for number in range(4):
        seen.append(queue.ahead)
        assert queue.next() is not None
        if number == 1:
            seen.append(queue.ahead)
            queue.started(ids[0])
            seen.append(queue.ahead)
            queue.started(ids[1])
    assert seen == [False, False, True, True, False, True], "two at once, then one that waits"


def test_a_stack_is_one_process(make_training, clock: Clock) -> None:
    queue, trainings = stacked_queue(make_training, clock, 3)
    queue.packing.cpus_per_trial = 4
    assert queue.room == 2
    assert handed(queue.next(), trainings) == [(0, 1), (1, 1), (2, 1)]
    assert not queue.ahead
    assert handed(queue.next(), trainings) == [(3, 1), (4, 1), (5, 1)]
    assert queue.ahead


def test_the_kind_of_which_most_fit_says_how_much_room_there_is(make_training, clock: Clock) -> None:
    """A kind that ran out of memory is packed more loosely, but the other one still fills the cluster."""
    trainings = [make_training(model, seed=seed) for model in ("cnn3d", "convlstm") for seed in range(3)]
    kinds = [trainings[0].kind, trainings[-1].kind]
    packing = Packing(Machine(128, 16, gpu_memory=80e9, grows=True), peaks=dict.fromkeys(kinds, 2e9))
    packing.lower(kinds[0])
    assert [packing.at_once(kind) for kind in kinds] == [64, 128]
    states: dict[str, State] = {training.training_id: "pending" for training in trainings}
    assert [Queue(states, some, packing).room for some in (trainings, trainings[:3])] == [128, 64]
    assert Queue(states, trainings, Packing(Machine(64, grows=True), cpus_per_trial=4)).room == 16


def test_a_retry_comes_after_its_pause_and_before_shorter_trials(trainings: list[Training], clock: Clock) -> None:
    queue = queue_of(trainings, clock, pause=5.0)
    first = trainings[0].training_id
    queue.next()
    queue.started(first)
    assert queue.failed(first, "preempted") == 5.0
    assert queue.counts()["pending"] == 4
    assert queue.next().training == trainings[1]  # type: ignore[union-attr]
    clock.now = 5.0
    again = queue.next()
    assert again
    assert (again.training, again.attempt) == (trainings[0], 2)
    queue.started(first)
    assert queue.failed(first, "preempted") == 10.0


def test_each_class_has_its_own_account(trainings: list[Training], clock: Clock) -> None:
    """A lost node does not use up the code's budget."""
    queue = queue_of(trainings[:1], clock, budgets=Budgets(preempted=2, code=1), pause=0.0)
    (training,) = trainings[:1]

    def fail(failure_class: str) -> float | None:
        assert queue.next()
        queue.started(training.training_id)
        return queue.failed(training.training_id, failure_class)

    assert [fail("preempted"), fail("code"), fail("preempted")] == [0.0, 0.0, 0.0]
    assert not queue.over
    assert fail("code") is None
    assert queue.over
    assert queue.counts() == {**NONE, "failed": 1}


def test_memory_that_ran_out_lowers_the_packing_of_its_class(make_training, clock: Clock) -> None:
    training = make_training()
    packing = Packing(Machine(8, 1, 0, 40e9), trials_per_gpu=4)
    queue = Queue({training.training_id: "pending"}, [training], packing, pause=0.0, clock=clock)
    shares = []
    for _ in range(3):
        ticket = queue.next()
        assert ticket
        shares.append(ticket.resources["GPU"])
        queue.started(training.training_id)
        queue.failed(training.training_id, "out of memory")
    assert shares == [0.25, 0.5, 1.0]


def test_a_reason_to_stop_ends_it(trainings: list[Training], clock: Clock) -> None:
    reasons = iter(["", "the disk is full", "never asked"])
    queue = queue_of(trainings, clock, guard=lambda: next(reasons))
    ticket = queue.next()
    assert ticket
    queue.started(ticket.training.training_id)
    assert queue.next() is None
    assert queue.over
    assert queue.stop_reason == "the disk is full"
    queue.interrupted(ticket.training.training_id)
    queue.stop("a later reason")
    assert queue.stop_reason == "the disk is full"
    assert queue.counts() == {**NONE, "pending": 4}


def test_whatever_happens_every_trial_is_in_one_state_and_the_queue_ends(make_training, clock: Clock) -> None:
    chance = random.Random(0)
    trainings = [make_training(seed=seed) for seed in range(40)]
    queue = queue_of(trainings, clock, budgets=Budgets(1, 1, 1, 1, 1, 1), pause=1.0)
    running: list[str] = []
    for _ in range(2000):
        ticket = queue.next() if len(running) < 3 else None
        if ticket:
            queue.started(ticket.training.training_id)
            running.append(ticket.training.training_id)
        elif running:
            training_id = running.pop(chance.randrange(len(running)))
            if chance.random() < 0.5:
                queue.failed(training_id, chance.choice(["code", "preempted", "out of memory", "stalled"]))
            else:
                queue.done(training_id)
        clock.now += 0.3
        counts = queue.counts()
        assert sum(counts.values()) == 40
        assert counts["running"] == len(running)
        if queue.over:
            break
    assert queue.over
    assert queue.counts()["done"] > 20
    assert queue.counts()["failed"] > 0


def test_a_held_training_waits_for_a_word(trainings: list[Training], clock: Clock) -> None:
    queue = queue_of(trainings[:2], clock, held={trainings[1].training_id})
    first = queue.next()
    assert first
    assert first.training == trainings[0]
    queue.started(trainings[0].training_id)
    queue.done(trainings[0].training_id)
    assert queue.next() is None
    assert not queue.over, "the other one has yet to come"
    assert queue.counts() == {**NONE, "done": 1, "pending": 1}
    queue.release(trainings[1].training_id)
    second = queue.next()
    assert second
    assert second.training == trainings[1]
    queue.started(trainings[1].training_id)
    queue.done(trainings[1].training_id)
    assert queue.over


def stacked_queue(make_training, clock: Clock, stack: int, **axes: object) -> tuple[Queue, list[Training]]:
    """Two sizes of three seeds each, seeds of one size after those of the other."""
    trainings = [make_training(hidden_units=units, seed=seed, **axes) for units in (4, 2) for seed in (0, 1, 2)]
    states: dict[str, State] = {training.training_id: "pending" for training in trainings}
    packing = Packing(Machine(8), stack=stack)
    return Queue(states, trainings, packing, pause=0.0, stacks=True, clock=clock), trainings


def handed(ticket: Ticket | None, trainings: list[Training]) -> list[tuple[int, int]]:
    """Number of each training on a ticket, and the attempt."""
    assert ticket
    ids = [training.training_id for training in trainings]
    first = ids.index(ticket.training.training_id), ticket.attempt
    return [first, *((ids.index(each), attempt) for each, attempt in ticket.mates.items())]


def test_seeds_of_a_training_are_handed_out_together(make_training, clock: Clock) -> None:
    queue, trainings = stacked_queue(make_training, clock, 2)
    assert [handed(queue.next(), trainings) for _ in range(4)] == [
        [(0, 1), (1, 1)],
        [(2, 1)],
        [(3, 1), (4, 1)],
        [(5, 1)],
    ]
    assert queue.next() is None
    assert not queue.over


def test_of_a_stack_only_those_are_tried_again_that_failed(make_training, clock: Clock) -> None:
    queue, trainings = stacked_queue(make_training, clock, 3)
    assert handed(queue.next(), trainings) == [(0, 1), (1, 1), (2, 1)]
    ids = [training.training_id for training in trainings]
    for each in ids[:3]:
        queue.started(each)
    queue.done(ids[1])
    assert [queue.failed(each, "preempted") for each in (ids[0], ids[2])] == [0.0, 0.0]
    assert handed(queue.next(), trainings) == [(0, 2), (2, 2)]


def test_memory_that_ran_out_halves_a_stack_once(make_training, clock: Clock) -> None:
    queue, trainings = stacked_queue(make_training, clock, 3)
    ticket = queue.next()
    for number, _ in handed(ticket, trainings):
        queue.started(trainings[number].training_id)
        queue.failed(trainings[number].training_id, "out of memory")
    assert queue.packing.lowered == {trainings[0].kind: 1}
    assert [handed(queue.next(), trainings) for _ in range(3)] == [[(0, 2)], [(1, 2)], [(2, 2)]]
    assert handed(queue.next(), trainings) == [(3, 1), (4, 1), (5, 1)], "another size is packed as before"
