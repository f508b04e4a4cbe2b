"""What a run says, to the letter: plain lines where nobody watches; ``test_display`` has what a terminal shows."""

import io

import pytest

from rac_ray.identity import Training
from rac_ray.store.record import Record
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.monitor import Monitor
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.queue import Queue
from tests.records import record_of, task_of

ROW = {"epoch": 0, "train_loss": 1.60944, "val_top1": 0.25, "best_val_top1": 0.5, "seconds": 2.0, "clips": 480}
NOT_FINITE = {"class": "not finite", "reason": "NotFinite: training loss is nan in epoch 3"}
PREEMPTED = {"class": "preempted", "reason": "the trial's process died"}

GOLDEN = """\
{a} start  timesformer1 h=4 2dot seed=0
{b} start  timesformer1 h=4 2dot seed=1
{a} epoch  timesformer1 h=4 2dot seed=0: 1, train loss 1.6094, val top-1 0.250, 2.0 s
{b} failed timesformer1 h=4 2dot seed=1: preempted: the trial's process died; again in 5 s (traceback: /f/1)
{a} done   timesformer1 h=4 2dot seed=0: val top-1 0.510 in epoch 3 of 7, 33 s; 2/4 done, 0 failed, about 80 s left
{c} start  timesformer1 h=4 2dot seed=2
{c} FAILED timesformer1 h=4 2dot seed=2: not finite: NotFinite: training loss is nan in epoch 3; given up \
(traceback: /f/2)
{b} start  timesformer1 h=4 2dot seed=1, attempt 2
2/4 done, 1 failed, 1 running, 0 clips/s, about 1.7 min left; timesformer1 h=4 2dot seed=1 epoch 0/3
{b} done   timesformer1 h=4 2dot seed=1: val top-1 0.510 in epoch 3 of 7, 33 s; 3/4 done, 1 failed, none left
4 trials planned = 3 done + 1 failed + 0 running + 0 pending; 1.7 min, 40% of the machine idle
"""


def recorded(training: Training) -> Record:
    """What it came to, for the line that says so."""
    return record_of(task_of(training), best_val_top1=0.51, best_epoch=2, epochs=7, seconds={"total": 33.4})


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def trainings(make_training) -> list[Training]:
    return [make_training(seed=seed) for seed in range(4)]


def play(trainings: list[Training], clock: Clock, monitor: Monitor, queue: Queue) -> None:
    """Three trainings of four (one was done before) on two cores, over 100 seconds; one is preempted, one diverges."""
    a, b, c = trainings[:3]

    def start(training: Training, attempt: int) -> None:
        assert queue.next()
        queue.started(training.training_id)
        monitor.started(training, attempt, {"CPU": 1})

    def fail(training: Training, failure: dict[str, str], path: str) -> None:
        monitor.failed(training, failure, queue.failed(training.training_id, failure["class"]), path)

    def done(training: Training) -> None:
        queue.done(training.training_id)
        monitor.done(training, recorded(training))

    start(a, 1)
    start(b, 1)
    monitor.epoch(a, ROW)
    clock.now = 20.0
    fail(b, PREEMPTED, "/f/1")
    clock.now = 40.0
    done(a)
    start(c, 1)
    clock.now = 60.0
    fail(c, NOT_FINITE, "/f/2")
    start(b, 2)
    clock.now = 100.0
    monitor.tick()
    done(b)


def monitored(trainings: list[Training], clock: Clock, **settings) -> tuple[Monitor, Queue]:
    states = {training.training_id: "pending" for training in trainings[:3]} | {trainings[3].training_id: "done"}
    queue = Queue(states, trainings[:3], Packing(Machine(2)), Budgets(preempted=1), clock=clock)  # type: ignore[arg-type]
    return Monitor(queue, clock=clock, **settings), queue


def test_golden_lines(trainings: list[Training]) -> None:
    lines: list[str] = []
    clock = Clock()
    monitor, queue = monitored(trainings, clock, say=lines.append, verbose=True)
    play(trainings, clock, monitor, queue)
    monitor.close()
    lines.append(monitor.summary())
    ids = dict(zip("abc", (training.training_id for training in trainings), strict=False))
    assert "\n".join(lines) + "\n" == GOLDEN.format(**ids)


