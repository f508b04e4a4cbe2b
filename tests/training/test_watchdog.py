"""A real process that stops stepping: its stacks are told, and it is killed."""

import signal
import subprocess
import sys
import time

import pytest

from rac_ray.training.watchdog import StallLimits, Watchdog, stacks

STALLING = """
import sys, time
from rac_ray.training.watchdog import StallLimits, Watchdog

def where_it_hangs():
    time.sleep(60)

def told(sentence, stacks):
    print(sentence, stacks, flush=True)
    if sys.argv[1] == "slow storage":
        time.sleep(60)

import rac_ray.training.watchdog as module
module.REPORT_SECONDS = 0.5
with Watchdog(StallLimits(factor=20, floor_seconds=0.4), told) as watchdog:
    for _ in range(5):
        time.sleep(0.01)
        watchdog.beat()
    where_it_hangs()
"""


@pytest.mark.parametrize("storage", ["storage", "slow storage"])
def test_a_process_that_hangs_says_where_and_ends(storage: str) -> None:
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", STALLING, storage], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert time.monotonic() - started < 20
    assert done.stdout.startswith("no step for ")
    assert "in where_it_hangs" in done.stdout


def test_the_limit_is_many_median_steps_and_at_least_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 10.0, 12.0, 14.0, 1000.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    watchdog = Watchdog(StallLimits(factor=50, floor_seconds=60), print)
    assert watchdog.limit() == 60
    for limit in (500.0, 300.0, 100.0):
        watchdog.beat()
        assert watchdog.limit() == limit
    monkeypatch.undo()


def test_a_process_that_steps_or_has_ended_is_left_alone() -> None:
    told: list[str] = []
    with Watchdog(StallLimits(factor=1000, floor_seconds=0.2), lambda *words: told.extend(words)) as watchdog:
        for _ in range(20):
            time.sleep(0.03)
            watchdog.beat()
    time.sleep(0.4)
    assert told == []


def test_stacks_name_this_function() -> None:
    assert "in test_stacks_name_this_function" in stacks()
