"""What a run says, to the letter: plain lines where nobody watches, one live line on a real terminal."""

import io
import os
import pty
import re
import termios
from contextlib import suppress

import pytest

from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.monitor import Monitor, duration
from rac_ray.sweep.packing import Machine, Packing
from rac_ray.sweep.queue import Queue
from rac_ray.identity import Trial

RECORD = {"best_val_top1": 0.51, "best_epoch": 2, "epochs": 7, "seconds": {"total": 33.4}}
ROW = {"epoch": 0, "train_loss": 1.60944, "val_top1": 0.25, "seconds": 2.0, "clips": 480}
NOT_FINITE = {"class": "not finite", "reason": "NotFinite: training loss is nan in epoch 3"}
PREEMPTED = {"class": "preempted", "reason": "the trial's process died"}

GOLDEN = """\
{a} start  timesformer1 h=4 2dot seed=0
{b} start  timesformer1 h=4 2dot seed=1
{a} epoch  timesformer1 h=4 2dot seed=0: 0, train loss 1.6094, val top-1 0.250, 2.0 s
{b} failed timesformer1 h=4 2dot seed=1: preempted: the trial's process died; again in 5 s (traceback: /f/1)
{a} done   timesformer1 h=4 2dot seed=0: val top-1 0.510 in epoch 2 of 7, 33 s; 2/4 done, 0 failed, about 80 s left
{c} start  timesformer1 h=4 2dot seed=2
{c} FAILED timesformer1 h=4 2dot seed=2: not finite: NotFinite: training loss is nan in epoch 3; given up \
(traceback: /f/2)
{b} start  timesformer1 h=4 2dot seed=1, attempt 2
{b} done   timesformer1 h=4 2dot seed=1: val top-1 0.510 in epoch 2 of 7, 33 s; 3/4 done, 1 failed, none left
4 trials planned = 3 done + 1 failed + 0 running + 0 pending; 1.7 min, 40% of the machine idle
"""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def trials(make_trial) -> list[Trial]:
    return [make_trial(seed=seed) for seed in range(4)]


def play(trials: list[Trial], clock: Clock, monitor: Monitor, queue: Queue) -> None:
    """Three trials of four (one was done before) on two cores, over 100 seconds; one is preempted, one diverges."""
    a, b, c = trials[:3]

    def start(trial: Trial, attempt: int) -> None:
        assert queue.next()
        queue.started(trial.trial_id)
        monitor.started(trial, attempt, {"CPU": 1})

    def fail(trial: Trial, failure: dict[str, str], path: str) -> None:
        monitor.failed(trial, failure, queue.failed(trial.trial_id, failure["class"]), path)

    def done(trial: Trial) -> None:
        queue.done(trial.trial_id)
        monitor.done(trial, RECORD)

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
    clock.now = 120.0 if monitor.live else 100.0
    monitor.tick()
    done(b)


def monitored(trials: list[Trial], clock: Clock, **settings) -> tuple[Monitor, Queue]:
    states = {trial.trial_id: "pending" for trial in trials[:3]} | {trials[3].trial_id: "done"}
    queue = Queue(states, trials[:3], Packing(Machine(2)), Budgets(preempted=1), clock=clock)  # type: ignore[arg-type]
    return Monitor(queue, clock=clock, **settings), queue


def test_golden_lines(trials: list[Trial]) -> None:
    lines: list[str] = []
    clock = Clock()
    monitor, queue = monitored(trials, clock, say=lines.append, verbose=True)
    play(trials, clock, monitor, queue)
    monitor.close()
    lines.append(monitor.summary())
    ids = dict(zip("abc", (trial.trial_id for trial in trials), strict=False))
    assert "\n".join(lines) + "\n" == GOLDEN.format(**ids)


def test_without_verbose_no_line_per_epoch(trials: list[Trial]) -> None:
    lines: list[str] = []
    clock = Clock()
    monitor, queue = monitored(trials, clock, say=lines.append)
    play(trials, clock, monitor, queue)
    assert not any(" epoch  " in line for line in lines)


def whole(terminal: int) -> str:
    """All that a terminal has to show; it gives a few thousand bytes at a time."""
    pieces = []
    with suppress(BlockingIOError):
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    return b"".join(pieces).decode()


def test_the_live_line_on_a_terminal(trials: list[Trial]) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    os.set_blocking(ours, False)
    clock = Clock()
    with os.fdopen(theirs, "w") as terminal:
        assert terminal.isatty()
        monitor, queue = monitored(trials, clock, say=lambda _line: None, live=terminal)
        play(trials, clock, monitor, queue)
        monitor.close()
        terminal.flush()
        shown = whole(ours)
    os.close(ours)
    frames = [frame.strip() for frame in re.split(r"[\r\n]|\x1b\[A", shown) if frame.strip()]
    assert any(re.search(r"1/4 done \|.* 2 running, 240 clips/s, just begun$", frame) for frame in frames)
    assert any(re.search(r"2/4 done \|.* 1 running, 1 failed, 0 clips/s, about 2.0 min left$", f) for f in frames), (
        frames
    )


def test_no_terminal_no_live_line(trials: list[Trial]) -> None:
    stream = io.StringIO()
    clock = Clock()
    monitor, queue = monitored(trials, clock, say=lambda line: print(line, file=stream))
    play(trials, clock, monitor, queue)
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_time_left_weighs_trials_by_what_was_expected(trials: list[Trial]) -> None:
    clock = Clock()
    a, b, c = trials[:3]
    expected = {a.trial_id: 60.0, b.trial_id: 30.0, c.trial_id: 30.0}
    monitor, queue = monitored(trials, clock, say=lambda _line: None, expected=expected, expected_wall=130.0)
    clock.now = 10.0
    assert monitor.time_left() == "about 2.0 min left"
    queue.next()
    queue.started(a.trial_id)
    monitor.started(a, 1, {})
    clock.now = 50.0
    queue.done(a.trial_id)
    monitor.done(a, RECORD)
    assert monitor.time_left() == "about 50 s left"
    queue.next()
    queue.started(b.trial_id)
    monitor.started(b, 1, {})
    monitor.epoch(b, ROW)
    assert monitor.time_left() == "about 42 s left", "one of b's three epochs is over"


def test_durations() -> None:
    told = {0.4: "0 s", 89: "89 s", 90: "1.5 min", 599: "10.0 min", 600: "10 min", 5399: "90 min", 5400: "1.5 h"}
    assert {seconds: duration(seconds) for seconds in told} == told