def test_without_verbose_no_line_per_epoch(trainings: list[Training]) -> None:
    lines: list[str] = []
    clock = Clock()
    monitor, queue = monitored(trainings, clock, say=lines.append)
    play(trainings, clock, monitor, queue)
    assert not any(" epoch  " in line for line in lines)


def test_no_terminal_no_progress(trainings: list[Training]) -> None:
    stream = io.StringIO()
    clock = Clock()
    monitor, queue = monitored(trainings, clock, say=lambda line: print(line, file=stream))
    play(trainings, clock, monitor, queue)
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_log_is_told_every_half_a_minute(trainings: list[Training]) -> None:
    lines: list[str] = []
    clock = Clock()
    monitor, queue = monitored(trainings, clock, say=lines.append)
    for training in trainings[:2]:
        assert queue.next()
        queue.started(training.training_id)
        monitor.started(training, 1, {"CPU": 1})
    monitor.epoch(trainings[0], ROW)
    before = len(lines)
    for now in range(10, 70, 5):
        clock.now = now
        monitor.tick()
    names = "timesformer1 h=4 2dot seed=0 epoch 1/3, best 50.0%; timesformer1 h=4 2dot seed=1 epoch 0/3"
    assert lines[before:] == [f"1/4 done, 2 running, 240 clips/s, about 8 s left; {names}"] * 2


def test_a_trained_trial_is_evaluated_and_has_no_epochs_unless_its_weights_are_gone(trainings: list[Training]) -> None:
    lines: list[str] = []
    clock = Clock()
    first, second = trainings[:2]
    monitor, queue = monitored(trainings, clock, say=lines.append, trained={first.training_id})
    for training in (first, second):
        assert queue.next()
        queue.started(training.training_id)
        monitor.started(training, 2, {"CPU": 1})
    clock.now = 30.0
    monitor.tick()
    assert lines == [
        f"{first.training_id} start  timesformer1 h=4 2dot seed=0, to be evaluated",
        f"{second.training_id} start  timesformer1 h=4 2dot seed=1, attempt 2",
        "1/4 done, 2 running, 0 clips/s, just begun; timesformer1 h=4 2dot seed=0 is evaluated; "
        "timesformer1 h=4 2dot seed=1 epoch 0/3",
    ]
    assert monitor.running[first.training_id].row == "is evaluated  timesformer1 h=4 2dot seed=0"
    monitor.epoch(first, ROW)
    assert monitor.running[first.training_id].words == "timesformer1 h=4 2dot seed=0 epoch 1/3, best 50.0%"


def test_of_many_running_trials_a_log_is_told_some(make_training) -> None:
    lines: list[str] = []
    clock = Clock()
    many = [make_training(seed=seed) for seed in range(9)]
    queue = Queue(dict.fromkeys((each.training_id for each in many), "pending"), many, Packing(Machine(9)), Budgets())
    monitor = Monitor(queue, lines.append, clock=clock)
    for training in many:
        monitor.started(training, 1, {"CPU": 1})
    clock.now = 30.0
    monitor.tick()
    assert lines[-1].count(" epoch 0/") == 6
    assert lines[-1].endswith("seed=5 epoch 0/3; and 3 more")


def test_time_left_weighs_trials_by_what_was_expected(trainings: list[Training]) -> None:
    clock = Clock()
    a, b, c = trainings[:3]
    expected = {a.training_id: 60.0, b.training_id: 30.0, c.training_id: 30.0}
    monitor, queue = monitored(trainings, clock, say=lambda _line: None, expected=expected, expected_wall=130.0)
    clock.now = 10.0
    assert monitor.time_left() == "about 2.0 min left"
    clock.now = 129.8
    assert monitor.time_left() == "about 1 s left"
    clock.now = 130.0
    assert monitor.time_left() == "longer than was expected"
    queue.next()
    queue.started(a.training_id)
    monitor.started(a, 1, {})
    clock.now = 50.0
    queue.done(a.training_id)
    monitor.done(a, recorded(a))
    assert monitor.time_left() == "about 50 s left"
    queue.next()
    queue.started(b.training_id)
    monitor.started(b, 1, {})
    monitor.epoch(b, ROW)
    assert monitor.time_left() == "about 36 s left", "one of b's three epochs is over"


def test_time_left_without_a_forecast_is_told_by_the_epochs_that_were_seen(make_training) -> None:
    clock = Clock()
    first, second = make_training(), make_training(seed=1)
    larger = make_training(hidden_units=8)
    every = (first, second, larger)
    queue = Queue(
        dict.fromkeys((each.training_id for each in every), "pending"),
        every,
        Packing(Machine(2)),
        Budgets(),
        clock=clock,
    )
    monitor = Monitor(queue, lambda _line: None, clock=clock)
    assert monitor.time_left() == "just begun"
    for training in (first, larger):
        queue.started(training.training_id)
        monitor.started(training, 1, {})
    clock.now = 20.0
    monitor.epoch(first, {**ROW, "seconds": 20.0})
    assert monitor.time_left() == "about 80 s left", "30 - 10 s of the whole machine, 30 of the other seed, 30 guessed"
    clock.now = 40.0
    monitor.epoch(larger, {**ROW, "seconds": 40.0})
    monitor.epoch(first, {**ROW, "epoch": 1, "seconds": 20.0})
    assert monitor.time_left() == "about 80 s left", "10 + 30 + (60 - 20)"
    queue.done(first.training_id)
    monitor.done(first, record_of(task_of(first), epochs=2, seconds={"total": 40.0}))
    assert monitor.time_left() == "about 60 s left", "40 s of the machine were used, and 60 are left"


def test_a_trial_that_goes_on_shows_its_epochs_at_once(trainings: list[Training]) -> None:
    lines: list[str] = []
    clock = Clock()
    monitor, queue = monitored(trainings, clock, say=lines.append)
    first = trainings[0]
    queue.started(first.training_id)
    monitor.started(first, 2, {})
    monitor.resumed(first, {**ROW, "epoch": 1, "seconds": 20.0})
    assert lines[-1] == f"{first.training_id} resume {first.name}: after epoch 2 of 3, val top-1 0.500 at best"
    assert monitor.running[first.training_id].words == f"{first.name} epoch 2/3, best 50.0%"
    assert monitor.time_left() == "about 70 s left", "a third of 30 s of the whole machine, and two more seeds"


def test_epochs_of_earlier_attempts_are_no_work_of_a_run(trainings: list[Training]) -> None:
    """Of two trials of 30 s the first had two of three epochs; after it, and a third of the second, half is over."""
    clock = Clock()
    expected = {training.training_id: 30.0 for training in trainings[:3]}
    monitor, queue = monitored(trainings, clock, say=lambda _line: None, expected=expected, expected_wall=80.0)
    first, second = trainings[:2]
    for training in (first, second):
        queue.started(training.training_id)
        monitor.started(training, 2, {})
    monitor.resumed(first, {**ROW, "epoch": 1})
    clock.now = 10.0
    queue.done(first.training_id)
    monitor.done(first, record_of(task_of(first), epochs=3))
    assert monitor.time_left() == "about 60 s left", "10 s for a third of 30, and twice 30 are left"
    monitor.epoch(second, ROW)
    clock.now = 20.0
    assert monitor.time_left() == "about 50 s left"
    assert queue.next() is not None
    monitor.failed(second, PREEMPTED, 5.0, "/f/1")
    assert monitor.time_left() == "about 60 s left", "an epoch was trained, but the trial may begin anew"


def test_a_candidate_that_is_cut_has_ended(trainings: list[Training]) -> None:
    lines: list[str] = []
    clock = Clock()
    monitor, queue = monitored(trainings, clock, say=lines.append)
    first = trainings[0]
    assert queue.next()
    queue.started(first.training_id)
    monitor.started(first, 1, {"CPU": 1})
    clock.now = 10.0
    queue.done(first.training_id)
    monitor.cut(first, 3, 0.25)
    assert f"{first.training_id} cut    {first.name}: val top-1 0.250 after 3 epochs; 2/4 done, about " in lines[-1]
    assert monitor.running == {}
    assert monitor.busy_seconds == 5.0, "half of the machine"
